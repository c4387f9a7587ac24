/**
 * @file Tensors as files describe them, with offset and strides over stored bytes, and how they become plain arrays.
 */

import { BYTES, type Shape, sizeOf, type TensorData, zeros } from "../../core/tensor-data.js";
import { damaged } from "./byte-source.js";
import { type ElementType, swapBytes } from "./element-type.js";

/** A tensor of a weights file, read when asked for. */
export interface StoredTensor {
  /** As stored: float32, float16, ... */
  readonly type: string;
  readonly shape: Shape;
  /** Bytes that it takes in memory once read. */
  readonly bytes: number;
  /** Reads it into shared memory. Throws `InputError`. */
  read(): Promise<TensorData>;
}

/** Stored elements, one after another. */
export interface ByteStore {
  /** Undefined where only reading tells, as for bytes that an old pickle spells as text. */
  readonly length: number | undefined;
  /** Fills `target` from `begin` on. Throws `InputError`. */
  read(target: Uint8Array, begin: number): Promise<void>;
}

export interface StridedTensor {
  readonly type: ElementType;
  readonly bigEndian: boolean;
  readonly shape: Shape;
  /** In elements. */
  readonly strides: readonly number[];
  /** In elements. */
  readonly offset: number;
  readonly store: ByteStore;
}

const MAX_RANK = 32;

/** Strides of a row-major array, or of a column-major one. */
export function denseStrides(shape: Shape, columnMajor = false): number[] {
  const strides = new Array<number>(shape.length);
  let step = 1;
  for (let i = 0; i < shape.length; i++) {
    const axis = columnMajor ? i : shape.length - 1 - i;
    strides[axis] = step;
    step *= shape[axis];
  }
  return strides;
}

/** Elements from the first to the last that the tensor touches; 0 when it has none. */
function spanOf({ shape, strides }: StridedTensor): number {
  return shape.includes(0) ? 0 : shape.reduce((span, size, axis) => span + (size - 1) * strides[axis], 1);
}

/** What is wrong with a tensor's description; undefined when its elements lie within its store. */
function faultOf(tensor: StridedTensor): string | undefined {
  const { type, shape, strides, offset, store } = tensor;
  const whole = (values: readonly number[]) => values.every((value) => Number.isSafeInteger(value) && value >= 0);
  if (shape.length > MAX_RANK || shape.length !== strides.length) {
    return `${shape.length} axes with ${strides.length} strides`;
  }
  if (!whole([offset, ...shape, ...strides])) return "a shape, stride or offset that is no whole number";
  if (!Number.isSafeInteger(sizeOf(shape.filter((size) => size > 0)) * type.bytes)) return "a size that overflows";
  const end = (offset + spanOf(tensor)) * type.bytes;
  if (!Number.isSafeInteger(end)) return "strides that overflow";
  if (store.length !== undefined && end > store.length) return `${end} bytes over a storage of ${store.length}`;
  return undefined;
}

function isRowMajor({ shape, strides }: StridedTensor): boolean {
  const dense = denseStrides(shape);
  return shape.every((size, axis) => size <= 1 || strides[axis] === dense[axis]);
}

const UNSIGNED = { 1: Uint8Array, 2: Uint16Array, 4: Uint32Array, 8: BigUint64Array } as const;

/** Copies the elements of a strided array to a row-major one. */
function gather(raw: Uint8Array, { shape, strides, type }: StridedTensor): Uint8Array {
  const view = UNSIGNED[type.bytes as keyof typeof UNSIGNED];
  const from = new view(raw.buffer as ArrayBuffer, raw.byteOffset, raw.length / type.bytes);
  const to = new view(sizeOf(shape));
  const index = new Array<number>(shape.length).fill(0);
  for (let i = 0, at = 0; i < to.length; i++) {
    to[i] = from[at];
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      at += strides[axis];
      if (++index[axis] < shape[axis]) break;
      at -= strides[axis] * shape[axis];
      index[axis] = 0;
    }
  }
  return new Uint8Array(to.buffer);
}

/** Reads what `faultOf` found no fault with, into shared memory. Throws `InputError`. */
export async function readStrided(tensor: StridedTensor): Promise<TensorData> {
  const { type, shape, offset, store, bigEndian } = tensor;
  const rowMajor = isRowMajor(tensor);
  const swapped = bigEndian && type.bytes > 1;
  const result = zeros(type.as, shape);
  const direct = rowMajor && !type.convert;
  const raw = direct ? new Uint8Array(result.data.buffer) : new Uint8Array(spanOf(tensor) * type.bytes);
  if (raw.length > 0) await store.read(raw, offset * type.bytes);
  if (swapped) swapBytes(raw, type.bytes);
  if (direct) return result;
  const dense = rowMajor ? raw : gather(raw, tensor);
  if (type.convert) type.convert(dense, result.data);
  else new Uint8Array(result.data.buffer).set(dense);
  return result;
}

/** @throws InputError naming `path` and `name` when the tensor's description is at fault */
export function storedTensor(tensor: StridedTensor, path: string, name: string): StoredTensor {
  const fault = faultOf(tensor);
  if (fault) throw damaged(path, `tensor ${JSON.stringify(name)} with ${fault}`);
  const bytes = sizeOf(tensor.shape) * BYTES[tensor.type.as];
  return { type: tensor.type.name, shape: tensor.shape, bytes, read: () => readStrided(tensor) };
}
