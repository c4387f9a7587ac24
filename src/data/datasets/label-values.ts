/** @file From the values of a label map to labels, by one table look-up a pixel. */

import { someOf } from "../../core/text.js";
import type { SemanticMap } from "../../masks/segmentation.js";
import { DataFault } from "./data-fault.js";
import { countIds } from "./derived-labels.js";
import type { LabelMap } from "./label-map.js";

/** Marks a value that means nothing. */
const UNKNOWN = 0xfffe;

export type LabelTable = (map: LabelMap) => SemanticMap;

/**
 * A table of what the values in label maps mean.
 * @param labels value -> label, or IGNORED
 * @param fix what to do about other values; is told all values of the map, by size
 * @returns turns a map into labels; throws DataFault that names the file and the values without a meaning
 */
export function labelTable(
  labels: Iterable<readonly [value: number, label: number]>,
  fix: (values: readonly number[]) => string,
): LabelTable {
  const table = new Uint16Array(0x10000).fill(UNKNOWN);
  for (const [value, label] of labels) table[value] = label;
  return (map) => {
    const { ids, width, height } = map;
    const out = new Uint16Array(ids.length);
    let unknown = false;
    for (let i = 0; i < ids.length; i++) {
      const label = table[ids[i]];
      out[i] = label;
      unknown ||= label === UNKNOWN;
    }
    if (unknown) throw unknownValues(map, (value) => table[value] === UNKNOWN, fix);
    return { width, height, labels: out };
  };
}

function unknownValues(
  { file, ids }: LabelMap,
  isUnknown: (value: number) => boolean,
  fix: (values: readonly number[]) => string,
): DataFault {
  const all = [...countIds(ids)].sort(([a], [b]) => a - b);
  const values = all.filter(([value]) => isUnknown(value));
  const found =
    `${values.length === 1 ? "the value" : "the values"} ` +
    `${someOf(values.map(([value, pixels]) => `${value} (${pixels} pixels)`))}`;
  return new DataFault("ids outside the classes", {
    where: file,
    expected: "values of the classes",
    found,
    fix: fix(all.map(([value]) => value)),
  });
}

/** Values that are places in a list of `count` classes. */
export function placesInList(count: number): [value: number, label: number][] {
  return Array.from({ length: count }, (_, i) => [i, i]);
}
