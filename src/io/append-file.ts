/** @file A log file that only grows: what was appended survives the death of the process. */

import { closeSync, openSync, writeSync } from "node:fs";
import { fileFault } from "./file-fault.js";

export interface AppendFile {
  /** Hands all bytes to the system before it returns. Throws `InputError` (disk full, ...). */
  append(bytes: Uint8Array): void;
  close(): void;
}

/** Opens `path` for appending, creating it if needed. Throws `InputError`. */
export function openAppendFile(path: string): AppendFile {
  const guarded = <T>(action: () => T): T => {
    try {
      return action();
    } catch (error) {
      throw fileFault(error, path, "a file that can be appended to");
    }
  };
  const file = guarded(() => openSync(path, "a"));
  let open = true;
  return {
    append: (bytes) =>
      guarded(() => {
        for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done);
      }),
    close() {
      if (open) closeSync(file);
      open = false;
    },
  };
}
