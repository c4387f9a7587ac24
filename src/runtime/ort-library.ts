/** @file Loads ONNX Runtime's shared library and calls its C API through koffi. */
import koffi from "koffi";
import { InputError } from "../core/errors.js";
import { memoryFault } from "../core/out-of-memory.js";
import { findLibrary, ONNXRUNTIME_VERSION } from "./find-library.js";
import { loadLibrary } from "./foreign.js";
import { ORT, ORT_API_VERSION, ORT_FUNCTIONS, type OrtFunction } from "./ort-api.js";
import { forbidTelemetry } from "./telemetry.js";

type NativeValue = bigint | number | string | null | NodeJS.ArrayBufferView;

interface NativeFunction {
  (...values: NativeValue[]): unknown;
  async(...values: [...NativeValue[], (error: Error | null, result: unknown) => void]): void;
}

export interface Ort {
  readonly path: string;
  /** e.g. "1.30.0". */
  readonly version: string;
  readonly buildInfo: string;
  /** The one OrtEnv of the process. */
  readonly env: bigint;
  /** Calls a fallible function. Throws Error with the library's message, OutOfMemoryError when that is the reason. */
  call(name: OrtFunction, ...values: NativeValue[]): void;
  /** The same on a libuv thread. The typed arrays among `values` are kept alive; memory that they point to is not. */
  callAsync(name: OrtFunction, ...values: NativeValue[]): Promise<void>;
  /** Calls a function whose last parameter receives a pointer, and returns that pointer. */
  create(name: OrtFunction, ...values: NativeValue[]): bigint;
  release(name: OrtFunction, pointer: bigint): void;
}

/** The library's only export. Throws InputError when the file is no library of this system, or another one. */
function apiBase(path: string): bigint {
  try {
    return loadLibrary(path).func("OrtGetApiBase", "void *", [])() as bigint;
  } catch (cause) {
    if (cause instanceof InputError) throw cause;
    const problem = {
      where: path,
      expected: "ONNX Runtime's library for this system",
      found: `"${(cause as Error).message}"`,
      fix: "On Linux it needs glibc 2.28 or newer and libstdc++. A damaged file comes back with a new installation.",
    };
    throw new InputError(problem, { cause });
  }
}

function openTable(path: string): { version: string; functions: Record<OrtFunction, NativeFunction> } {
  const bind = (pointer: bigint, result: string, parameters: readonly string[]) =>
    koffi.decode(pointer, koffi.proto(result, [...parameters])) as NativeFunction;
  // struct OrtApiBase { const OrtApi* (*GetApi)(uint32_t); const char* (*GetVersionString)(void); }
  const [getApi, getVersion] = koffi.decode(apiBase(path), "void *", 2) as bigint[];
  const version = bind(getVersion, "const char *", [])() as string;
  const table = bind(getApi, "void *", ["uint32_t"])(ORT_API_VERSION) as bigint | null;
  if (table === null) {
    throw new InputError({
      where: path,
      expected: `ONNX Runtime 1.${ORT_API_VERSION} or newer`,
      found: version,
      fix: `Install onnxruntime-node@${ONNXRUNTIME_VERSION}.`,
    });
  }
  const size = 1 + Math.max(...Object.values(ORT_FUNCTIONS).map(({ index }) => index));
  const pointers = koffi.decode(table, "void *", size) as bigint[];
  const rows = Object.entries(ORT_FUNCTIONS).map(([name, { index, result, parameters }]) => [
    name,
    bind(pointers[index], result, parameters),
  ]);
  return { version, functions: Object.fromEntries(rows) };
}

function open(): Ort {
  forbidTelemetry();
  const path = findLibrary();
  const { version, functions } = openTable(path);

  const check = (status: unknown) => {
    if (status === null) return;
    const message = functions.GetErrorMessage(status as bigint) as string;
    functions.ReleaseStatus(status as bigint);
    throw memoryFault(new Error(message), "ONNX Runtime");
  };
  const call: Ort["call"] = (name, ...values) => check(functions[name](...values));
  const create: Ort["create"] = (name, ...values) => {
    const out = new BigUint64Array(1);
    call(name, ...values, out);
    return out[0];
  };
  const callAsync: Ort["callAsync"] = (name, ...values) =>
    new Promise((resolve, reject) => {
      functions[name].async(...values, (error, status) => {
        values.length = 0; // referred to here, so that the garbage collector leaves the memory alone until now
        try {
          if (error) throw error;
          check(status);
          resolve();
        } catch (fault) {
          reject(fault);
        }
      });
    });
  const release: Ort["release"] = (name, pointer) => void functions[name](pointer);

  // Errors come back as statuses; logged as well, they would appear twice.
  const env = create("CreateEnv", ORT.LOG_FATAL, "mask-jepa");
  call("DisableTelemetryEvents", env);
  // One arena for the CPU sessions that ask for it (`session.use_env_allocators`).
  const memory = create("CreateCpuMemoryInfo", ORT.ARENA_ALLOCATOR, ORT.MEMORY_DEFAULT);
  const arena = create("CreateArenaCfg", 0, ORT.EXTEND_AS_REQUESTED, ORT.ARENA_DEFAULT, ORT.ARENA_DEFAULT);
  call("CreateAndRegisterAllocator", env, memory, arena);
  release("ReleaseArenaCfg", arena);
  release("ReleaseMemoryInfo", memory);
  const buildInfo = functions.GetBuildInfoString() as string;
  return { path, version, buildInfo, env, call, callAsync, create, release };
}

let opened: Ort | undefined;

/** The library, loaded at the first call. Throws InputError when it is missing or too old. */
export function ort(): Ort {
  opened ??= open();
  return opened;
}
