/** @file Weights files of every format behind one interface: tensors by the names of the file, read when asked for. */

import { InputError } from "../../core/errors.js";
import { BYTES, sizeOf } from "../../core/tensor-data.js";
import { openSafetensors } from "../safetensors.js";
import { MAX_HEADER_BYTES, STORED } from "../safetensors-header.js";
import { type ByteSource, damaged, openFile } from "./byte-source.js";
import { NumpyArray, resolveNumpy } from "./numpy-arrays.js";
import { PickleInput } from "./pickle-input.js";
import { INSTRUCTIONS } from "./pickle-instructions.js";
import { PickleDict, PickleList, PickleTuple } from "./pickle-values.js";
import { readPickle } from "./read-pickle.js";
import { type StoredTensor, storedTensor } from "./stored-tensor.js";
import { LEGACY_MAGIC, type PickleFile, readTorchLegacy, readTorchZip } from "./torch-files.js";
import { resolveTorch, TorchTensor } from "./torch-tensors.js";

export type Format = "safetensors" | "torch" | "torch-legacy" | "pickle";

export interface WeightsFile {
  readonly path: string;
  readonly format: Format;
  /** The nested dictionary that was taken, e.g. "model" or "teacher"; "" for the whole file. */
  readonly part: string;
  /** Other dictionaries of tensors beside it. */
  readonly otherParts: readonly string[];
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  /** Text of a safetensors header; empty for other formats. */
  readonly metadata: ReadonlyMap<string, string>;
  close(): Promise<void>;
}

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

/** Text at the start of files that are not what their name says. */
const IMPOSTORS: readonly [prefix: string, what: string][] = [
  ["version https://git-lfs", "a pointer of Git LFS, not the file that it stands for (git lfs pull fetches it)"],
  ["<!DOCTYPE", "a web page"],
  ["<html", "a web page"],
  ["\x1f\x8b", "a gzip archive: unpack it first"],
  ["{", "JSON text"],
];

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

interface Selection {
  readonly root: unknown;
  readonly part: string;
  readonly otherParts: readonly string[];
}

/**
 * The dictionary that holds the weights. `wanted` names it; else the root if it holds tensors itself, else a usual
 * name.
 */
function select(root: unknown, wanted: string | undefined, path: string): Selection {
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
  const best =
    wanted === undefined ? parts.toSorted((a, b) => rank(a) - rank(b))[0] : parts.find(({ name }) => name === wanted);
  if (wanted !== undefined && !best) {
    throw new InputError({ where: path, expected: `a part "${wanted}"`, found: names.join(", ") || "no parts" });
  }
  if (!best) return { root, part: "", otherParts: [] };
  return { root: best.value, part: best.name, otherParts: names.filter((name) => name !== best.name) };
}

/** Lists the tensors of a pickle, checked. Throws `InputError`. */
function list({ root, bigEndian }: PickleFile, { path, size }: ByteSource): Map<string, StoredTensor> {
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

function readAnyPickle(source: ByteSource): PickleFile & { format: Format } {
  const input = new PickleInput(source);
  if (!INSTRUCTIONS.has(input.byte())) {
    throw damaged(source.path, "something else", "a safetensors, PyTorch or pickle file");
  }
  input.position = 0;
  const root = readPickle(input, { resolve: (name) => resolveNumpy(name) ?? resolveTorch(name) });
  if (root === LEGACY_MAGIC) return { ...readTorchLegacy(input), format: "torch-legacy" };
  return { root, bigEndian: false, format: "pickle" };
}

/** Throws `InputError` for what is no weights file by its first bytes. */
function checkStart(start: Buffer, { path, size }: ByteSource): void {
  if (size === 0) throw damaged(path, "an empty file");
  const text = start.toString("latin1");
  const impostor = IMPOSTORS.find(([prefix]) => text.startsWith(prefix));
  if (impostor) throw damaged(path, impostor[1], "weights");
  if (start.toString("latin1", 257, 262) === "ustar") {
    throw damaged(
      path,
      "a tar archive, as PyTorch before version 0.2 wrote it",
      "weights as newer versions write them",
    );
  }
}

/**
 * Opens a weights file of any format and checks all that it says about its tensors.
 * @param wanted the nested dictionary to take from a checkpoint; by default the usual one (`model`, `state_dict`, ...)
 * @throws InputError naming the file and the reason
 */
export async function openWeights(path: string, wanted?: string): Promise<WeightsFile> {
  const source = await openFile(path);
  try {
    const start = Buffer.alloc(Math.min(source.size, 512));
    source.readSync(start, 0);
    const headed = start.length > 8 && start[8] === 0x7b && start.readBigUInt64LE(0) <= MAX_HEADER_BYTES;
    if (!headed) checkStart(start, source);
    if (headed || path.toLowerCase().endsWith(".safetensors")) {
      await source.close();
      return await openSafetensorsWeights(path);
    }
    const zip = start.toString("latin1", 0, 2) === "PK";
    const file = zip ? { ...readTorchZip(source), format: "torch" as const } : readAnyPickle(source);
    const { root, part, otherParts } = select(file.root, wanted, path);
    const tensors = list({ root, bigEndian: file.bigEndian }, source);
    if (tensors.size === 0) throw damaged(path, "a file without tensors", "weights");
    return { path, format: file.format, part, otherParts, tensors, metadata: new Map(), close: () => source.close() };
  } catch (error) {
    await source.close();
    throw error;
  }
}

async function openSafetensorsWeights(path: string): Promise<WeightsFile> {
  const file = await openSafetensors(path);
  const tensors = new Map<string, StoredTensor>();
  for (const [name, { stored, shape }] of file.entries) {
    const type = STORED.get(stored)?.type;
    const bytes = sizeOf(shape) * (type ? BYTES[type.as] : 1);
    tensors.set(name, { type: type?.name ?? stored, shape, bytes, read: () => file.tensor(name) });
  }
  return {
    path,
    format: "safetensors",
    part: "",
    otherParts: [],
    tensors,
    metadata: file.metadata,
    close: () => file.close(),
  };
}
