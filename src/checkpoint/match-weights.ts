/**
 * @file Strict loading: every parameter of the model and every tensor of the file has its partner, or is excused by
 * name.
 */

import { InputError, nearest } from "../core/errors.js";
import type { Shape, TensorData } from "../core/tensor-data.js";
import { groupNames } from "./names/group-names.js";

export interface MatchOptions {
  /** Where `found` comes from: opens the error message. */
  source: string;
  /** Parameters that may lack a tensor (they keep their initial values). */
  allowMissing?: readonly RegExp[];
  /** Tensors that may be left unused. */
  allowUnexpected?: readonly RegExp[];
  /** Parameters whose tensor may have another shape (they keep their initial values), e.g. for other classes. */
  allowMisshapen?: readonly RegExp[];
  /** What the file itself calls a tensor, where that is another name. */
  originOf?: (name: string) => string | undefined;
  /** What was read of `found`: what the model takes must be finite floats. */
  values?: ReadonlyMap<string, TensorData>;
  /** What to do about weights that do not fit. */
  fix?: string;
}

export interface WeightMatch {
  /** Names on both sides with equal shapes, in the model's order. */
  matched: string[];
  /** Excused by `allowMissing`. */
  missing: string[];
  /** Excused by `allowUnexpected`. */
  unexpected: string[];
  /** Excused by `allowMisshapen`. */
  misshapen: string[];
}

/** More faults of one kind than this are listed by what they have in common. */
const ONE_BY_ONE = 12;

const DAMAGED = "Get the file again, or take an earlier one of its training.";
const LEAVE_OUT =
  "What is no part of the model can stay behind: mask-jepa convert IN OUT --leave-out PATTERN (a regular expression).";

/** Every name is there: one a line, or those together that differ only in their numbers (and are told by `brief`). */
function list(
  title: string,
  names: readonly string[],
  describe: (name: string) => string,
  brief = (name: string) => name,
): string[] {
  if (names.length === 0) return [];
  const lines = names.length > ONE_BY_ONE ? groupNames(names.map(brief)) : names.map(describe);
  return [`${names.length} ${title}:`, ...lines.map((line) => `  ${line}`)];
}

function isBroken(tensor: TensorData | undefined): boolean {
  if (tensor?.dtype !== "float32") return false;
  for (const value of tensor.data as Float32Array) if (value - value !== 0) return true;
  return false;
}

/**
 * Compares a model's parameters with a file's tensors by name and shape.
 * @throws InputError that lists all missing, unexpected and wrongly shaped names, with the nearest name on the other
 * side
 */
export function matchWeights(
  expected: ReadonlyMap<string, Shape>,
  found: ReadonlyMap<string, Shape>,
  {
    source,
    allowMissing = [],
    allowUnexpected = [],
    allowMisshapen = [],
    originOf = () => undefined,
    values = new Map(),
    fix,
  }: MatchOptions,
): WeightMatch {
  const excused = (name: string, patterns: readonly RegExp[]) => patterns.some((pattern) => name.search(pattern) >= 0);
  const missing = [...expected.keys()].filter((name) => !found.has(name));
  const unexpected = [...found.keys()].filter((name) => !expected.has(name));
  const common = [...expected.keys()].filter((name) => found.has(name));
  const differs = common.filter((name) => `${expected.get(name)}` !== `${found.get(name)}`);
  const misshapen = differs.filter((name) => excused(name, allowMisshapen));
  const matched = common.filter((name) => !misshapen.includes(name));

  const lacking = missing.filter((name) => !excused(name, allowMissing));
  const surplus = unexpected.filter((name) => !excused(name, allowUnexpected));
  const wrong = differs.filter((name) => !excused(name, allowMisshapen));
  const typeOf = (name: string) => values.get(name)?.dtype ?? "float32";
  const noNumbers = matched.filter((name) => isBroken(values.get(name)));
  const noFloats = matched.filter((name) => typeOf(name) !== "float32");
  const near = (others: readonly string[]) => (name: string) => {
    const other = nearest(name, others.slice(0, 200));
    return other ? `${name} (the other side has ${other})` : name;
  };
  const inFile = (name: string) => {
    const origin = originOf(name);
    return origin === undefined || origin === name ? name : `${name} (in the file: ${origin})`;
  };
  const shapes = (name: string) => `model [${expected.get(name)}], file [${found.get(name)}]`;
  const faults = [
    ...list("missing", lacking, near(unexpected)),
    ...list("unexpected", surplus, (name) => near(missing)(inFile(name))),
    ...list(
      "of another shape",
      wrong,
      (name) => `${inFile(name)}: ${shapes(name)}`,
      (name) => `${name}: ${shapes(name)}`,
    ),
    ...list("of another type", noFloats, (name) => `${inFile(name)}: model float32, file ${typeOf(name)}`),
    ...list("with NaN or infinity", noNumbers, inFile),
  ];
  if (faults.length > 0) {
    const [misfits, broken] = [lacking.length + wrong.length, noFloats.length + noNumbers.length];
    const usual = misfits + broken === 0 ? LEAVE_OUT : undefined;
    throw new InputError({
      where: source,
      expected: `the ${expected.size} tensors of this model`,
      found: `${matched.length - new Set([...wrong, ...noFloats, ...noNumbers]).size} that fit\n${faults.join("\n")}`,
      fix: misfits + surplus.length === 0 ? DAMAGED : (fix ?? usual),
    });
  }
  return { matched, missing, unexpected, misshapen };
}
