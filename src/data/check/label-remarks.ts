/** @file What is odd about labels that can be used: counted by kind, and said in one line a kind. */

import { plural } from "../../core/text.js";
import type { LabelRemark } from "../../masks/segmentation.js";

/** Remarks of one kind: how many, and the first of them. */
export interface Remarks {
  readonly kind: LabelRemark["kind"];
  readonly count: number;
  readonly texts: readonly string[];
}

/** Remarks of a kind that are kept, and those that a line shows. */
const KEPT = 1000;
const SHOWN = 3;

export class RemarkCounter {
  private readonly byKind = new Map<
    LabelRemark["kind"],
    { kind: LabelRemark["kind"]; count: number; texts: string[] }
  >();

  add(remarks: readonly LabelRemark[] = []): void {
    for (const { kind, text } of remarks) {
      const known = this.byKind.get(kind) ?? { kind, count: 0, texts: [] };
      this.byKind.set(kind, known);
      if (known.count++ < KEPT) known.texts.push(text);
    }
  }

  result(): Remarks[] {
    return [...this.byKind.values()];
  }
}

const MEANINGS: Record<LabelRemark["kind"], (count: number) => string> = {
  area: (count) =>
    `${plural(count, "area")} in the file ${count === 1 ? "is" : "are"} not the number of pixels, which is used ` +
    "instead",
  outside: (count) => `${plural(count, "object")} ${count === 1 ? "lies" : "lie"} wholly outside the image`,
  repeated: (count) => `${plural(count, "object")} of several entries of one file taken once`,
};

/** What a warning says of them: `2 objects lie wholly outside the image: FILE annotations[3] (id 7); ...`. */
export function remarkText({ kind, count, texts }: Remarks): string {
  const rest = count - Math.min(SHOWN, texts.length);
  return `${MEANINGS[kind](count)}: ${texts.slice(0, SHOWN).join("; ")}${rest > 0 ? `; and ${rest} more` : ""}`;
}
