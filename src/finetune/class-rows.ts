/** @file Weights that have a row for each class, between models of different classes. */

import type { TensorData } from "../core/tensor-data.js";
import { plural, someOf } from "../core/text.js";
import type { StartingWeights } from "../weights/starting-weights.js";

/** What becomes of the weights of classes. */
export const CLASS_RULES = ["same", "same-names", "fresh"] as const;
export type ClassRule = (typeof CLASS_RULES)[number];

/** The classes of the data, and the place of each among those of the stored weights; undefined where it is none. */
interface ClassPlaces {
  readonly names: readonly string[];
  readonly places: readonly (number | undefined)[];
  /** How many classes the stored weights have. */
  readonly stored: number;
}

/** The places of classes by their names. */
export function placesByName(names: readonly string[], stored: readonly string[]): ClassPlaces {
  const places = names.map((name) => {
    const place = stored.indexOf(name);
    return place < 0 ? undefined : place;
  });
  return { names, places, stored: stored.length };
}

/**
 * `fresh` [K + n, ...] with the stored rows of the classes that are stored, bit for bit, and those behind all classes
 * ("no object"). `stored`: [K' + n, ...] for K' other classes.
 */
function withStoredRows(fresh: TensorData, stored: TensorData, { places, stored: count }: ClassPlaces): TensorData {
  const length = fresh.data.length / fresh.shape[0];
  const data = fresh.data.slice() as Float32Array;
  const copy = (row: number, from: number) =>
    data.set((stored.data as Float32Array).subarray(from * length, (from + 1) * length), row * length);
  for (const [row, place] of places.entries()) if (place !== undefined) copy(row, place);
  const behind = fresh.shape[0] - places.length;
  if (stored.shape[0] - count === behind) {
    for (let i = 0; i < behind; i++) copy(places.length + i, count + i);
  }
  return { ...fresh, data } as TensorData;
}

/** Whether rows of one can take the place of rows of the other. */
const haveSameRows = (a: Pick<TensorData, "shape" | "dtype">, b: Pick<TensorData, "shape" | "dtype">): boolean =>
  a.dtype === b.dtype && `${a.shape.slice(1)}` === `${b.shape.slice(1)}`;

/** The same with the stored rows of classes of the same names. */
export function withRowsByName(
  start: StartingWeights,
  stored: ReadonlyMap<string, TensorData>,
  places: ClassPlaces,
  classRows: RegExp,
): StartingWeights {
  const weights = new Map(start.weights);
  const partly: string[] = [];
  for (const name of start.fresh) {
    const [own, found] = [weights.get(name) as TensorData, stored.get(name)];
    if (!classRows.test(name) || !found || !haveSameRows(own, found)) continue;
    weights.set(name, withStoredRows(own, found, places));
    partly.push(name);
  }
  const isWhole = (name: string) => !partly.includes(name);
  const keeps = (kept: boolean) => places.names.filter((_, i) => (places.places[i] !== undefined) === kept);
  const [kept, fresh] = [keeps(true), keeps(false)];
  const lines = [
    `Rows of ${plural(kept.length, "class")} of the same name taken over: ${someOf(kept, 20) || "none"}`,
    ...(fresh.length > 0 ? [`Fresh rows of ${plural(fresh.length, "class")}: ${someOf(fresh, 20)}`] : []),
  ];
  return {
    ...start,
    weights,
    fresh: start.fresh.filter(isWhole),
    leftBehind: start.leftBehind.filter(isWhole),
    reasons: [
      ...(start.reasons ?? []),
      `${plural(partly.length, "weight")} of classes, row by row. ${lines.join(". ")}`,
    ],
  };
}

/** Why the weights of classes start fresh, and what would keep some of them; or on what ground they were taken. */
export function classReasons(
  classes: readonly string[],
  stored: readonly string[] | undefined,
  same: boolean,
  rule: ClassRule,
): string[] {
  if (rule === "fresh") return [];
  if (same) {
    return stored
      ? []
      : [`The weights of ${plural(classes.length, "class")} are taken in their order: nothing there names classes.`];
  }
  const common = stored ? classes.filter((name) => stored.includes(name)) : [];
  const rows =
    common.length > 0 ? `; --classes same-names keeps the rows of ${common.length} (${someOf(common, 5)})` : "";
  return [`The classes are others than there, so their weights start fresh${rows}.`];
}
