/** @file What to say of images that could not be used. */

import type { BadFile } from "./source.js";

/** Skipped images that notes name one by one. */
const NAMED = 50;

/** A note for each skipped image, each file once. */
export function skippedNotes(files: readonly BadFile[]): string[] {
  const reasons = new Map(files.map(({ file, reason }) => [file, reason]));
  const named = [...reasons].slice(0, NAMED).map(([file, reason]) => `Skipped ${file}: ${reason}`);
  const rest = reasons.size - named.length;
  return rest > 0 ? [...named, `${rest} more images were skipped.`] : named;
}
