/** @file Weights files of every format behind one interface: tensors by the names of the file, read when asked for. */

import type { StoredTensor } from "./stored-tensor.js";

export type Format = "safetensors" | "torch" | "torch-legacy" | "torch-tar" | "pickle";

export interface WeightsFile {
  readonly path: string;
  readonly format: Format;
  /** The nested dictionary that was taken, e.g. "model" or "teacher"; "" for the whole file. */
  readonly part: string;
  /** Other dictionaries of tensors beside it. */
  readonly otherParts: readonly string[];
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  /** Text of a safetensors header; empty for other formats. */
  readonly metadata: ReadonlyMap<string, string>;
  close(): Promise<void>;
}
