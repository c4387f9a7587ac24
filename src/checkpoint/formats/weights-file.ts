/** @file Opening weights files: the first bytes say which format they have. */

import { InputError } from "../../core/errors.js";
import { BYTES, sizeOf } from "../../core/tensor-data.js";
import { openSafetensors } from "../safetensors.js";
import { MAX_HEADER_BYTES, STORED } from "../safetensors-header.js";
import { type ByteSource, damaged, openFile } from "./byte-source.js";
import type { Format, WeightsFile } from "./format.js";
import { resolveNumpy } from "./numpy-arrays.js";
import { PickleInput } from "./pickle-input.js";
import { INSTRUCTIONS } from "./pickle-instructions.js";
import { readPickle } from "./read-pickle.js";
import { isShardIndex, openShards } from "./shards.js";
import { selectDictionary, tensorsOf } from "./state-dict.js";
import type { StoredTensor } from "./stored-tensor.js";
import { isTar } from "./tar-reader.js";
import { LEGACY_MAGIC, type PickleFile, readTorchLegacy, readTorchZip } from "./torch-files.js";
import { readTorchTar } from "./torch-tar.js";
import { resolveTorch } from "./torch-tensors.js";

/** Text at the start of files that are not what their name says. */
const IMPOSTORS: readonly [prefix: string, what: string][] = [
  ["version https://git-lfs", "a pointer of Git LFS, not the file that it stands for (git lfs pull fetches it)"],
  ["<!DOCTYPE", "a web page"],
  ["<html", "a web page"],
  ["\x1f\x8b", "a gzip archive: unpack it first"],
  ["{", "JSON text"],
];

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
  if (/\.onnx$/i.test(path)) {
    const fix = "Give the run or the weights that it was exported from.";
    const found = "an ONNX model, which is for other programs";
    throw new InputError({ where: path, expected: "a safetensors, PyTorch or pickle file", found, fix });
  }
  if (size === 0) throw damaged(path, "an empty file");
  const text = start.toString("latin1");
  const impostor = IMPOSTORS.find(([prefix]) => text.startsWith(prefix));
  if (impostor) throw damaged(path, impostor[1], "weights");
}

const isZip = (start: Buffer) => start.toString("latin1", 0, 2) === "PK";
/** Protocol 2 to 5, as PyTorch writes pickles. */
const isPickle = ([first, protocol]: Buffer) => first === 0x80 && protocol >= 2 && protocol <= 5;
/** Whatever the file is called. */
const isTorch = (start: Buffer) => isZip(start) || isPickle(start);

function readByStart(start: Buffer, source: ByteSource): PickleFile & { format: Format } {
  if (isZip(start)) return { ...readTorchZip(source), format: "torch" };
  return isTar(start) ? { ...readTorchTar(source), format: "torch-tar" } : readAnyPickle(source);
}

/** The part of a name that programs which keep several models in one dictionary write first. */
const firstOf = (name: string) => name.split(".")[0];

/** The tensors whose names begin with a part's; all of them where that part is a dictionary of its own. */
function belowPart(file: WeightsFile, wanted: string | undefined): WeightsFile {
  if (wanted === undefined || file.part === wanted) return file;
  const tensors = new Map([...file.tensors].filter(([name]) => name.startsWith(`${wanted}.`)));
  if (tensors.size > 0) return { ...file, tensors };
  const names = [...file.tensors.keys()].filter((name) => name.includes(".")).map(firstOf);
  const parts = [file.part, ...file.otherParts, ...new Set(names)].filter((name) => name !== "");
  const found = parts.slice(0, 12).join(", ") || "no parts";
  throw new InputError({ where: file.path, expected: `a part "${wanted}"`, found });
}

/**
 * Opens a weights file of any format, or the index of weights in several files, and checks all that it says about its
 * tensors.
 * @param wanted the part of a checkpoint to take, a nested dictionary or the beginning of names; by default the usual
 * one (`model`, `state_dict`, ...)
 * @throws InputError naming the file and the reason
 */
export async function openWeights(path: string, wanted?: string): Promise<WeightsFile> {
  const file = isShardIndex(path) ? await openShards(path, (shard) => openWhole(shard)) : await openWhole(path, wanted);
  try {
    return belowPart(file, wanted);
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function openWhole(path: string, wanted?: string): Promise<WeightsFile> {
  const source = await openFile(path);
  try {
    const start = Buffer.alloc(Math.min(source.size, 512));
    source.readSync(start, 0);
    const headed = start.length > 8 && start[8] === 0x7b && start.readBigUInt64LE(0) <= MAX_HEADER_BYTES;
    if (!headed) checkStart(start, source);
    if (headed || (path.toLowerCase().endsWith(".safetensors") && !isTorch(start))) {
      await source.close();
      return await openSafetensorsWeights(path);
    }
    const file = readByStart(start, source);
    const { root, part, otherParts } = selectDictionary(file.root, wanted);
    const tensors = tensorsOf({ root, bigEndian: file.bigEndian }, source);
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
