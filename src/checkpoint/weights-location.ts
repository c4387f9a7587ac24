/** @file Where weights are named to be: a file, a folder of transformers or detectron2, or `hf:owner/name`. */

import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { InputError } from "../core/errors.js";
import type { Reporter } from "../core/reporter.js";
import { exists } from "../io/atomic-file.js";
import { fileFault } from "../io/file-fault.js";
import { indexOfShard } from "./formats/shards.js";
import { fetchFromHub } from "./hub.js";
import { isRepositoryFolder, snapshotOf } from "./hub-cache.js";
import { isHubLocation } from "./hub-location.js";
import { chooseWeights, USUAL_NAMES } from "./weights-choice.js";

/** Where detectron2 writes the name of the newest of several checkpoints. */
const LAST_CHECKPOINT = "last_checkpoint";

/** The weights in a folder; undefined where there are none, or nothing says which. @throws InputError */
export async function weightsIn(folder: string): Promise<string | undefined> {
  const names = await readdir(folder).catch((error: unknown) => {
    throw fileFault(error, folder, "a folder that can be read");
  });
  if (names.includes(LAST_CHECKPOINT)) {
    const last = (await readFile(join(folder, LAST_CHECKPOINT), "utf8").catch(() => "")).trim();
    if (names.includes(last)) return join(folder, last);
  }
  const { chosen } = chooseWeights(names);
  return chosen === undefined ? undefined : join(folder, chosen);
}

/** The folder itself, or what the cache of Hugging Face's tools holds in a repository's folder. */
async function contentOf(folder: string): Promise<string> {
  if (!(await isRepositoryFolder(folder))) return folder;
  const names = await readdir(join(folder, "snapshots"));
  return (await snapshotOf(folder)) ?? join(folder, "snapshots", names[0] ?? "");
}

/** `export --to onnx` leaves folders that look like those of transformers. */
async function withoutWeights(folder: string): Promise<string> {
  return (await exists(join(folder, "onnx"))) ? "an ONNX model, which is for other programs" : "a folder without them";
}

/**
 * The path of the file that a location means, the index of one in several files; from the hub it is downloaded first,
 * unless it is on this machine.
 * @throws InputError
 */
export async function locateWeights(location: string, reporter?: Reporter): Promise<string> {
  if (isHubLocation(location)) return fetchFromHub(location, reporter);
  if (!(await exists(location)) || !(await stat(location)).isDirectory()) {
    const index = indexOfShard(location);
    return index !== undefined && (await exists(index)) ? index : location;
  }
  const folder = await contentOf(location);
  const found = await weightsIn(folder);
  if (found) return found;
  const { candidates } = chooseWeights(await readdir(folder));
  throw new InputError({
    where: location,
    expected: `a run, a file of weights, or a folder with ${USUAL_NAMES.join(", ")} or one other file of weights`,
    found: candidates.length === 0 ? await withoutWeights(folder) : `${candidates.length}: ${candidates.join(", ")}`,
    ...(candidates.length > 0 && { fix: "Name one of the files." }),
  });
}
