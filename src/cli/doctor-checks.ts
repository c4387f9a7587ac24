/** @file What `mask-jepa doctor` looks at: one function per check. */

import { availableParallelism, freemem } from "node:os";
import type { Device, Runtime } from "../runtime/contract.js";

/** What a check saw. `FAIL`: pretraining cannot work. `warn`: it works, but slower or not for long. */
export interface Finding {
  level: "ok" | "warn" | "FAIL";
  found: string;
  /** What to do about it. */
  advice?: string;
}

export interface Check {
  name: string;
  run: () => Finding | Promise<Finding>;
}

const GB = 1e9;
const gigabytes = (bytes: number) => `${(bytes / GB).toFixed(1)} GB`;
const ok = (found: string): Finding => ({ level: "ok", found });

/** About what one image in flight of the r50 preset at 256x256 takes. */
const MEMORY_PER_RUN = 2 * GB;
/** Three checkpoints of the r50 preset with optimiser state and target weights, and one being written. */
const DISK = 3 * GB;
/** Below this rate of one core even the tiny preset takes long. */
const SLOW_GFLOPS = 10;

const OLDEST_NODE = [20, 12];

function checkNode(): Finding {
  const [major, minor] = process.versions.node.split(".").map(Number);
  if (major > OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor >= OLDEST_NODE[1])) return ok(process.version);
  const advice = `Install Node ${OLDEST_NODE.join(".")} or newer from nodejs.org.`;
  return { level: "FAIL", found: process.version, advice };
}

/** Loads koffi, and through it ONNX Runtime. */
async function checkOnnxRuntime(): Promise<Finding> {
  const { probeLibrary } = await import("../runtime/probe.js");
  return ok(`${probeLibrary().version} through koffi`);
}

/** Whether ONNX Runtime reports to its maker from here. */
async function checkPrivacy(): Promise<Finding> {
  const { probeTelemetry } = await import("../runtime/probe.js");
  const fault = probeTelemetry();
  if (fault === undefined) return ok("telemetry of ONNX Runtime is off");
  return { level: "FAIL", found: fault, advice: "Set ORT_DISABLE_TELEMETRY=1 before mask-jepa starts." };
}

/** A grey image through sharp's JPEG encoder and decoder. */
async function checkImages(): Promise<Finding> {
  const { decode, encodeJpeg } = await import("../io/image-file.js");
  const side = 16;
  const data = new Uint8Array(3 * side * side).fill(128);
  const jpeg = await encodeJpeg({ width: side, height: side, data });
  const decoded = await decode(jpeg, "test image");
  const off = Math.max(...decoded.data.map((value) => Math.abs(value - 128)));
  if (off > 2) return { level: "FAIL", found: `a JPEG comes back off by ${off}`, advice: "Run `npm ci` again." };
  return ok("JPEG round trip through sharp");
}

async function checkThreads(): Promise<Finding> {
  const { threadPoolFault } = await import("../runtime/thread-pool.js");
  const cores = availableParallelism();
  const fault = threadPoolFault(cores);
  if (fault === undefined) return ok(`${cores} cores, ${process.env.UV_THREADPOOL_SIZE} threads in the pool`);
  const advice = "Unset UV_THREADPOOL_SIZE: mask-jepa chooses it.";
  return { level: "warn", found: fault, advice };
}

async function checkMemory(): Promise<Finding> {
  const { machineMemory } = await import("../run/machine-memory.js");
  const limit = machineMemory();
  const free = Math.min(freemem(), limit);
  const found = `${gigabytes(free)} free of ${gigabytes(limit)}`;
  const needed = MEMORY_PER_RUN * (availableParallelism() + 1);
  if (free >= needed) return ok(found);
  const smaller = "use --cores 1, a smaller --size, or the preset tiny";
  return { level: "warn", found, advice: `r50 on all cores wants about ${gigabytes(needed)}: ${smaller}.` };
}

async function checkDisk(): Promise<Finding> {
  const { freeSpace } = await import("../io/atomic-file.js");
  const free = await freeSpace(".");
  if (free >= DISK) return ok(`${gigabytes(free)} free here`);
  const advice = "free some, or choose another disk with --out";
  return {
    level: "warn",
    found: `${gigabytes(free)} free here`,
    advice: `The checkpoints of an r50 run take about ${gigabytes(DISK)}: ${advice}.`,
  };
}

async function checkSpeed(runtime: Runtime): Promise<Finding> {
  const { probeMatMul } = await import("../runtime/probe.js");
  const { single, concurrent } = await probeMatMul(runtime, 1024);
  const together = `${concurrent.toFixed(0)} with ${runtime.cores} at once`;
  const found = `${single.toFixed(0)} GFLOP/s, ${together} (1024 x 1024 x 1024)`;
  if (single >= SLOW_GFLOPS) return ok(found);
  return { level: "warn", found, advice: "Pretraining will be slow here: end other programs, or use another machine." };
}

async function checkScatter(runtime: Runtime): Promise<Finding> {
  const { probeScatterAdd } = await import("../runtime/probe.js");
  const error = await probeScatterAdd(runtime);
  if (error === 0) return ok("exact");
  return { level: "FAIL", found: `off by ${error}: gradients would be wrong`, advice: "Choose another --device." };
}

/** The checks for pretraining on a device, in order of what depends on what. */
export function checksFor(device: Device): Check[] {
  let opened: Runtime | undefined;
  const checkDevice = async () => {
    const { createRuntime } = await import("../runtime/create-runtime.js");
    opened = await createRuntime({ device, cores: availableParallelism() });
    return ok("starts");
  };
  const onDevice = (check: (runtime: Runtime) => Promise<Finding>) => () =>
    opened ? check(opened) : { level: "FAIL" as const, found: "not run, because the device does not start" };
  return [
    { name: "Node", run: checkNode },
    { name: "ONNX Runtime", run: checkOnnxRuntime },
    { name: "privacy", run: checkPrivacy },
    { name: "images", run: checkImages },
    { name: "threads", run: checkThreads },
    { name: "memory", run: checkMemory },
    { name: "disk", run: checkDisk },
    { name: `device ${device}`, run: checkDevice },
    { name: "matrix product", run: onDevice(checkSpeed) },
    { name: "scatter-add", run: onDevice(checkScatter) },
  ];
}
