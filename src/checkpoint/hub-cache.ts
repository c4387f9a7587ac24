/** @file What of the hub is on this machine: downloads of this program, and those of Hugging Face's own tools. */

import { readdir, readFile, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { exists } from "../io/atomic-file.js";
import { isShardIndex, readShardIndex } from "./formats/shards.js";
import type { HubLocation } from "./hub-location.js";
import { chooseWeights } from "./weights-choice.js";

const cacheHome = () => process.env.XDG_CACHE_HOME || join(homedir(), ".cache");

/** Folder of downloads: MASK_JEPA_CACHE, or `mask-jepa` in XDG_CACHE_HOME, by default ~/.cache. */
function cacheFolder(): string {
  return process.env.MASK_JEPA_CACHE || join(cacheHome(), "mask-jepa");
}

/** The folder of a repository in the cache of Hugging Face's tools, under the variables that these go by. */
function huggingFaceFolder(repository: string): string {
  const { HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE, HF_HOME } = process.env;
  const home = HF_HOME || join(cacheHome(), "huggingface");
  return join(HF_HUB_CACHE || HUGGINGFACE_HUB_CACHE || join(home, "hub"), `models--${repository.replace("/", "--")}`);
}

/** Whether the file, and all that it stands for if it is an index, is there. */
async function isWhole(folder: string, file: string): Promise<boolean> {
  if (!(await exists(join(folder, file)))) return false;
  if (!isShardIndex(file)) return true;
  const shards = new Set((await readShardIndex(join(folder, file))).values());
  for (const shard of shards) if (!(await exists(join(folder, shard)))) return false;
  return true;
}

const readNames = (folder: string): Promise<string[]> => readdir(folder).catch(() => []);

/**
 * The snapshot that a repository's folder in the cache of Hugging Face's tools holds of a revision: of a branch, tag or
 * commit; undefined where there is none.
 */
export async function snapshotOf(repositoryFolder: string, revision = "main"): Promise<string | undefined> {
  const ref = await readFile(join(repositoryFolder, "refs", ...revision.split("/")), "utf8").catch(() => revision);
  const snapshots = join(repositoryFolder, "snapshots");
  const names = await readNames(snapshots);
  const named = names.find((name) => name === ref.trim());
  return named === undefined ? undefined : join(snapshots, named);
}

/** Whether a folder is that of a repository in the cache of Hugging Face's tools. */
export async function isRepositoryFolder(folder: string): Promise<boolean> {
  return stat(join(folder, "snapshots")).then(
    (info) => info.isDirectory(),
    () => false,
  );
}

/** The weights that Hugging Face's tools have downloaded; undefined where they have not. `commit`: that one alone. */
export async function inHuggingFaceCache(
  { repository, revision, file }: HubLocation,
  commit?: string,
): Promise<string | undefined> {
  const snapshot = await snapshotOf(huggingFaceFolder(repository), commit ?? revision);
  if (!snapshot) return undefined;
  const name = file ?? chooseWeights(await readNames(snapshot)).chosen;
  return name !== undefined && (await isWhole(snapshot, name)) ? join(snapshot, name) : undefined;
}

/** Which commit and file a location was resolved to: read when the hub cannot be asked. */
export interface Remembered {
  readonly commit: string;
  readonly file: string;
}

/** This program's folder of a repository. */
export const repositoryFolder = ({ repository }: HubLocation): string =>
  join(cacheFolder(), repository.replace("/", "--"));

/** Where it is remembered what a location was resolved to. */
export const memoryOf = (location: HubLocation): string =>
  join(repositoryFolder(location), "refs", `${encodeURIComponent(`${location.revision}:${location.file ?? ""}`)}.json`);

/** The weights that this program has downloaded; undefined where it has not. */
export async function inOwnCache(location: HubLocation): Promise<string | undefined> {
  try {
    const { commit, file } = JSON.parse(await readFile(memoryOf(location), "utf8")) as Remembered;
    const folder = join(repositoryFolder(location), commit);
    return (await isWhole(folder, file)) ? join(folder, file) : undefined;
  } catch {
    return undefined; // nothing was downloaded yet
  }
}
