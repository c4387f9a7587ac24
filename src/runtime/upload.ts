/** @file Values of the host on the device. */

import type { TensorData } from "../core/tensor-data.js";
import type { DeviceTensor, Runtime } from "./contract.js";

/**
 * Tensors in the memory of the device, by name; the caller disposes of them, and does not change the values until then.
 */
export async function uploadTensors(
  runtime: Runtime,
  tensors: ReadonlyMap<string, TensorData>,
): Promise<Map<string, DeviceTensor<"float32">>> {
  const uploaded = new Map<string, DeviceTensor<"float32">>();
  for (const [name, values] of tensors) {
    uploaded.set(name, await runtime.upload(values as TensorData<"float32">));
  }
  return uploaded;
}
