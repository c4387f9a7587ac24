/** @file Which of ONNX Runtime's execution providers serves a device, and what to do when it does not start. */
import { InputError } from "../core/errors.js";
import type { Device } from "./contract.js";
import { ort } from "./ort-library.js";

/** The provider's name for its memory on the device. */
export const MEMORY_NAME: Record<Exclude<Device, "cpu">, string> = { webgpu: "WebGPU_Buffer", cuda: "Cuda" };

const FIX: Record<Exclude<Device, "cpu">, string> = {
  webgpu:
    "WebGPU needs a GPU driver and, on Linux, the Vulkan loader (Debian: libvulkan1). Without a GPU, for tests only: " +
    "install chromium and let VK_DRIVER_FILES name its vk_swiftshader_icd.json. Or use --device cpu.",
  cuda:
    "CUDA needs an NVIDIA driver, CUDA 12, cuDNN 9 and a library with the provider's files beside it, which npm " +
    "does not " +
    "carry: on Linux x64 `npm install onnxruntime-node --onnxruntime-node-install=cuda12` downloads them; let " +
    "MASK_JEPA_ONNXRUNTIME name its libonnxruntime.so.1. Or use --device webgpu, which needs none of these.",
};

function appendCuda(options: bigint): void {
  const { call, create, release } = ort();
  const settings = create("CreateCUDAProviderOptions");
  try {
    call("SessionOptionsAppendExecutionProvider_CUDA_V2", options, settings);
  } finally {
    release("ReleaseCUDAProviderOptions", settings);
  }
}

/** Adds the device's provider to session options; the CPU's is always there. Throws Error in the provider's words. */
export function appendProvider(device: Device, options: bigint): void {
  if (device === "webgpu") ort().call("SessionOptionsAppendExecutionProvider", options, "WebGPU", null, null, 0);
  if (device === "cuda") appendCuda(options);
}

/** ONNX Runtime's words without the place in its sources: `/a/b.cc:1 void f() condition was false. What is wrong`. */
const reasonOf = (message: string) => message.trim().replace(/^\S+:\d+ .* was false\. /s, "");

/**
 * The lines of `printed` that say something, each once, without their level and the places in the sources below them.
 */
function remarksOf(printed: string): string[] {
  const lines = printed.split("\n").filter((line) => /^\S/.test(line));
  return [...new Set(lines.map((line) => line.replace(/^(Warning|Error): /, "").trim()))];
}

/** The error for a device that was asked for and does not start; `printed` is what its libraries wrote about that. */
export function missingDevice(device: Exclude<Device, "cpu">, cause: Error, printed: string): InputError {
  const problem = {
    where: `--device ${device}`,
    expected: "a working device",
    found: `"${[reasonOf(cause.message), ...remarksOf(printed)].join("; ")}"`,
    fix: FIX[device],
  };
  return new InputError(problem, { cause });
}
