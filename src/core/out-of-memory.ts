/**
 * @file Memory that runs out, in the words of whoever was refused, as one error that says what was wanted and what to
 * do.
 */

import { InputError } from "./errors.js";

/** Of ONNX Runtime and the C++ library below it, of GPU drivers, of the system, of JavaScript's own arrays, of Node. */
const REFUSALS = [
  /\bbad[ _]alloc/i,
  /failed to allocate memory/i,
  /(^|[^a-z])out[ _]of[ _](host_|device_|device )?memory\b/i,
  /cannot allocate memory|\bENOMEM\b/i,
  /^Array buffer allocation failed|^Invalid (typed array|array buffer) length: \d|^Invalid array buffer length$/,
  /^Invalid string length$|^Cannot create a (string longer|Buffer larger) than /,
  /^Worker terminated due to reaching memory limit/,
];

const FIX =
  "Use less at once: a smaller batch (run.batch, run.microBatch) or image size, or fewer cores. Training keeps less " +
  "when it computes activations again, e.g. " +
  "run.recompute=[deformable-attention,encoder-layers,decoder-layers,backbone].";

const UNITS = ["bytes", "kB", "MB", "GB", "TB", "PB", "EB"];

/** e.g. "1.1 GB". */
function sizeText(bytes: number): string {
  const unit = Math.min(UNITS.length - 1, Math.max(0, Math.floor(Math.log10(bytes) / 3)));
  return unit === 0 ? `${bytes} bytes` : `${(bytes / 1000 ** unit).toFixed(1)} ${UNITS[unit]}`;
}

export class OutOfMemoryError extends InputError {
  override readonly name = "OutOfMemoryError";
  /** `wanted` is what the memory was for; `cause` is the error of whoever was refused, which may say how much. */
  constructor(wanted: string, cause: Error, bytes?: number) {
    const asked = bytes ?? Number(/ of size (\d+)/.exec(cause.message)?.[1] ?? Number.NaN);
    const expected = `memory for ${wanted}${asked > 0 ? ` (${sizeText(asked)} at once)` : ""}`;
    super({ where: "memory", expected, found: "too little of it", fix: FIX }, { cause });
  }
}

/**
 * The error to throw in place of `error`: OutOfMemoryError when that says that memory ran out, `error` itself when it
 * says something else. `wanted` is what the memory was for, of `bytes` in one piece where that is known; it may be
 * given again with more context.
 */
export function memoryFault(error: Error, wanted: string, bytes?: number): Error {
  if (error instanceof OutOfMemoryError) return new OutOfMemoryError(wanted, error.cause as Error, bytes);
  return REFUSALS.some((refusal) => refusal.test(error.message)) ? new OutOfMemoryError(wanted, error, bytes) : error;
}
