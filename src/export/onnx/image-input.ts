/** @file The input of an exported model: images of any number and size, or of one size, as planes or as bytes. */

import { IMAGENET_MEAN, IMAGENET_STD } from "../../core/colour-statistics.js";
import type { Size } from "../../core/image.js";
import { MULTIPLE } from "../../data/test-input.js";
import type { NodeBuilder } from "../../onnx/node-builder.js";
import type { Dim, OnnxValue } from "../../onnx/protobuf.js";

export const PIXELS = "pixel_values";

export interface ImageInputOptions {
  /** Images are bytes [N, H, W, 3], red first, and are normalised inside. */
  readonly normalise: boolean;
  /** The only size; multiples of 32. */
  readonly size?: Size;
}

/** Lengths are int64 lists of one in the model. */
export interface ImageInput {
  /** As the file declares it. */
  readonly value: OnnxValue<Dim>;
  readonly fixed?: Size;
  /** [N, 3, 32 rows, 32 columns], normalised, zeros right and below the images. */
  readonly planes: string;
  readonly images: string;
  readonly height: string;
  readonly width: string;
  readonly rows: string;
  readonly columns: string;
}

/** `ceil(x / by)`. */
const dividedUp = (builder: NodeBuilder, x: string, by: number) =>
  builder.op("Div", [builder.op("Add", [x, builder.ints(by - 1)]), builder.ints(by)]);

/** Adds what makes planes of the images, whatever their size. */
export function imageInput(builder: NodeBuilder, { normalise, size }: ImageInputOptions): ImageInput {
  const [high, wide] = size ? [size.height, size.width] : ["height", "width"];
  const shape = normalise ? ["batch", high, wide, 3] : ["batch", 3, high, wide];
  const value = { name: PIXELS, dtype: normalise ? "uint8" : "float32", shape } as const;
  const lengths = builder.op("Shape", [PIXELS]);
  const length = (axis: number) => builder.slice(lengths, 0, builder.ints(axis), builder.ints(axis + 1));
  const planes = normalise ? normalised(builder, PIXELS) : PIXELS;
  const images = length(0);
  if (size) {
    const cells = (side: number) => builder.ints(side / MULTIPLE);
    const [height, width] = [builder.ints(size.height), builder.ints(size.width)];
    return { value, fixed: size, planes, images, height, width, rows: cells(size.height), columns: cells(size.width) };
  }
  const [height, width] = normalise ? [length(1), length(2)] : [length(2), length(3)];
  const [rows, columns] = [dividedUp(builder, height, MULTIPLE), dividedUp(builder, width, MULTIPLE)];
  const missing = (cells: string, side: string) =>
    builder.op("Sub", [builder.op("Mul", [cells, builder.ints(MULTIPLE)]), side]);
  const pads = builder.concat([builder.ints(0, 0, 0, 0, 0, 0), missing(rows, height), missing(columns, width)], 0);
  return { value, planes: builder.op("Pad", [planes, pads]), images, height, width, rows, columns };
}

/** (x - mean) / deviation of bytes [N, H, W, 3], as planes. */
function normalised(builder: NodeBuilder, bytes: string): string {
  const perColour = (values: readonly number[]) => builder.literals.floats(values, [1, 1, 1, 3]);
  const centred = builder.op("Sub", [builder.cast(bytes, "float32"), perColour(IMAGENET_MEAN)]);
  const scaled = builder.op("Div", [centred, perColour(IMAGENET_STD)]);
  return builder.op("Transpose", [scaled], { perm: [0, 3, 1, 2] });
}

/** A map at a quarter of the planes' size [N, C, 8 rows, 8 columns], as far as the images reach. */
export function cropped(
  builder: NodeBuilder,
  map: string,
  { fixed, height, width }: ImageInput,
  stride: number,
): string {
  if (fixed) return map;
  const start = builder.ints(0);
  return [height, width].reduce(
    (x, side, i) => builder.slice(x, 2 + i, start, stride === 1 ? side : dividedUp(builder, side, stride)),
    map,
  );
}
