/** @file Values of the host on the device. */

import type { TensorData } from "../core/tensor-data.js";
import type { DeviceTensor, Runtime } from "./contract.js";

/** Tensors in the memory of the device, by name; the caller disposes of them. */
export async function uploadTensors(
  runtime: Runtime,
  tensors: ReadonlyMap<string, TensorData>,
): Promise<Map<string, DeviceTensor<"float32">>> {
  const uploaded = new Map<string, DeviceTensor<"float32">>();
  for (const [name, data] of tensors) {
    const tensor = runtime.allocate("float32", data.shape);
    await tensor.write(data as TensorData<"float32">);
    uploaded.set(name, tensor);
  }
  return uploaded;
}
