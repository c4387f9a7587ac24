/** @file Running statistics of batch norms, which follow those of the batches. */

import type { DeviceTensor } from "../runtime/contract.js";
import type { Observed } from "./objective.js";
import type { TensorMap } from "./parameter-layout.js";

/** Momentum of PyTorch's batch norm. */
const MOMENTUM = 0.1;

/** running <- (1 - momentum) running + momentum * batch; `batch` holds the statistics one after another. */
export async function followStatistics(
  weights: TensorMap,
  observed: readonly Observed[],
  batch: Float32Array,
): Promise<void> {
  let offset = 0;
  for (const { name, size } of observed) {
    const running = weights.get(name) as DeviceTensor<"float32">;
    const { data, shape } = await running.read();
    const mixed = data.map((value, i) => (1 - MOMENTUM) * value + MOMENTUM * batch[offset + i]);
    await running.write({ dtype: "float32", shape, data: mixed });
    offset += size;
  }
}
