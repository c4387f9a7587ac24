/** @file Classes as a description writes them: a list of names, a list of mappings, or a mapping from ids. */

import { InputError, suggestion } from "../../core/errors.js";
import type { Assignment } from "../../core/settings-file.js";
import { show } from "../../core/show.js";
import { IGNORED, type SegmentationClass } from "../../masks/segmentation.js";
import { type ClassEntry, classList, requireFewClasses } from "./class-list.js";

const KEYS = ["id", "name", "isthing", "color"] as const;
const EXAMPLE = "a name, or { id: 1, name: car, isthing: true }";

/** What a mapping of classes or ids says of each of its keys, with the place in the file. */
function entriesOf(assignments: readonly Assignment[]): Map<string, { value: unknown; where: string }> {
  const entries = new Map<string, { value: unknown; where: string }>();
  for (const { path, value, where } of assignments) {
    const [, key, field] = path;
    const before = entries.get(key)?.value as object | undefined;
    entries.set(key, { value: field === undefined ? value : { ...before, [field]: value }, where });
  }
  return entries;
}

function wholeNumber(value: unknown, where: string): number {
  const number = typeof value === "string" && value.trim() !== "" ? Number(value) : value;
  if (Number.isSafeInteger(number) && (number as number) >= 0) return number as number;
  throw new InputError({ where, expected: "a whole number from 0", found: show(value) });
}

function readColor(value: unknown, where: string): ClassEntry["color"] {
  if (value === undefined) return undefined;
  const isByte = (n: unknown) => Number.isInteger(n) && (n as number) >= 0 && (n as number) <= 255;
  if (Array.isArray(value) && value.length === 3 && value.every(isByte)) return value as [number, number, number];
  throw new InputError({ where: `${where} color`, expected: "[red, green, blue] from 0 to 255", found: show(value) });
}

function readClass(entry: unknown, defaultId: number, thing: boolean | undefined, where: string): ClassEntry {
  const fields = typeof entry === "object" && entry !== null && !Array.isArray(entry) ? { ...entry } : { name: entry };
  for (const key of Object.keys(fields)) {
    if (KEYS.includes(key as (typeof KEYS)[number])) continue;
    throw new InputError({ where, expected: "keys of a class", found: show(key), fix: suggestion(key, KEYS) });
  }
  const { id = defaultId, name, isthing = thing, color } = fields as Record<string, unknown>;
  if (typeof name !== "string" || name === "") throw new InputError({ where, expected: EXAMPLE, found: show(entry) });
  if (typeof isthing !== "boolean" && isthing !== 0 && isthing !== 1) {
    throw new InputError({
      where: `${where} (${name})`,
      expected: "isthing: true for what is counted, false for stuff",
      found: show(isthing),
      fix: "Panoptic labels, and semantic ones beside instances, need it for each class.",
    });
  }
  return {
    id: wholeNumber(id, `${where} (${name}) id`),
    name,
    isThing: Boolean(isthing),
    color: readColor(color, where),
  };
}

function checkUnique(classes: readonly SegmentationClass[], where: string): void {
  for (const key of ["id", "name"] as const) {
    const seen = new Set<unknown>();
    for (const entry of classes) {
      if (seen.has(entry[key])) {
        throw new InputError({
          where,
          expected: `a different ${key} for each class`,
          found: `${show(entry[key])} twice`,
        });
      }
      seen.add(entry[key]);
    }
  }
}

/**
 * Reads `classes`.
 * @param assignments its leaves
 * @param thing whether a class is a thing that does not say; undefined: it must say
 * @throws InputError
 */
export function readClasses(assignments: readonly Assignment[], thing: boolean | undefined): SegmentationClass[] {
  const [{ path, value, where }] = assignments;
  let classes: SegmentationClass[];
  if (path.length === 1) {
    if (!Array.isArray(value) || value.length === 0) {
      throw new InputError({ where, expected: "a list of classes", found: show(value), fix: `One is ${EXAMPLE}.` });
    }
    classes = classList(value.map((entry, i) => readClass(entry, i, thing, `${where}[${i}]`)));
  } else {
    const entries = [...entriesOf(assignments)];
    classes = classList(
      entries.map(([key, entry]) => readClass(entry.value, wholeNumber(key, entry.where), thing, entry.where)),
    );
  }
  requireFewClasses(classes.length, where);
  checkUnique(classes, where);
  return classes;
}

/**
 * Reads `id_map`: number in files -> name or id of a class, or null for ignored.
 * @throws InputError for what is no class
 */
export function readIdMap(
  assignments: readonly Assignment[],
  classes: readonly SegmentationClass[] | undefined,
  file: string,
): Map<number, number> {
  const [{ path, value: whole, where: place }] = assignments;
  if (!classes) throw new InputError({ where: `${file} id_map`, expected: "classes beside it", found: "none" });
  if (path.length === 1) {
    throw new InputError({ where: place, expected: "a mapping from numbers in files to classes", found: show(whole) });
  }
  const names = classes.map(({ name }) => name);
  const indices = new Map<unknown, number>(
    classes.flatMap(({ id, name }, index) => [[id, index] as const, [name, index]]),
  );
  return new Map(
    [...entriesOf(assignments)].map(([key, { value, where }]) => {
      const number = wholeNumber(key, where);
      if (value === null) return [number, IGNORED];
      const index = indices.get(value);
      if (index !== undefined) return [number, index];
      const fix = typeof value === "string" ? suggestion(value, names) : undefined;
      throw new InputError({ where, expected: "the name or id of a class, or null", found: show(value), fix });
    }),
  );
}
