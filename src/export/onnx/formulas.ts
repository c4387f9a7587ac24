/** @file Constants of the models that depend on the size of the image, known by their values and written as nodes. */

import { EPSILON, SCALE, sinePeriods, sinePositions } from "../../models/position-embedding.js";
import { bilinearWeights, nearestWeights } from "../../nn/layers.js";
import type { Formula, Samples } from "../../onnx/dynamic.js";
import type { NodeBuilder } from "../../onnx/node-builder.js";
import type { SizeExpressions } from "../../onnx/size-expressions.js";

/** Maps are so many times as high and wide as the coarsest, whose height and width are the sizes 1 and 2. */
const SCALES = [1, 2, 4, 8];
const [HEIGHT, WIDTH] = [1, 2];

const TOLERANCE = 1e-6;

/** Whether each sample is what `expected` gives for the sizes of its point. */
function areAll(
  samples: Samples,
  { points }: SizeExpressions,
  expected: (sizes: readonly number[]) => ArrayLike<number> | undefined,
): boolean {
  return samples.every(({ dtype, data }, s) => {
    if (dtype !== "float32") return false;
    const values = expected(points[s]);
    return values?.length === data.length && data.every((x, i) => Math.abs(Number(x) - values[i]) <= TOLERANCE);
  });
}

/** Lengths of the axes of the map of a scale, int64 lists of one. */
const gridOf = (sizes: SizeExpressions, scale: number) =>
  [HEIGHT, WIDTH].map((axis) => scaled(sizes, axis, scale)) as [height: string, width: string];

const scaled = (sizes: SizeExpressions, axis: number, scale: number) =>
  sizes.integer(Array.from({ length: 2 ** 3 }, (_, m) => (m === 1 << axis ? scale : 0)));

/** (0, 1, .. + shift) / (count + epsilon), float32 [count]. */
function spread(builder: NodeBuilder, count: string, shift: number, epsilon = 0): string {
  const places = builder.op("Add", [builder.cast(builder.range(count), "float32"), builder.scalar(shift)]);
  const total = builder.cast(count, "float32");
  return builder.op("Div", [places, epsilon === 0 ? total : builder.op("Add", [total, builder.scalar(epsilon)])]);
}

/** Sine positions of a map: [h * w, channels], or the same with axes of length 1 before. */
const sines: Formula = (samples, sizes) => {
  const [{ shape }] = samples;
  const before = shape.slice(0, -2);
  if (shape.length < 2 || before.some((length) => length !== 1)) return undefined;
  const channels = shape.at(-1) as number;
  const scale = SCALES.find(
    (k) =>
      samples.every(
        ({ data }, s) => data.length === sizes.points[s][HEIGHT] * sizes.points[s][WIDTH] * k * k * channels,
      ) && areAll(samples, sizes, ([, h, w]) => sinePositions([h * k, w * k], channels).data),
  );
  if (scale === undefined) return undefined;
  const { builder } = sizes;
  const half = channels / 2;
  const odd = builder.literals.put(`odd[${half}]`, () => ({
    dtype: "bool",
    shape: [1, half],
    data: Uint8Array.from({ length: half }, (_, i) => i % 2),
  }));
  const grid = gridOf(sizes, scale);
  const target = builder.concat([...grid, builder.ints(half)], 0);
  const parts = grid.map((count, axis) => {
    const coordinates = builder.op("Mul", [spread(builder, count, 1, EPSILON), builder.scalar(SCALE)]);
    const periods = builder.literals.floats(sinePeriods(half), [1, half]);
    const angles = builder.op("Div", [builder.unsqueeze(coordinates, 1), periods]);
    const waves = builder.op("Where", [odd, builder.op("Cos", [angles]), builder.op("Sin", [angles])]);
    return builder.op("Expand", [builder.unsqueeze(waves, 1 - axis), target]);
  });
  return builder.op("Reshape", [builder.concat(parts, 2), builder.ints(...before, -1, channels)]);
};

/** The centre (x, y) of each cell of the maps, the coarsest first, once for each of them: [1, cells, maps, 2]. */
const centres: Formula = (samples, sizes) => {
  const [{ shape }] = samples;
  if (shape.length !== 4 || shape[3] !== 2) return undefined;
  const maps = shape[2];
  const scales = SCALES.slice(0, maps);
  const expected = ([, h, w]: readonly number[]) => {
    const values: number[] = [];
    for (const k of scales) {
      const [height, width] = [h * k, w * k];
      for (let i = 0; i < height * width * maps; i++) {
        const cell = Math.floor(i / maps);
        values.push(((cell % width) + 0.5) / width, (Math.floor(cell / width) + 0.5) / height);
      }
    }
    return values;
  };
  if (!areAll(samples, sizes, expected)) return undefined;
  const { builder } = sizes;
  const cells = scales.map((scale) => {
    const grid = gridOf(sizes, scale);
    const target = builder.concat(grid, 0);
    const [y, x] = grid.map((count, axis) => {
      const along = builder.unsqueeze(spread(builder, count, 0.5), 1 - axis);
      return builder.unsqueeze(builder.op("Expand", [along, target]), 2);
    });
    return builder.op("Reshape", [builder.concat([x, y], 2), builder.ints(1, -1, 1, 2)]);
  });
  return builder.op("Expand", [builder.concat(cells, 1), builder.ints(1, 1, maps, 2)]);
};

/** Weights [to, from] of resizing one axis from one scale to another, in a way that `write` computes. */
const resizing =
  (
    weights: (from: number, to: number) => Float32Array,
    write: (builder: NodeBuilder, from: string, to: string) => string,
  ): Formula =>
  (samples, sizes) => {
    if (samples[0].shape.length !== 2) return undefined;
    for (const axis of [HEIGHT, WIDTH]) {
      const scaleOf = (i: number) =>
        SCALES.find((k) => samples.every(({ shape }, s) => shape[i] === k * sizes.points[s][axis]));
      const [to, from] = [scaleOf(0), scaleOf(1)];
      if (to === undefined || from === undefined) continue;
      if (!areAll(samples, sizes, (point) => weights(from * point[axis], to * point[axis]))) continue;
      return write(sizes.builder, scaled(sizes, axis, from), scaled(sizes, axis, to));
    }
    return undefined;
  };

/** 1 - |distance| to the clamped position, where that is above 0. */
const bilinear = resizing(bilinearWeights, (builder, from, to) => {
  const count = builder.cast(from, "float32");
  const inUnits = builder.op("Mul", [spread(builder, to, 0.5), count]);
  const last = builder.op("Sub", [count, builder.scalar(1)]);
  const inside = builder.op("Max", [builder.op("Sub", [inUnits, builder.scalar(0.5)]), builder.scalar(0)]);
  const position = builder.unsqueeze(builder.op("Min", [inside, last]), 1);
  const distance = builder.op("Abs", [builder.op("Sub", [position, builder.cast(builder.range(from), "float32")])]);
  return builder.op("Relu", [builder.op("Sub", [builder.scalar(1), distance])]);
});

/** 1 where the source of an output is. */
const nearest = resizing(nearestWeights, (builder, from, to) => {
  const scale = builder.op("Div", [builder.cast(from, "float32"), builder.cast(to, "float32")]);
  const source = builder.op("Floor", [builder.op("Mul", [builder.cast(builder.range(to), "float32"), scale])]);
  const sources = builder.unsqueeze(builder.cast(source, "int64"), 1);
  return builder.cast(builder.op("Equal", [sources, builder.range(from)]), "float32");
});

/** What the models have of such constants. The first size is the number of images, then come height and width. */
export const FORMULAS: readonly Formula[] = [sines, centres, bilinear, nearest];
