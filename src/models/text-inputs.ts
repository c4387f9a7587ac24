/** @file The texts of a micro-batch as inputs of a graph: each once, and which of them each row of an image has. */

import type { Shape, TensorData } from "../core/tensor-data.js";
import type { Tensor } from "../graph/graph.js";
import type { Texts } from "./text-encoder.js";
import { endOf, tokensOf, type Vocabulary } from "./text-tokens.js";

const TOKENS = "text tokens";
const ENDS = "text ends";
const ROWS = "texts of rows";

/** How many texts there are. */
export interface TextSizes {
  readonly images: number;
  /** Texts of an image. */
  readonly rows: number;
  /** Different ones of a micro-batch at most. */
  readonly different: number;
  /** Tokens of a text. */
  readonly length: number;
}

/** Different texts that the inputs have room for. */
export const textRoom = ({ images, rows, different }: Omit<TextSizes, "length">): number =>
  Math.min(different, images * rows);

type TextInput = { readonly dtype: "int64" | "float32"; readonly shape: Shape };

export function textInputs(sizes: TextSizes): Map<string, TextInput> {
  const { images, rows, length } = sizes;
  const room = textRoom(sizes);
  return new Map<string, TextInput>([
    [TOKENS, { dtype: "int64", shape: [room, length] }],
    [ENDS, { dtype: "float32", shape: [room, length, 1] }],
    [ROWS, { dtype: "float32", shape: [images, rows, room] }],
  ]);
}

/** Values of those inputs for the texts of each image. */
export function textValues(
  texts: readonly (readonly string[])[],
  sizes: TextSizes,
  vocabulary: Vocabulary,
): Map<string, TensorData["data"]> {
  const { length } = sizes;
  const room = textRoom(sizes);
  const all = texts.flat();
  const different = [...new Set(all)];
  const tokens = new BigInt64Array(room * length);
  const ends = new Float32Array(room * length);
  different.forEach((text, i) => {
    const numbers = tokensOf(text, length, vocabulary);
    tokens.set(BigInt64Array.from(numbers, BigInt), i * length);
    ends[i * length + endOf(numbers)] = 1;
  });
  const rows = new Float32Array(all.length * room);
  all.forEach((text, row) => {
    rows[row * room + different.indexOf(text)] = 1;
  });
  return new Map<string, TensorData["data"]>([
    [TOKENS, tokens],
    [ENDS, ends],
    [ROWS, rows],
  ]);
}

/** Those inputs in a graph; undefined where it has none. `chosen`: see `textRows`. */
export function textsAmong(
  inputs: ReadonlyMap<string, Tensor>,
): { readonly texts: Texts; readonly chosen: Tensor } | undefined {
  const [tokens, ends, chosen] = [TOKENS, ENDS, ROWS].map((name) => inputs.get(name));
  return tokens && ends && chosen && { texts: { tokens, ends }, chosen };
}
