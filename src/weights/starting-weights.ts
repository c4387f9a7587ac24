/**
 * @file The weights before the first step: from a run or a file as far as they are to come from there, the rest from
 * the seed.
 */

import { matchWeights } from "../checkpoint/match-weights.js";
import { type StoredWeights, shapesOf } from "../checkpoint/read-weights.js";
import { InputError } from "../core/errors.js";
import type { TensorData } from "../core/tensor-data.js";
import { plural } from "../core/text.js";
import { type FamilyName, familyOf } from "../families/families.js";
import { MODEL_PARTS, type ModelPart, type PartPrefixes, partOf, prefixOf } from "../families/family.js";
import { type Declaration, initialValue } from "../nn/scope.js";

type Declared = ReadonlyMap<string, Declaration>;

export interface StartingWeights {
  /** Where weights were taken from; undefined when all are fresh. */
  readonly source?: { readonly location: string; readonly step?: number };
  readonly weights: Map<string, TensorData>;
  /** Names by what became of them. */
  readonly loaded: readonly string[];
  readonly fresh: readonly string[];
  readonly leftBehind: readonly string[];
  /** Sentences on what does not come from there although it was asked for, or only in part. */
  readonly reasons?: readonly string[];
}

/** All weights from the seed. */
export function freshWeights(declared: Declared, seed: number): StartingWeights {
  const weights = new Map<string, TensorData>();
  for (const [name, declaration] of declared) weights.set(name, initialValue(declaration, seed));
  return { weights, loaded: [], fresh: [...declared.keys()], leftBehind: [] };
}

/** What is taken over from stored weights. */
export interface TakeOver {
  readonly family: FamilyName;
  /** Parts of the model that must be there, weight for weight. */
  readonly parts: readonly ModelPart[];
  /** Weights of these parts that may be missing, and start fresh then. */
  readonly optional?: readonly RegExp[];
  /** Whether a weight of these parts starts fresh whatever is stored. */
  readonly startsFresh?: (name: string) => boolean;
  /** Stored tensors in these parts that may stay behind although the model has nothing of their name. */
  readonly ignored?: readonly RegExp[];
  /** Weights of no part that come from there where they are stored. */
  readonly beyond?: readonly RegExp[];
  /** What to do where a whole part is not stored, and where weights do not fit. */
  readonly absent?: string;
  readonly misfit?: string;
  /** Of what starts fresh. */
  readonly seed: number;
}

/** Norms of a Swin Transformer's outputs, which classifiers do not have. */
const OUTPUT_NORMS = /^backbone\.norm\d\./;

/**
 * What files hold besides: classifiers of backbones, counters, indices that follow from the window's size, weights of
 * the loss.
 */
export const BESIDE_WEIGHTS: readonly RegExp[] = [
  /^backbone\.(stem\.fc|norm|head)\./,
  /\.(num_batches_tracked|relative_position_index|attn_mask)$/,
  /^(criterion\.|pixel_(mean|std)$)/,
];

const fits = (name: string, patterns: readonly RegExp[]) => patterns.some((pattern) => name.search(pattern) >= 0);

/** What the file calls a tensor. */
export const originIn =
  ({ report }: StoredWeights) =>
  (name: string): string | undefined =>
    report.moves.find(({ to }) => to[0] === name)?.from.join(" + ");

const partsAmong = (names: Iterable<string>, prefixes: PartPrefixes) => {
  const all = [...names];
  return MODEL_PARTS.filter((part) => all.some((name) => partOf(prefixes, name) === part));
};

/**
 * A file that lacks a part wholly is another kind of file, and no list of names says that better. Throws `InputError`.
 */
function requireParts(parts: readonly ModelPart[], stored: StoredWeights, { family, absent }: TakeOver): void {
  const there = partsAmong(stored.shapes.keys(), familyOf({ family }).prefixes);
  if (parts.every((part) => there.includes(part))) return;
  const found = `${there.join(", ") || "none of them"} (${stored.report.title})`;
  throw new InputError({ where: stored.location, expected: `weights of ${parts.join(", ")}`, found, fix: absent });
}

/**
 * Values of all `declared` weights: those of the parts from the stored ones, all else from the seed.
 * @throws InputError that lists what is missing, unexpected or of another shape, with the nearest names
 */
export function takeOver(stored: StoredWeights, declared: Declared, rule: TakeOver): StartingWeights {
  const { family, optional = [], startsFresh = () => false, ignored = [], beyond = [] } = rule;
  const { prefixes } = familyOf({ family });
  const parts = partsAmong(declared.keys(), prefixes).filter((part) => rule.parts.includes(part));
  requireParts(parts, stored, rule);
  const isWanted = (name: string, others: ReadonlyMap<string, unknown>) => {
    const part = partOf(prefixes, name);
    if (part === undefined) return fits(name, beyond) && others.has(name);
    return parts.includes(part) && !startsFresh(name);
  };
  const wanted = new Map([...shapesOf(declared)].filter(([name]) => isWanted(name, stored.shapes)));
  const found = new Map([...stored.shapes].filter(([name]) => isWanted(name, declared)));
  const { matched } = matchWeights(wanted, found, {
    source: `${stored.path}${stored.run ? `, ${stored.report.part}` : ""}`,
    allowMissing: [...optional, OUTPUT_NORMS],
    allowUnexpected: [...ignored, ...BESIDE_WEIGHTS],
    originOf: originIn(stored),
    values: stored.tensors,
    fix: rule.misfit,
  });
  const start = freshWeights(declared, rule.seed);
  for (const name of matched) start.weights.set(name, stored.tensors.get(name) as TensorData);
  const taken = new Set(matched);
  return {
    source: { location: stored.location, step: stored.run?.step },
    weights: start.weights,
    loaded: matched,
    fresh: start.fresh.filter((name) => !taken.has(name)),
    leftBehind: [...stored.shapes.keys()].filter((name) => !taken.has(name)),
  };
}

function counted(names: readonly string[], keyOf: (name: string) => string): [key: string, count: number][] {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(keyOf(name), (counts.get(keyOf(name)) ?? 0) + 1);
  return [...counts];
}

/** What a run prints about its beginning: which parts were loaded, and the modules that start fresh or stay behind. */
export function describeStart(start: StartingWeights, family: FamilyName): string {
  const { source, loaded, fresh, leftBehind, reasons = [] } = start;
  if (!source) return `All ${fresh.length} weights start fresh.`;
  const { prefixes } = familyOf({ family });
  /** "sem_seg_head.predictor.class_embed.weight" -> "sem_seg_head.predictor.class_embed" */
  const moduleOf = (name: string) => {
    const part = partOf(prefixes, name);
    return name
      .split(".")
      .slice(0, part ? prefixOf(prefixes[part], name)?.split(".").length : 2)
      .join(".");
  };
  const modules = (names: readonly string[]) => counted(names, moduleOf).map(([key, count]) => `\n  ${key} (${count})`);
  const parts = counted(loaded, (name) => partOf(prefixes, name) ?? "other");
  const place = source.step === undefined ? source.location : `step ${source.step} of ${source.location}`;
  return [
    `Loaded ${loaded.length} weights from ${place}: ${parts.map(([part, count]) => `${part} (${count})`).join(", ")}`,
    ...(fresh.length > 0 ? [`Fresh, ${plural(fresh.length, "weight")}:${modules(fresh).join("")}`] : []),
    ...reasons,
    ...(leftBehind.length > 0
      ? [`Left behind, ${plural(leftBehind.length, "weight")}:${modules(leftBehind).join("")}`]
      : []),
  ].join("\n");
}
