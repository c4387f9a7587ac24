/**
 * @file Keeps ONNX Runtime from reporting to its maker: it would read the machine's id, keep a store and send events.
 */
import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadLibrary } from "./foreign.js";

/** Read when the library's environment is created. Builds for Windows only know the call `DisableTelemetryEvents`. */
const SWITCH = "ORT_DISABLE_TELEMETRY";
const OFF = "1";

interface Environment {
  get(name: string): string | null;
  set(name: string, value: string): void;
}

/** The process's own variables, which native code reads; `process.env` of a worker thread is a copy of them. */
function nativeEnvironment(): Environment {
  if (process.platform === "win32") {
    const kernel = loadLibrary("kernel32.dll");
    const read = kernel.func("uint32_t GetEnvironmentVariableA(const char *name, void *value, uint32_t size)");
    const write = kernel.func("bool SetEnvironmentVariableA(const char *name, const char *value)");
    const value = Buffer.alloc(64);
    return {
      get: (name) => value.toString("latin1", 0, read(name, value, value.length)),
      set: (name, text) => void write(name, text),
    };
  }
  const libc = loadLibrary(null);
  const read = libc.func("const char *getenv(const char *name)");
  const write = libc.func("int setenv(const char *name, const char *value, int overwrite)");
  return { get: (name) => read(name), set: (name, value) => void write(name, value, 1) };
}

/** Switches it off, whatever the user's variable says. To be called before the library is loaded. */
export function forbidTelemetry(): void {
  nativeEnvironment().set(SWITCH, OFF);
}

/** What speaks against telemetry being off in this process, with the library loaded; undefined when nothing does. */
export function telemetryFault(): string | undefined {
  const value = nativeEnvironment().get(SWITCH);
  if (value !== OFF) return `${SWITCH} is ${value ? `"${value}"` : "not set"} where the library reads it`;
  const trace = join(tmpdir(), `mat-debug-${process.pid}.log`);
  return existsSync(trace) ? `the library's telemetry writes ${trace}` : undefined;
}
