/** @file What `doctor` asks of the engine. */
import { DEVICES } from "../core/devices.js";
import type { OnnxModel } from "../onnx/protobuf.js";
import type { Device, Runtime } from "./contract.js";
import { createRuntime } from "./create-runtime.js";
import { ort } from "./ort-library.js";
import { scatterAddError } from "./scatter-check.js";
import { telemetryFault } from "./telemetry.js";

/** Version, build and place of the ONNX Runtime library. Throws InputError when it is missing. */
export function probeLibrary(): { version: string; buildInfo: string; path: string } {
  const { version, buildInfo, path } = ort();
  return { version, buildInfo, path };
}

/**
 * What speaks against the library's telemetry being off; undefined when nothing does. Throws InputError as
 * `probeLibrary`.
 */
export function probeTelemetry(): string | undefined {
  ort();
  return telemetryFault();
}

function matMulModel(n: number): OnnxModel {
  const square = (name: string) => ({ name, dtype: "float32", shape: [n, n] }) as const;
  return {
    nodes: [{ opType: "MatMul", inputs: ["a", "b"], outputs: ["c"] }],
    inputs: [square("a"), square("b")],
    outputs: [square("c")],
    initializers: [],
    opset: 21,
  };
}

export interface MatMulRate {
  /** GFLOP/s (2 n^3 operations) of one run after the other. */
  readonly single: number;
  /** GFLOP/s of `Runtime.cores` runs at once. */
  readonly concurrent: number;
}

/** The speed of an n x n x n float32 matrix product, best of three, after a warm-up. */
export async function probeMatMul(runtime: Runtime, n: number): Promise<MatMulRate> {
  const program = await runtime.compile(matMulModel(n), { name: "matrix product" });
  const square = () => runtime.allocate("float32", [n, n]);
  const lanes = Array.from({ length: runtime.cores }, () => ({
    feeds: { a: square(), b: square() },
    fetches: { c: square() },
  }));
  /** Best seconds of `count` simultaneous runs; reading the result waits for a GPU's queue. */
  const seconds = async (count: number): Promise<number> => {
    let best = Number.POSITIVE_INFINITY;
    for (let i = 0; i < 4; i++) {
      const start = performance.now();
      await Promise.all(lanes.slice(0, count).map(({ feeds, fetches }) => program.run(feeds, fetches)));
      if (runtime.device !== "cpu") await lanes[0].fetches.c.read();
      if (i > 0) best = Math.min(best, (performance.now() - start) / 1000);
    }
    return best;
  };
  const gigaFlop = (2 * n ** 3) / 1e9;
  const rate = {
    single: gigaFlop / (await seconds(1)),
    concurrent: (gigaFlop * lanes.length) / (await seconds(lanes.length)),
  };
  for (const { feeds, fetches } of lanes) for (const tensor of [feeds.a, feeds.b, fetches.c]) tensor.dispose();
  program.dispose();
  return rate;
}

/** Whether scattered sums lose updates on this device: the largest error, which must be 0. */
export function probeScatterAdd(runtime: Runtime): Promise<number> {
  return scatterAddError(runtime, { updates: 65_536, rows: 16, width: 32 });
}

export interface DeviceStatus {
  readonly device: Device;
  readonly available: boolean;
  /** Why not, and what to do about it; empty when available. */
  readonly detail: string;
}

/** Which devices start on this machine. */
export async function listDevices(): Promise<DeviceStatus[]> {
  const result: DeviceStatus[] = [];
  for (const device of DEVICES) {
    try {
      (await createRuntime({ device, cores: 1 })).dispose();
      result.push({ device, available: true, detail: "" });
    } catch (error) {
      result.push({ device, available: false, detail: (error as Error).message });
    }
  }
  return result;
}
