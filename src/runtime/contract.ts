/** @file What the rest of the project knows of a runtime: tensors on a device, compiled graphs, and how to get both. */
import type { Device } from "../core/devices.js";
import type { DataOf, DType, Shape, TensorData } from "../core/tensor-data.js";
import type { OnnxModel } from "../onnx/protobuf.js";

export type { Device };

/**
 * A tensor of fixed type and shape in the memory of a device. Weights, moments and gradients stay there between steps.
 */
export interface DeviceTensor<T extends DType = DType> {
  readonly dtype: T;
  readonly shape: Shape;
  /** On the CPU the memory itself (a view of a SharedArrayBuffer, no copy); undefined on a GPU. */
  readonly data: DataOf[T] | undefined;
  /** Copies values in. Throws RangeError when type or shape differ. */
  write(source: TensorData<T>): Promise<void>;
  /** A copy of the values. Throws OutOfMemoryError. */
  read(): Promise<TensorData<T>>;
  /** Gives the memory back; no run that uses the tensor may be in flight. */
  dispose(): void;
}

export type Bindings = Readonly<Record<string, DeviceTensor>>;

/** A compiled graph. */
export interface Program {
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /**
   * Operators that run on the CPU, with their number of nodes. On a GPU: those that its provider lacks, which cost
   * copies.
   */
  readonly hostOperators: ReadonlyMap<string, number>;
  /**
   * Computes `fetches` (any of the outputs, allocated by the caller) from `feeds` (every input). Runs off the main
   * thread; several runs may be in flight at once, at most `Runtime.cores` of which compute while the others wait their
   * turn. A fetch may be the same tensor as a feed where that is safe: every reader of the feed is an elementwise
   * operator that the fetch depends on. Throws RangeError for missing, unknown, misshapen or unsafely shared tensors,
   * OutOfMemoryError, Error when the run fails for another reason.
   */
  run(feeds: Bindings, fetches: Bindings): Promise<void>;
  /** No run may be in flight. */
  dispose(): void;
}

export interface CompileOptions {
  /** Shown in error messages. */
  readonly name?: string;
  /** All weights are constants of the model: fold them and choose blocked layouts. */
  readonly frozenWeights?: boolean;
  /** Threads inside an operator, default 1: cores are used by concurrent runs instead. */
  readonly threads?: number;
}

/** A device, open for work. */
export interface Runtime {
  readonly device: Device;
  /** How many runs compute at once; 1 on a GPU, which is parallel by itself. */
  readonly cores: number;
  /** A tensor of zeros. Throws OutOfMemoryError. */
  allocate<T extends DType>(dtype: T, shape: Shape): DeviceTensor<T>;
  /**
   * A tensor of these values, which must not change while it is there: on the CPU it is their memory where native
   * threads can share that. Throws OutOfMemoryError.
   */
  upload<T extends DType>(values: TensorData<T>): Promise<DeviceTensor<T>>;
  /**
   * A tensor over part of another's memory, from element `offset` on (a multiple of 16 keeps it aligned); undefined on
   * a GPU, whose buffers cannot be shared in part. Views of one tensor that a run binds must not overlap.
   */
  view<T extends DType>(tensor: DeviceTensor<T>, offset: number, shape: Shape): DeviceTensor<T> | undefined;
  /**
   * Throws Error with ONNX Runtime's own words when the model is bad, RangeError when it would compute wrong results,
   * OutOfMemoryError.
   */
  compile(model: OnnxModel, options?: CompileOptions): Promise<Program>;
  /**
   * Frees memory that nothing refers to any more, now and not when the engine sees fit: tensors on the host lie outside
   * the heap whose fullness it goes by.
   */
  collectGarbage(): void;
  dispose(): void;
}
