/**
 * @file The loops over random points of masks (PointRend, Kirillov et al. 2020; detectron2's point_features.py), in
 * WebAssembly (kernels/points.ts): three million candidates an image, which cost JavaScript about twice the time.
 * No graphs: each pair of query and object has points of its own, so there are no rows to gather, and gathering single
 * numbers takes ONNX Runtime several times as long.
 */

import type { Size } from "../core/image.js";
import { POINT_KERNELS } from "./point-kernels-binary.js";

/** What engines have and the libraries of the compiler's target do not name. */
declare const WebAssembly: {
  readonly Memory: new (size: { initial: number }) => { readonly buffer: ArrayBuffer };
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: unknown };
};

/** Its functions take addresses; see kernels/points.ts. */
interface Exports {
  sample(map: number, width: number, height: number, points: number, count: number, out: number): void;
  scatter(map: number, width: number, height: number, points: number, count: number, gradient: number): void;
  mostUncertain(values: number, points: number, count: number, wanted: number, scratch: number, out: number): void;
}

/** A map with a border of zeros, so that bilinear sampling needs no bounds: outside counts as zero. */
export interface BorderedMap extends Size {
  /** (height + 2) * (width + 2), in the memory of the kernels */
  readonly data: Float32Array;
}

const PAGE = 2 ** 16;
/** Bytes; arrays begin at multiples of it, and behind each there is as much that nobody reads. */
const ALIGNMENT = 64;
const BYTES = Float32Array.BYTES_PER_ELEMENT;
/** Words that the selection counts in. */
const BUCKETS = 2 ** 11;

const roomOf = (length: number) => (Math.ceil((length * BYTES) / ALIGNMENT) + 1) * ALIGNMENT;

let compiled: object | undefined;

/** Loops over arrays that lie in a memory of their own. */
export class PointKernels {
  private readonly exports: Exports;
  private readonly buffer: ArrayBuffer;
  private readonly scratch: Float32Array;
  private end = ALIGNMENT;

  /** `lengths`: of all arrays that will be asked for; `most`: values that are chosen from at most. */
  constructor(lengths: readonly number[], most: number) {
    const all = [...lengths, BUCKETS + most];
    const bytes = all.reduce((sum, length) => sum + roomOf(length), this.end);
    const memory = new WebAssembly.Memory({ initial: Math.ceil(bytes / PAGE) });
    compiled ??= new WebAssembly.Module(Uint8Array.from(atob(POINT_KERNELS), (byte) => byte.charCodeAt(0)));
    this.exports = new WebAssembly.Instance(compiled, { env: { memory } }).exports as Exports;
    this.buffer = memory.buffer;
    this.scratch = this.floats(BUCKETS + most);
  }

  /** An array of zeros. */
  floats(length: number): Float32Array {
    const array = new Float32Array(this.buffer, this.end, length);
    this.end += roomOf(length);
    return array;
  }

  /** Bilinear values of `map` at `count` points (x, y) in [0, 1), to `out`. */
  sample(map: BorderedMap, points: Float32Array, count: number, out: Float32Array): void {
    this.exports.sample(...this.place(map), this.at(points, 2 * count), count, this.at(out, count));
  }

  /** The transpose of `sample`: adds each point's gradient to the cells that it was sampled from. */
  scatter(map: BorderedMap, points: Float32Array, count: number, gradient: Float32Array): void {
    this.exports.scatter(...this.place(map), this.at(points, 2 * count), count, this.at(gradient, count));
  }

  /**
   * Of the first `count` points, those of the `wanted` values nearest to zero, in their order, to `out`; of equals at
   * the boundary the earlier ones.
   */
  mostUncertain(values: Float32Array, points: Float32Array, count: number, wanted: number, out: Float32Array): void {
    if (wanted > count) throw new RangeError(`points: expected at most ${count} of ${count}, found ${wanted}`);
    if (wanted === 0) return;
    const [of, among, scratch] = [
      this.at(values, count),
      this.at(points, 2 * count),
      this.at(this.scratch, BUCKETS + count),
    ];
    this.exports.mostUncertain(of, among, count, wanted, scratch, this.at(out, 2 * wanted));
  }

  private place(map: BorderedMap): [address: number, width: number, height: number] {
    return [this.at(map.data, borderedLength(map)), map.width, map.height];
  }

  /** The address of an array, which must be in this memory and hold so many values. */
  private at({ buffer, byteOffset, length }: Float32Array, needed: number): number {
    if (buffer !== this.buffer) throw new RangeError("points: expected an array of the kernels' memory, found another");
    if (length < needed) throw new RangeError(`points: expected an array of ${needed} values, found ${length}`);
    return byteOffset;
  }
}

/** Values in a bordered map of a size. */
export const borderedLength = ({ width, height }: Size): number => (width + 2) * (height + 2);

/** Copies the row-major values from `offset` of `source` on into the inside of `map`. */
export function fillBordered({ width, height, data }: BorderedMap, source: Float32Array, offset = 0): void {
  for (let y = 0; y < height; y++) {
    const from = offset + y * width;
    data.set(source.subarray(from, from + width), (y + 1) * (width + 2) + 1);
  }
}

/** Copies the inside of `map` over the row-major values from `offset` of `target` on. */
export function readBordered({ width, height, data }: BorderedMap, target: Float32Array, offset = 0): void {
  for (let y = 0; y < height; y++) {
    const from = (y + 1) * (width + 2) + 1;
    target.set(data.subarray(from, from + width), offset + y * width);
  }
}
