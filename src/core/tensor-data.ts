/** @file Plain arrays with a shape: what travels between files, graphs and the runtime. */

export type DType = "float32" | "float64" | "int64" | "int32" | "bool" | "uint8";
/** Lengths of the axes, outermost first; none for a scalar. */
export type Shape = readonly number[];
/** Lengths of the last two axes of a map. */
export type Grid = readonly [height: number, width: number];

export interface DataOf {
  float32: Float32Array;
  float64: Float64Array;
  int64: BigInt64Array;
  int32: Int32Array;
  bool: Uint8Array;
  uint8: Uint8Array;
}

export type TypedArray = DataOf[DType];

/** Values with a type and a shape. */
export interface TensorData<T extends DType = DType> {
  readonly dtype: T;
  readonly shape: Shape;
  /** Row-major, `sizeOf(shape)` elements. */
  readonly data: DataOf[T];
}

export const BYTES: Record<DType, number> = { float32: 4, float64: 8, int64: 8, int32: 4, bool: 1, uint8: 1 };

/** Number of elements of a shape; 1 for a scalar. */
export function sizeOf(shape: Shape): number {
  return shape.reduce((n, d) => n * d, 1);
}

const CONSTRUCTORS = {
  float32: Float32Array,
  float64: Float64Array,
  int64: BigInt64Array,
  int32: Int32Array,
  bool: Uint8Array,
  uint8: Uint8Array,
};

/** A view of `buffer` as `dtype`; `length` in elements. */
export function viewAs<T extends DType>(dtype: T, buffer: ArrayBufferLike, byteOffset = 0, length?: number): DataOf[T] {
  return new CONSTRUCTORS[dtype](buffer as ArrayBuffer, byteOffset, length) as DataOf[T];
}

/**
 * Memory that native threads may share. A page that is not isolated from others has no such thing, nor threads to share
 * it.
 */
export function sharedMemory(bytes: number): ArrayBufferLike {
  return typeof SharedArrayBuffer === "undefined" ? new ArrayBuffer(bytes) : new SharedArrayBuffer(bytes);
}

export const isShared = (buffer: ArrayBufferLike): boolean =>
  typeof SharedArrayBuffer !== "undefined" && buffer instanceof SharedArrayBuffer;

/** Zeros of the given type and shape in memory that native threads may share. */
export function zeros<T extends DType>(dtype: T, shape: Shape): TensorData<T> {
  return { dtype, shape, data: viewAs(dtype, sharedMemory(sizeOf(shape) * BYTES[dtype])) };
}

export function floats(shape: Shape, values: ArrayLike<number>): TensorData<"float32"> {
  if (values.length !== sizeOf(shape)) {
    throw new RangeError(`floats: expected ${sizeOf(shape)} values for shape [${shape}], found ${values.length}`);
  }
  return { dtype: "float32", shape, data: Float32Array.from(values) };
}
