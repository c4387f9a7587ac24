/** @file Fields of COCO's JSON files, whose writers do not agree on the types of ids and flags. */

import type { Rgb } from "../../core/image.js";

export type Fields = Readonly<Record<string, unknown>>;

export const isObject = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Null says as little as a field that is not there. */
export const isAbsent = (value: unknown): value is undefined | null => value === undefined || value === null;

/**
 * An id by which entries are matched: digits are numbers, whether written as such or as a text. Undefined for no id.
 */
export function idOf(value: unknown): number | string | undefined {
  if (typeof value === "number") return Number.isSafeInteger(value) ? value : undefined;
  if (typeof value !== "string" || value === "") return undefined;
  const number = /^\d+$/.test(value) ? Number(value) : Number.NaN;
  return Number.isSafeInteger(number) ? number : value;
}

/** The same for ids that have to be numbers. */
export function numberedId(value: unknown): number | undefined {
  const id = idOf(value);
  return typeof id === "number" ? id : undefined;
}

/** `iscrowd`, `isthing`: 0, 1, false, true, or the digit as a text; undefined for anything else. */
export function flagOf(value: unknown): boolean | undefined {
  if (typeof value === "boolean") return value;
  return { 0: false, 1: true }[idOf(value) as number];
}

/** `[220, 20, 60]` or `#dc143c`; undefined for anything else. */
export function colorOf(value: unknown): Rgb | undefined {
  if (typeof value === "string" && /^#[\da-f]{6}$/i.test(value)) {
    const number = Number.parseInt(value.slice(1), 16);
    return [number >> 16, (number >> 8) & 255, number & 255];
  }
  const isByte = (part: unknown) => Number.isInteger(part) && (part as number) >= 0 && (part as number) <= 255;
  return Array.isArray(value) && value.length === 3 && value.every(isByte)
    ? (value as [number, number, number])
    : undefined;
}
