/** @file Opens a runtime on the device that was asked for. */

import { availableParallelism } from "node:os";
import pLimit, { type LimitFunction } from "p-limit";
import { DEVICE_ADVICE, DEVICES, type Device } from "../core/devices.js";
import { InputError } from "../core/errors.js";
import { type Reporter, SILENT } from "../core/reporter.js";
import { encodeModel } from "../onnx/protobuf.js";
import type { Runtime } from "./contract.js";
import { collectGarbage } from "./native-heap.js";
import { captureOutput } from "./native-output.js";
import { ort } from "./ort-library.js";
import { compileProgram } from "./ort-program.js";
import { MEMORY_NAME, missingDevice } from "./ort-provider.js";
import { openSessionHere } from "./ort-session.js";
import { deviceMemory, hostMemory, type Memory } from "./ort-tensor.js";
import { scatterAddError } from "./scatter-check.js";
import { threadPoolFault } from "./thread-pool.js";

export interface RuntimeOptions {
  /** Default: the CPU. */
  readonly device?: Device;
  /** Runs that compute at once on the CPU, one core each; default, and 0: one for every core of the machine. */
  readonly cores?: number;
  /** Is told when the process has too few threads for so many cores. */
  readonly reporter?: Reporter;
}

/** The smallest graph: providers hand out memory only through a session of theirs. */
const NOTHING = encodeModel({
  nodes: [{ opType: "Identity", inputs: ["x"], outputs: ["y"] }],
  inputs: [{ name: "x", dtype: "float32", shape: [1] }],
  outputs: [{ name: "y", dtype: "float32", shape: [1] }],
  initializers: [],
  opset: 21,
});

/** The first session wakes the loader, the driver and the provider, which print what they think of each other. */
function openGpuSession(device: Exclude<Device, "cpu">): bigint {
  let session: bigint | undefined;
  let fault: Error | undefined;
  const printed = captureOutput(() => {
    try {
      session = openSessionHere(NOTHING, { device, frozenWeights: false, threads: 1 });
    } catch (error) {
      fault = error as Error;
    }
  });
  if (session === undefined) throw missingDevice(device, fault!, printed);
  return session;
}

function openGpuMemory(device: Exclude<Device, "cpu">, gate: LimitFunction): Memory {
  const session = openGpuSession(device);
  const memory = deviceMemory(session, MEMORY_NAME[device], gate);
  return {
    ...memory,
    dispose() {
      memory.dispose();
      ort().release("ReleaseSession", session);
    },
  };
}

/** Small enough to pass unnoticed (about a millisecond), with 512 updates for each row. */
const SCATTER_SIZE = { updates: 2048, rows: 4, width: 8 };

/**
 * Opens the runtime of a device, and makes sure that scattered sums are exact on it.
 * @throws InputError that says what to do when the device is missing (there is no fallback), Error when its sums are
 * wrong
 *
 * CUDA has the same code path as WebGPU but was never run: npm carries no CUDA files.
 */
export async function createRuntime({
  device = "cpu",
  cores = 0,
  reporter = SILENT,
}: RuntimeOptions = {}): Promise<Runtime> {
  if (!DEVICES.includes(device)) {
    const expected = `one of ${DEVICES.join(", ")}`;
    throw new InputError({ where: "createRuntime device", expected, found: `"${device}"`, fix: DEVICE_ADVICE });
  }
  if (!Number.isInteger(cores) || cores < 0) {
    const expected = "a whole number, 0 for all cores";
    throw new InputError({ where: "createRuntime cores", expected, found: String(cores) });
  }
  const width = device === "cpu" ? cores || availableParallelism() : 1;
  const smallPool = device === "cpu" && threadPoolFault(width);
  if (smallPool) reporter.warn(smallPool);
  const gate = pLimit(width);
  const memory = device === "cpu" ? hostMemory() : openGpuMemory(device, gate);
  const runtime: Runtime = {
    device,
    cores: width,
    allocate: memory.allocate,
    upload: memory.upload,
    view: memory.view,
    compile: (model, options = {}) => compileProgram(model, options, { device, gate }),
    collectGarbage,
    dispose: memory.dispose,
  };
  const error = await scatterAddError(runtime, SCATTER_SIZE);
  if (error !== 0)
    throw new Error(`${device}: ScatterND add is off by ${error}; gradients would be wrong on this device`);
  return runtime;
}
