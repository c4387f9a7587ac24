/**
 * @file The weights before the first step: parts of a pretrained or published model where one is given, the rest from
 * the seed.
 */

import { type ReadOptions, readWeights } from "../checkpoint/read-weights.js";
import { InputError } from "../core/errors.js";
import { type FamilyName, familyOf } from "../families/families.js";
import { MODEL_PARTS, type ModelPart } from "../families/family.js";
import type { Declaration } from "../nn/scope.js";
import { knownModel } from "../weights/known-model.js";
import { type StartingWeights, takeOver } from "../weights/starting-weights.js";
import { type ClassRule, classReasons, placesByName, withRowsByName } from "./class-rows.js";

export interface StartOptions extends ReadOptions {
  /** A run, a checkpoint, a file of any known format, a folder as Hugging Face saves it, or `hf:owner/name`. */
  readonly location: string;
  readonly parts: readonly ModelPart[];
  readonly family: FamilyName;
  /** Names of the data's classes; absent where no weight that depends on them is asked for. */
  readonly classes?: readonly string[];
  /** What becomes of the weights of classes. */
  readonly classRule: ClassRule;
  readonly seed: number;
}

type Kinds = Readonly<Record<ModelPart, string>>;

const alikeIn = (parts: readonly ModelPart[], one: Kinds, other: Kinds) =>
  parts.filter((part) => one[part] === other[part]);

/**
 * The parts of the model that lie at a place, all else from the seed. What no pretraining trains starts fresh where the
 * place does not have it, and so do the weights of classes that are not the data's.
 * @throws InputError when a weight is missing that should be there, or there is one too many or of another shape
 */
export async function weightsFrom(
  { location, parts, family, classes, classRule, seed, ...reading }: StartOptions,
  declared: ReadonlyMap<string, Declaration>,
): Promise<StartingWeights> {
  const stored = await readWeights(location, reading);
  const { description, decoders, assumed } = await knownModel(stored);
  const { classRows, fresh, kinds, title, trainingOnly = [] } = familyOf({ family });
  const other = familyOf({ family: decoders.family ?? family });
  const isOther = other.name !== family;
  const alike = alikeIn(parts, kinds, other.kinds);
  if (alike.length === 0) {
    const shared = alikeIn(MODEL_PARTS, kinds, other.kinds).join(", ");
    throw new InputError({
      where: location,
      expected: `a part that ${title} has in common with ${other.title}: ${shared}`,
      found: `--from-parts ${parts.join(",")}`,
      fix: "Take others (--from-parts), or train it from random weights.",
    });
  }
  // The decoder reads three strides; pretraining reads one, and trains the level embedding's row of that stride alone.
  const isWhole = [...stored.shapes.keys()].some((name) => classRows.test(name));
  // Rows that are not there at all, as those of training alone, say nothing of the classes.
  const sameCount = [...declared.values()].every(({ name, shape }) => {
    const found = stored.shapes.get(name);
    return !classRows.test(name) || found === undefined || `${found}` === `${shape}`;
  });
  // An architecture may have another number of queries than the one that it starts from: then they start fresh.
  const isResized = (name: string) => {
    const [found, wanted] = [stored.shapes.get(name), declared.get(name)?.shape];
    return isOther && fresh.test(name) && found !== undefined && wanted !== undefined && `${found}` !== `${wanted}`;
  };
  const names = assumed.has("names") ? undefined : description?.classes.map(({ name }) => name);
  const sameNames = !names || !classes || names.join("\n") === classes.join("\n");
  const keepsClasses = classRule === "same" && sameCount && sameNames;
  const start = takeOver(stored, declared, {
    family,
    parts: alike,
    optional: [...trainingOnly, ...(isWhole && !isOther ? [] : [fresh])],
    ignored: [...trainingOnly, ...(isOther ? [other.fresh] : [])],
    startsFresh: (name) => (!keepsClasses && classRows.test(name)) || isResized(name),
    absent: "Take other parts (--from-parts).",
    misfit:
      "Take the model that the weights are of: a preset of that model, or model.* alike; or only parts that fit " +
      "(--from-parts backbone).",
    seed,
  });
  const reasons = parts
    .filter((part) => !alike.includes(part))
    .map((part) => `The ${part} starts fresh: ${title} has ${kinds[part]}, ${other.title} ${other.kinds[part]}.`);
  if (!isWhole || !classes || !alike.includes("transformer-decoder")) return { ...start, reasons };
  if (classRule !== "same-names") {
    return { ...start, reasons: [...reasons, ...classReasons(classes, names, sameCount && sameNames, classRule)] };
  }
  if (!names) {
    throw new InputError({
      where: `--classes ${classRule}`,
      expected: `names of the classes of ${location}`,
      found: "none: neither the file nor what lies beside it names them",
      fix: "Put the config.json of the model beside the file, or leave --classes out.",
    });
  }
  return withRowsByName({ ...start, reasons }, stored.tensors, placesByName(classes, names), classRows);
}
