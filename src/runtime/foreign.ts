/** @file Native libraries through koffi: the one place where they are loaded. */
import koffi from "koffi";
import { InputError } from "../core/errors.js";

/**
 * koffi's own stack for asynchronous calls is 128 KiB, in which creating a WebGPU session overflows. 16 MiB is its
 * maximum.
 */
const STACK_BYTES = 16 * 2 ** 20;
const STACKS = { sync_stack_size: STACK_BYTES, async_stack_size: STACK_BYTES };

let configured = false;

function configure(): void {
  const { async_stack_size } = koffi.config() as typeof STACKS;
  if (async_stack_size < STACK_BYTES) {
    try {
      koffi.config(STACKS);
    } catch (cause) {
      const problem = {
        where: "koffi",
        expected: "that no library is loaded through it before ONNX Runtime",
        found: `"${(cause as Error).message}"`,
        fix: `Call createRuntime first, or koffi.config(${JSON.stringify(STACKS)}) before anything else.`,
      };
      throw new InputError(problem, { cause });
    }
  }
  configured = true;
}

/**
 * Held for ever: koffi unloads a library whose handle is collected, even while functions found through pointers run in
 * it.
 */
const loaded = new Map<string | null, ReturnType<typeof koffi.load>>();

/**
 * The shared library in a file; with null, on POSIX, what the process has loaded already, the C library among it.
 * @throws Error in the system's words, InputError when koffi was used before us
 */
export function loadLibrary(path: string | null): ReturnType<typeof koffi.load> {
  if (!configured) configure();
  const library = loaded.get(path) ?? koffi.load(path);
  loaded.set(path, library);
  return library;
}
