/** @file What is worth saying about data without being a fault of it. */

import { basename } from "node:path";
import { plural, someOf } from "../../core/text.js";
import type { SegmentationClass } from "../../masks/segmentation.js";
import type { SplitFindings } from "./examine-split.js";
import { remarkText } from "./label-remarks.js";
import { findRepeats, type Leak } from "./leaks.js";

/** The first few files by their names. */
export function namesOf(files: readonly string[]): string {
  const names = files.map((file) => basename(file));
  return someOf(names, 3);
}

/** Classes of which a split has no pixel. */
export function absentClasses({ name, tally }: SplitFindings, classes: readonly SegmentationClass[]): string[] {
  const absent = classes.filter((_, label) => tally.counts[label].images === 0).map((entry) => entry.name.trim());
  if (absent.length === 0) return [];
  return [
    `${name}: ${plural(absent.length, "class")} never ${absent.length === 1 ? "occurs" : "occur"}: ` +
      `${someOf(absent, 8)}`,
  ];
}

/** What harms no run but may not be meant. */
export function warningsOf({ name, warnings, remarks }: SplitFindings): string[] {
  return [...warnings, ...remarks.map((one) => `${name}: ${remarkText(one)}`)];
}

/** What is unusual in a split, and legal. */
export function notesOf({ name, tally, notes, fingerprints }: SplitFindings): string[] {
  const { empty, crowded, onePixel, noPixel, crowds } = tally;
  const copies = findRepeats(fingerprints).map((files) => files.map((file) => basename(file)).join(" = "));
  const note = (count: number, noun: string, rest: string) =>
    count > 0 ? [`${name}: ${plural(count, noun)}${rest}`] : [];
  return [
    ...notes,
    ...note(empty.length, "image", ` without annotations: ${namesOf(empty)}`),
    ...note(crowded.length, "image", ` with more than 100 objects, the queries of the presets: ${namesOf(crowded)}`),
    ...note(onePixel, "mask", " of one pixel"),
    ...note(noPixel.length, "mask", ` without a pixel: ${namesOf([...new Set(noPixel)])}`),
    ...note(crowds, "crowd", ", which training leaves out"),
    ...note(copies.length, "image", ` in several copies: ${someOf(copies, 2)}`),
  ];
}

/** Leaks by the two splits and by how they were found. */
export function leakWarnings(leaks: readonly Leak[]): string[] {
  const groups = new Map<string, Leak[]>();
  for (const leak of leaks) {
    const key = `${leak.splits.join(" and ")} ${leak.by}`;
    groups.set(key, [...(groups.get(key) ?? []), leak]);
  }
  return [...groups.values()].map((group) => {
    const [{ splits, by }] = group;
    const files = namesOf(group.map((leak) => leak.files[1]));
    return `leak: ${plural(group.length, "image")} of ${splits[1]} with the same ${by} as in ${splits[0]}: ${files}`;
  });
}
