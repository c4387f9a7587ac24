/** @file The contrast of images and their texts in OneFormer (loss_contrastive in its criterion.py). */

import { floats } from "../core/tensor-data.js";
import * as g from "../graph/build.js";
import type { Tensor } from "../graph/graph.js";

/** Of an L2 norm: what PyTorch's normalize divides by at least. */
const LEAST_NORM = 1e-12;
const LARGEST_SCALE = 100;

/** Rows of x [N, ...] as vectors of length 1, [N, D]. */
function directions(x: Tensor): Tensor {
  const rows = g.reshape(x, [x.shape[0], -1]);
  return g.div(rows, g.max(g.sqrt(g.reduceSum(g.mul(rows, rows), [1], true)), LEAST_NORM));
}

/** Mean over the rows of -log softmax(logits) on the diagonal, [N, N]. */
function ownRow(logits: Tensor): Tensor {
  const [n] = logits.shape;
  const diagonal = Float32Array.from({ length: n * n }, (_, i) => (i % (n + 1) === 0 ? -1 / n : 0));
  return g.reduceSum(g.mul(g.logSoftmax(logits), logits.graph.constant(floats([n, n], diagonal))));
}

/**
 * Cross-entropy of each image's queries among the texts of all images, and of each image's texts among all queries,
 * both of [N, ...]. Logits are cosines times min(exp(scale), 100). 0 for a single image.
 */
export function contrastiveLoss(queries: Tensor, texts: Tensor, scale: Tensor): Tensor {
  const cosines = g.matMul(directions(queries), directions(texts), { transB: true });
  const logits = g.mul(cosines, g.min(g.exp(scale), LARGEST_SCALE));
  return g.add(ownRow(logits), ownRow(g.transpose(logits, [1, 0])));
}
