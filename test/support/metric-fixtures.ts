/** Reads the metric cases of test/fixtures/metrics, and of any folder laid out in the same way. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { decode } from "fast-png";

export const METRICS = join("test", "fixtures", "metrics");

export const readJson = <T>(...path: string[]): T => JSON.parse(readFileSync(join(...path), "utf8"));

/** A greyscale PNG of 1, 8 or 16 bits, one number a pixel. */
export function readLabels(...path: string[]): { width: number; height: number; labels: Uint16Array } {
  const { width, height, data, channels, depth } = decode(readFileSync(join(...path)));
  if (channels !== 1 || depth < 8) throw new Error(`${path.at(-1)}: ${channels} channels of ${depth} bits`);
  return { width, height, labels: Uint16Array.from(data) };
}
