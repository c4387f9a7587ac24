/** @file The dictionary of weights in what a pickle holds, and its tensors. */

import { type ByteSource, damaged } from "./byte-source.js";
import { NumpyArray } from "./numpy-arrays.js";
import { PickleDict, PickleList, PickleTuple } from "./pickle-values.js";
import { type StoredTensor, storedTensor } from "./stored-tensor.js";
import type { PickleFile } from "./torch-files.js";
import { TorchTensor } from "./torch-tensors.js";

/** What training programs call the weights inside a checkpoint; the first that is there is taken. */
const PARTS = [
  "model",
  "state_dict",
  "model_state_dict",
  "model_state",
  "teacher",
  "student",
  "model_ema",
  "ema",
  "module",
  "net",
  "network",
  "backbone",
  "encoder",
  "weights",
  "params",
];

const MAX_DEPTH = 32;
const MAX_NAME = 1000;
/** Bytes of all tensors over the file's: half-precision, views and tied weights reach 4. */
const MAX_RATIO = 8;
const READ_ANYWAY = 2 ** 20;

const isTensor = (value: unknown): value is TorchTensor | NumpyArray =>
  value instanceof TorchTensor || value instanceof NumpyArray;

function entriesOf(value: unknown): Iterable<readonly [unknown, unknown]> {
  if (value instanceof PickleDict) return value.entries;
  return value instanceof PickleList || value instanceof PickleTuple ? value.items.entries() : [];
}

/** All tensors below `root` by their dotted path; a container that is met twice counts once. */
function tensorsBelow(root: unknown): Map<string, TorchTensor | NumpyArray> {
  const found = new Map<string, TorchTensor | NumpyArray>();
  const seen = new Set<unknown>();
  const visit = (value: unknown, path: readonly string[]): void => {
    if (isTensor(value)) found.set(path.join("."), value);
    else if (typeof value === "object" && value !== null && !seen.has(value) && path.length < MAX_DEPTH) {
      seen.add(value);
      for (const [key, member] of entriesOf(value)) {
        if (typeof key !== "string" && typeof key !== "number") continue;
        if (String(key).length <= MAX_NAME) visit(member, [...path, String(key)]);
      }
    }
  };
  visit(root, []);
  return found;
}

/** Single numbers, such as the step of an optimiser, do not make a dictionary one of weights. */
function holdsWeights({ entries }: PickleDict): boolean {
  return [...entries.values()].some((value) => isTensor(value) && value.axes > 0);
}

/** A dictionary of weights inside what a pickle holds. */
export interface Selection {
  readonly root: unknown;
  /** Its name; "" for the whole. */
  readonly part: string;
  readonly otherParts: readonly string[];
}

/**
 * The dictionary that holds the weights: the one of the `wanted` name if there is one, else the root if it holds
 * tensors itself, else the one of a usual name.
 */
export function selectDictionary(root: unknown, wanted?: string): Selection {
  const parts: { name: string; value: PickleDict }[] = [];
  const visit = (value: unknown, name: string, depth: number): void => {
    if (!(value instanceof PickleDict) || depth > 3 || name.length > MAX_NAME) return;
    if (holdsWeights(value)) parts.push({ name, value });
    else
      for (const [key, member] of value.entries)
        if (typeof key === "string") visit(member, name ? `${name}.${key}` : key, depth + 1);
  };
  visit(root, "", 0);
  const rank = ({ name }: { name: string }) => {
    const last = PARTS.indexOf(name.split(".").at(-1) ?? "");
    return last < 0 ? PARTS.length : last;
  };
  const names = parts.map(({ name }) => name);
  const best = parts.find(({ name }) => name === wanted) ?? parts.toSorted((a, b) => rank(a) - rank(b))[0];
  if (!best) return { root, part: "", otherParts: [] };
  return { root: best.value, part: best.name, otherParts: names.filter((name) => name !== best.name) };
}

/** The tensors of a pickle or of a dictionary in it, checked. @throws InputError */
export function tensorsOf({ root, bigEndian }: PickleFile, { path, size }: ByteSource): Map<string, StoredTensor> {
  const tensors = new Map<string, StoredTensor>();
  const missing: string[] = [];
  for (const [name, tensor] of tensorsBelow(root)) {
    const strided = tensor instanceof TorchTensor ? tensor.strided(bigEndian) : tensor.strided();
    if (typeof strided === "string") missing.push(`${JSON.stringify(name)}: ${strided}`);
    else tensors.set(name, storedTensor(strided, path, name));
  }
  if (missing.length > 0) {
    const rest = missing.length > 12 ? `\n  ... and ${missing.length - 12} more` : "";
    throw damaged(path, `${missing.length} tensors that cannot be read\n  ${missing.slice(0, 12).join("\n  ")}${rest}`);
  }
  const total = [...tensors.values()].reduce((sum, { bytes }) => sum + bytes, 0);
  if (total > MAX_RATIO * size + READ_ANYWAY) {
    throw damaged(path, `${size} bytes that claim to hold tensors of ${total}`);
  }
  return tensors;
}
