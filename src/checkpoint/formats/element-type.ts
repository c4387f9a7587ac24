/** @file Element types of weights files, and how their bytes become the types that the project computes with. */

import type { DType, TypedArray } from "../../core/tensor-data.js";
import { widenBfloat, widenHalf } from "../half-float.js";

/** A numeric type as stored, under PyTorch's name. */
export interface ElementType {
  readonly name: string;
  readonly bytes: number;
  /** The type that it is read as. */
  readonly as: DType;
  /** Fills `out` from the stored elements; absent when they are `as` already. `raw` starts at a multiple of 8 bytes. */
  readonly convert?: (raw: Uint8Array, out: TypedArray) => void;
}

type View = new (buffer: ArrayBufferLike, offset: number, length: number) => ArrayLike<number>;

/** Element by element, as JavaScript converts numbers. */
function widening(view: View, bytes: number): ElementType["convert"] {
  return (raw, out) => {
    (out as Float32Array | Int32Array).set(new view(raw.buffer, raw.byteOffset, raw.length / bytes));
  };
}

function bitsOf(raw: Uint8Array): Uint16Array {
  return new Uint16Array(raw.buffer, raw.byteOffset, raw.length / 2);
}

/** float64 is rounded to float32, in which weights are computed with. */
const TYPES: readonly ElementType[] = [
  { name: "float32", bytes: 4, as: "float32" },
  { name: "float64", bytes: 8, as: "float32", convert: widening(Float64Array, 8) },
  { name: "float16", bytes: 2, as: "float32", convert: (raw, out) => widenHalf(bitsOf(raw), out as Float32Array) },
  { name: "bfloat16", bytes: 2, as: "float32", convert: (raw, out) => widenBfloat(bitsOf(raw), out as Float32Array) },
  { name: "int64", bytes: 8, as: "int64" },
  { name: "int32", bytes: 4, as: "int32" },
  { name: "int16", bytes: 2, as: "int32", convert: widening(Int16Array, 2) },
  { name: "int8", bytes: 1, as: "int32", convert: widening(Int8Array, 1) },
  { name: "uint8", bytes: 1, as: "uint8" },
  { name: "bool", bytes: 1, as: "bool" },
];

export const ELEMENT_TYPES: ReadonlyMap<string, ElementType> = new Map(TYPES.map((type) => [type.name, type]));

/** Reverses the bytes of every element in place. */
export function swapBytes(raw: Uint8Array, bytes: number): void {
  for (let at = 0; at < raw.length; at += bytes) raw.subarray(at, at + bytes).reverse();
}
