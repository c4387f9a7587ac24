/** @file Joining and splitting tensors along their first axis. */

import { BYTES, type Shape, type TensorData, viewAs, zeros } from "../core/tensor-data.js";

/** The shape of tensors laid one after another along the first axis; their own shape for a single one. */
export function joinedShape(shapes: readonly Shape[]): Shape {
  const [first] = shapes;
  return shapes.length === 1 ? first : [shapes.reduce((rows, [n]) => rows + n, 0), ...first.slice(1)];
}

/** Tensors laid one after another along the first axis; undefined when their types or other axes differ. */
export function joinRows(tensors: readonly TensorData[]): TensorData | undefined {
  const [{ dtype, shape }] = tensors;
  const fits = (other: TensorData) =>
    other.dtype === dtype && other.shape.length > 0 && `${other.shape.slice(1)}` === `${shape.slice(1)}`;
  if (!tensors.every(fits)) return undefined;
  const joined = zeros(dtype, joinedShape(tensors.map((tensor) => tensor.shape)));
  let at = 0;
  for (const { data } of tensors) {
    joined.data.set(data as never, at);
    at += data.length;
  }
  return joined;
}

/** Equal parts along the first axis, as views of the tensor's memory; undefined when it cannot be divided so. */
export function splitRows({ dtype, shape, data }: TensorData, parts: number): TensorData[] | undefined {
  if (shape.length === 0 || shape[0] % parts !== 0) return undefined;
  const length = data.length / parts;
  const part = [shape[0] / parts, ...shape.slice(1)];
  return Array.from({ length: parts }, (_, i) => ({
    dtype,
    shape: part,
    data: viewAs(dtype, data.buffer, data.byteOffset + i * length * BYTES[dtype], length),
  }));
}
