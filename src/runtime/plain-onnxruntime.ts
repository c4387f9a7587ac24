/** @file ONNX Runtime as other programs use it: the npm package's own API, on a file. */

import { createRequire } from "node:module";
import { InputError } from "../core/errors.js";
import type { DataOf, DType, Shape } from "../core/tensor-data.js";
import { findOnnxruntime } from "./find-library.js";

type PlainType = Exclude<DType, "float64">;

/** Values with a type and a shape, as the package has them. */
export interface PlainTensor {
  readonly type: PlainType;
  readonly dims: Shape;
  readonly data: DataOf[PlainType];
}

/** The part of the package's API that is used here. */
interface PlainApi {
  readonly InferenceSession: {
    create(file: string, options: typeof OPTIONS): Promise<PlainSession>;
  };
  readonly Tensor: new (type: PlainType, data: DataOf[PlainType], dims: Shape) => PlainTensor;
}

export interface PlainSession {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  run(feeds: Readonly<Record<string, PlainTensor>>): Promise<Readonly<Record<string, PlainTensor>>>;
  release(): Promise<void>;
}

/** For a file that is opened, run a few times and closed. */
const OPTIONS = {
  /** Errors alone are printed. */
  logSeverityLevel: 3,
  /**
   * ONNX Runtime then plans no buffer to hold a second value. Its search for one is quadratic: half of the time that a
   * file of 2,500 nodes takes to open.
   */
  executionMode: "parallel",
  interOpNumThreads: 2,
  intraOpNumThreads: 1,
  /** All that changes the graph, but no copy of each convolution's weights in blocks, which pays for many runs. */
  graphOptimizationLevel: "extended",
  /** Threads with nothing to do leave the core to others. */
  extra: { session: { inter_op: { allow_spinning: "0" } } },
} as const;

let api: PlainApi | undefined;

function loaded(): PlainApi {
  if (api) return api;
  const { folder } = findOnnxruntime();
  try {
    api = createRequire(import.meta.url)(folder) as PlainApi;
    return api;
  } catch (error) {
    const found = error instanceof Error ? error.message.split("\n")[0] : String(error);
    const fix = "Install it anew.";
    throw new InputError({ where: folder, expected: "the npm package onnxruntime-node, which loads", found, fix });
  }
}

/** A tensor for a session. Throws InputError where the package is missing. */
export function plainTensor<T extends PlainType>(type: T, data: DataOf[T], dims: Shape): PlainTensor {
  const { Tensor } = loaded();
  return new Tensor(type, data, dims);
}

/** Opens a file. Throws InputError where the package is missing, Error with ONNX Runtime's words for a bad file. */
export function openPlainSession(file: string): Promise<PlainSession> {
  return loaded().InferenceSession.create(file, OPTIONS);
}
