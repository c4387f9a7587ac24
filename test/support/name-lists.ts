/** @file Names and shapes of the tensors of real implementations: `fixtures/weights/README.md` tells which. */

import { readFileSync } from "node:fs";
import type { Shape } from "../../src/core/tensor-data.js";

/** {list: {name with * for each number: {"64x3x7x7": "numbers of one name, of the next"}}} */
type Packed = Record<string, Record<string, Record<string, string>>>;

const file = new URL("../fixtures/weights/names.json", import.meta.url);
const packed = JSON.parse(readFileSync(file, "utf8")) as Packed;

export function nameList(list: string): Map<string, Shape> {
  const names = new Map<string, Shape>();
  for (const [pattern, shapes] of Object.entries(packed[list])) {
    for (const [shape, indices] of Object.entries(shapes)) {
      for (const index of indices.split(" ")) {
        const numbers = index.split(".");
        const name = pattern.replace(/\*/g, () => numbers.shift()!);
        names.set(name, shape === "" ? [] : shape.split("x").map(Number));
      }
    }
  }
  return names;
}
