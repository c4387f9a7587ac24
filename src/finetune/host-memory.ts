/**
 * @file Values that are put together here and read there: on the CPU both see the same memory, on a GPU it is copied.
 */

import { sizeOf } from "../core/tensor-data.js";
import type { DeviceTensor } from "../runtime/contract.js";

/** Where the values of a tensor are put together. */
export function hostMemory({ data, shape }: DeviceTensor<"float32">): Float32Array {
  return data ?? new Float32Array(sizeOf(shape));
}

/** Makes the tensor hold what was put together in its host memory. */
export async function upload(tensor: DeviceTensor<"float32">, data: Float32Array): Promise<void> {
  if (data !== tensor.data) await tensor.write({ dtype: "float32", shape: tensor.shape, data });
}

/** The values of a tensor, to be read before its next run. */
export async function hostValues(tensor: DeviceTensor<"float32">): Promise<Float32Array> {
  return tensor.data ?? (await tensor.read()).data;
}
