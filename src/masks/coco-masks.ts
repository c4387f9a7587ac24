/** @file COCO's two ways of writing run lengths: a list of counts, and a short string. */

import { InputError } from "../core/errors.js";
import { type RunLengths, runLengths } from "./run-lengths.js";

/** A mask in a COCO file. */
export interface CocoMask {
  readonly size: readonly [height: number, width: number];
  readonly counts: string | readonly number[];
}

/**
 * Counts as COCO's string. From the fourth on a count is written as its difference to the one two before; a number in
 * groups of 5 bits from the lowest, each a character from "0" on; bit 5 says that more follow, the last group's bit 4
 * is the sign.
 */
export function compressCounts(counts: ArrayLike<number>): string {
  let text = "";
  for (let i = 0; i < counts.length; i++) {
    let rest = i > 2 ? counts[i] - counts[i - 2] : counts[i];
    let more = true;
    while (more) {
      const group = ((rest % 32) + 32) % 32;
      rest = Math.floor(rest / 32);
      more = rest !== (group & 16 ? -1 : 0);
      text += String.fromCharCode(48 + group + (more ? 32 : 0));
    }
  }
  return text;
}

/** @throws InputError when the text is none that {@link compressCounts} writes */
export function decompressCounts(text: string, where = "compressed run lengths"): number[] {
  const counts: number[] = [];
  for (let at = 0; at < text.length; ) {
    let [value, scale, more] = [0, 1, true];
    while (more) {
      const code = text.charCodeAt(at) - 48;
      if (!(code >= 0 && code < 64)) {
        const found = at < text.length ? `${JSON.stringify(text[at])} at ${at}` : "an end within a number";
        throw new InputError({ where, expected: 'characters from "0" to "o"', found });
      }
      at++;
      value += (code & 31) * scale;
      scale *= 32;
      more = (code & 32) !== 0;
      if (!more && code & 16) value -= scale;
    }
    counts.push(counts.length > 2 ? value + counts[counts.length - 2] : value);
  }
  return counts;
}

/**
 * A mask of a COCO file.
 * @param where names the annotation in the error
 * @throws InputError when the counts cannot be read, or do not add up to the size
 */
export function fromCocoMask({ size, counts }: CocoMask, where = "segmentation"): RunLengths {
  const [height, width] = size;
  return runLengths(width, height, typeof counts === "string" ? decompressCounts(counts, where) : counts, where);
}

/** For a COCO file, in the short form that pycocotools writes. */
export function toCocoMask({ width, height, counts }: RunLengths): { size: [number, number]; counts: string } {
  return { size: [height, width], counts: compressCounts(counts) };
}
