/** @file Weights in several files, as transformers saves large models: an index says which tensor is in which file. */

import { readFile, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { z } from "zod";
import { InputError } from "../../core/errors.js";
import { show } from "../../core/show.js";
import { exists } from "../../io/atomic-file.js";
import { fileFault } from "../../io/file-fault.js";
import { damaged } from "./byte-source.js";
import type { WeightsFile } from "./format.js";
import type { StoredTensor } from "./stored-tensor.js";

const INDEX = /\.index\.json$/i;
/** `model-00002-of-00003.safetensors` -> `model.safetensors.index.json` */
const SHARD = /-\d{5}-of-\d{5}(\.\w+)$/;
const MAX_INDEX_BYTES = 2 ** 25;
const MAX_SHARDS = 1000;

export const isShardIndex = (path: string): boolean => INDEX.test(path);

/** The index that a file would be named in if it is one of several; undefined for any other file. */
export const indexOfShard = (path: string): string | undefined =>
  SHARD.test(path) ? path.replace(SHARD, "$1.index.json") : undefined;

/** A name in the folder of the index, nothing above or below it. */
const shardName = z
  .string()
  .regex(/^[^/\\:]+$/)
  .refine((name) => name !== "." && name !== "..");
const indexSchema = z.object({ weight_map: z.record(z.string(), shardName) });

/**
 * The files that an index names, by tensor.
 * @throws InputError for an index that cannot be read, or is none
 */
export async function readShardIndex(path: string): Promise<ReadonlyMap<string, string>> {
  let text: string;
  try {
    const { size } = await stat(path);
    if (size > MAX_INDEX_BYTES) throw damaged(path, `an index of ${size} bytes`);
    text = await readFile(path, "utf8");
  } catch (error) {
    throw fileFault(error, path, "an index of weights that can be read");
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw damaged(path, (cause as Error).message, "valid JSON", { cause });
  }
  const parsed = indexSchema.safeParse(json);
  if (!parsed.success) {
    const [{ path: keys, message }] = parsed.error.issues;
    const value = keys.reduce<unknown>((tree, key) => (tree as Record<PropertyKey, unknown>)?.[key], json);
    const found = keys.length > 1 ? `${show(value)} for ${keys.slice(1).join(".")}` : message;
    throw damaged(path, found, 'an index with a "weight_map" from tensors to files beside it');
  }
  return new Map(Object.entries(parsed.data.weight_map));
}

/** Throws `InputError` for a file that is missing, as happens to downloads. */
async function openShard(file: string, index: string, open: (file: string) => Promise<WeightsFile>) {
  if (await exists(file)) return open(file);
  const fix = "Copy or download it to there.";
  throw new InputError({ where: file, expected: `a file of weights, which ${index} names`, found: "none", fix });
}

/**
 * Opens all files of an index as one.
 * @throws InputError for a file or a tensor that is missing
 */
export async function openShards(path: string, open: (file: string) => Promise<WeightsFile>): Promise<WeightsFile> {
  const map = await readShardIndex(path);
  const names = [...new Set(map.values())];
  if (names.length === 0 || names.length > MAX_SHARDS) throw damaged(path, `an index of ${names.length} files`);
  const files = new Map<string, WeightsFile>();
  const close = async () => {
    for (const file of files.values()) await file.close();
  };
  try {
    for (const name of names) files.set(name, await openShard(join(dirname(path), name), path, open));
    const tensors = new Map<string, StoredTensor>();
    for (const [tensor, name] of map) {
      const found = files.get(name)?.tensors.get(tensor);
      if (!found) throw damaged(join(dirname(path), name), `no tensor ${JSON.stringify(tensor)}, which ${path} names`);
      tensors.set(tensor, found);
    }
    const [{ format, metadata }] = files.values();
    return { path, format, part: "", otherParts: [], tensors, metadata, close };
  } catch (error) {
    await close();
    throw error;
  }
}
