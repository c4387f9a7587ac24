/** @file What every backbone hands on. */

import type { Tensor } from "../graph/graph.js";

/** Maps at strides 4, 8, 16 and 32, each [N, C, ceil(H / stride), ceil(W / stride)]. */
export type Pyramid = readonly [res2: Tensor, res3: Tensor, res4: Tensor, res5: Tensor];
