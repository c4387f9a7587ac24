/** @file Opens a runtime on the device that was asked for. */
import { InputError } from "../core/errors.js";
import { encodeModel } from "../onnx/protobuf.js";
import type { Device, Runtime } from "./contract.js";
import { createGate, type Gate } from "./gate.js";
import { ort } from "./ort-library.js";
import { compileProgram } from "./ort-program.js";
import { MEMORY_NAME, missingDevice } from "./ort-provider.js";
import { openSession } from "./ort-session.js";
import { deviceMemory, hostMemory, type Memory } from "./ort-tensor.js";
import { scatterAddError } from "./scatter-check.js";

export interface RuntimeOptions {
  readonly device: Device;
  /** Runs that compute at once on the CPU, one core each. */
  readonly cores: number;
}

/** The smallest graph: providers hand out memory only through a session of theirs. */
const NOTHING = encodeModel({
  nodes: [{ opType: "Identity", inputs: ["x"], outputs: ["y"] }],
  inputs: [{ name: "x", dtype: "float32", shape: [1] }],
  outputs: [{ name: "y", dtype: "float32", shape: [1] }],
  initializers: [],
  opset: 21,
});

async function openGpuMemory(device: Exclude<Device, "cpu">, gate: Gate): Promise<Memory> {
  const settings = { device, frozenWeights: false, threads: 1 };
  const session = await openSession(NOTHING, settings).catch((error: Error) => {
    throw missingDevice(device, error);
  });
  const memory = deviceMemory(session, MEMORY_NAME[device], gate);
  return {
    allocate: memory.allocate,
    view: memory.view,
    dispose() {
      memory.dispose();
      ort().release("ReleaseSession", session);
    },
  };
}

/** Small enough to pass unnoticed (about a millisecond), with 512 updates for each row. */
const SCATTER_SIZE = { updates: 2048, rows: 4, width: 8 };

/**
 * Opens the runtime of a device, and makes sure that scattered sums are exact on it. Throws InputError that says what to do when the
 * device is missing (there is no fallback), Error when its sums are wrong.
 * CUDA has the same code path as WebGPU but was never run: npm carries no CUDA files.
 */
export async function createRuntime({ device, cores }: RuntimeOptions): Promise<Runtime> {
  if (!Number.isInteger(cores) || cores < 1) {
    throw new InputError({ where: "cores", expected: "a whole number from 1", found: String(cores) });
  }
  const width = device === "cpu" ? cores : 1;
  const gate = createGate(width);
  const memory = device === "cpu" ? hostMemory() : await openGpuMemory(device, gate);
  const runtime: Runtime = {
    device,
    cores: width,
    allocate: memory.allocate,
    view: memory.view,
    compile: (model, options = {}) => compileProgram(model, options, { device, gate }),
    dispose: memory.dispose,
  };
  const error = await scatterAddError(runtime, SCATTER_SIZE);
  if (error !== 0)
    throw new Error(`${device}: ScatterND add is off by ${error}; gradients would be wrong on this device`);
  return runtime;
}
