/**
 * @file Weights from the Hugging Face hub: found, downloaded in pieces that can be resumed, verified, and kept in a
 * cache.
 */

import { dirname, join, posix } from "node:path";
import { z } from "zod";
import { InputError } from "../core/errors.js";
import { type Reporter, SILENT } from "../core/reporter.js";
import { plural } from "../core/text.js";
import { exists, writeFileAtomic } from "../io/atomic-file.js";
import { makeFolder } from "../io/folder.js";
import { isShardIndex, readShardIndex } from "./formats/shards.js";
import { inHuggingFaceCache, inOwnCache, memoryOf, type Remembered, repositoryFolder } from "./hub-cache.js";
import { download, endpoint, megabytes, networkFault, type RemoteFile, request, STALL_MS } from "./hub-download.js";
import { HUB_PREFIX, type HubLocation, isPlainPath, parseHubLocation } from "./hub-location.js";
import { COMPANIONS, chooseWeights, USUAL_NAMES } from "./weights-choice.js";

const revisionSchema = z.object({
  sha: z.string().regex(/^[0-9a-f]{6,64}$/),
  siblings: z.array(
    z.object({
      rfilename: z.string(),
      size: z.int().nonnegative().optional(),
      lfs: z.object({ sha256: z.string(), size: z.int().nonnegative() }).nullish(),
    }),
  ),
});

interface Revision {
  readonly commit: string;
  readonly files: readonly RemoteFile[];
}

async function readRevision({ repository, revision }: HubLocation): Promise<Revision> {
  const url = `${endpoint()}/api/models/${repository}/revision/${encodeURIComponent(revision)}?blobs=true`;
  let answer: unknown;
  try {
    const response = await request(url, {}, AbortSignal.timeout(STALL_MS));
    answer = await response.json();
  } catch (error) {
    if (error instanceof SyntaxError) answer = undefined;
    else throw networkFault(error, url);
  }
  const parsed = revisionSchema.safeParse(answer);
  if (!parsed.success) throw new InputError({ where: url, expected: "a list of files", found: "another answer" });
  const files = parsed.data.siblings.map(({ rfilename, size, lfs }) => ({
    name: rfilename,
    ...((lfs?.size ?? size) !== undefined && { bytes: lfs?.size ?? size }),
    ...(lfs && { sha256: lfs.sha256 }),
  }));
  return { commit: parsed.data.sha, files };
}

function chooseFile({ repository, file }: HubLocation, files: readonly RemoteFile[]): RemoteFile {
  const { chosen, candidates } = chooseWeights(files.map(({ name }) => name).filter(isPlainPath));
  const found = files.find(({ name }) => name === (file ?? chosen));
  if (found && isPlainPath(found.name)) return found;
  throw new InputError({
    where: `${HUB_PREFIX}${repository}`,
    expected: file ?? `one file of weights (${USUAL_NAMES.join(" or ")})`,
    found: candidates.length === 0 ? "no weights" : candidates.join(", "),
    fix: `Name one: ${HUB_PREFIX}${repository}:FILE.`,
  });
}

/** Variables by which Hugging Face's tools are told to stay without network. */
const isOffline = () => [process.env.HF_HUB_OFFLINE, process.env.TRANSFORMERS_OFFLINE].some((flag) => flag === "1");

/** What there is of a location on this machine: of this program, or of Hugging Face's own tools. */
const onThisMachine = async (location: HubLocation) =>
  (await inOwnCache(location)) ?? (await inHuggingFaceCache(location));

/**
 * The path of weights of the hub, downloaded with what lies beside them and says what they are, if they are not on this
 * machine. An interrupted download goes on where it stopped. Without network, what was downloaded before serves, by
 * this program or by Hugging Face's own tools.
 * @param reporter sees the download, and is told that the network is not there where an earlier copy is used
 * @throws InputError without network, for an unknown repository or file, and for bytes of another size or checksum
 */
export async function fetchFromHub(text: string, reporter: Reporter = SILENT): Promise<string> {
  const location = parseHubLocation(text);
  if (isOffline()) {
    const path = await onThisMachine(location);
    if (path) return path;
    const fix = "Download it where there is a network, or unset the variable.";
    throw new InputError({
      where: text,
      expected: "weights in a cache",
      found: "none, and HF_HUB_OFFLINE is set",
      fix,
    });
  }
  let revision: Revision;
  try {
    revision = await readRevision(location);
  } catch (error) {
    // `cause`: the network, not the hub's answer.
    const path = error instanceof InputError && error.cause ? await onThisMachine(location) : undefined;
    if (!path) throw error;
    reporter.warn(`${text}: the hub cannot be reached; the copy of an earlier download is used (${path}).`);
    return path;
  }
  const file = chooseFile(location, revision.files);
  const beside = companionsOf(file, revision);
  const theirs = await inHuggingFaceCache(location, revision.commit);
  if (theirs && (await lackOf(dirname(theirs), beside)).length === 0) return theirs;
  return downloadAll(location, revision, [file, ...beside], reporter);
}

/** Files in the folder of the weights that say what they are. */
function companionsOf({ name }: RemoteFile, { files }: Revision): RemoteFile[] {
  const folder = posix.dirname(name);
  const names: string[] = COMPANIONS.map((companion) => posix.join(folder, companion));
  return files.filter((file) => names.includes(file.name));
}

/** The files that a folder does not hold. */
async function lackOf(folder: string, files: readonly RemoteFile[]): Promise<RemoteFile[]> {
  const lacking: RemoteFile[] = [];
  for (const file of files) if (!(await exists(join(folder, posix.basename(file.name))))) lacking.push(file);
  return lacking;
}

/** Downloads what is missing of files, the weights first, and of an index what it names. Gives the weights' path. */
async function downloadAll(
  location: HubLocation,
  { commit, files: all }: Revision,
  files: readonly RemoteFile[],
  reporter: Reporter,
): Promise<string> {
  const [weights] = files;
  const folder = join(repositoryFolder(location), commit);
  const fetchMissing = async (wanted: readonly RemoteFile[], task = reporter) => {
    for (const file of wanted)
      await download({ ...location, commit }, file, { path: join(folder, file.name), reporter: task });
  };
  const place = join(folder, posix.dirname(weights.name));
  const isIndex = isShardIndex(weights.name);
  if (isIndex) await fetchMissing(await lackOf(place, [weights]), SILENT);
  const shards = isIndex ? await shardsOf(join(folder, weights.name), weights, all) : [weights];
  const missing = await lackOf(place, shards);
  const bytes = missing.reduce((sum, file) => sum + (file.bytes ?? 0), 0);
  if (missing.length > 0) {
    const size = bytes > 0 ? `${megabytes(bytes)} MB` : "of unknown size";
    const what = missing.length === 1 ? missing[0].name : plural(missing.length, "file");
    reporter.say(`Downloading ${what} of ${location.repository}, ${size}, to ${place}`);
  }
  await fetchMissing(missing);
  await fetchMissing(await lackOf(place, files.slice(1)), SILENT);
  const memory: Remembered = { commit, file: weights.name };
  await makeFolder(dirname(memoryOf(location)));
  await writeFileAtomic(memoryOf(location), JSON.stringify(memory));
  return join(folder, weights.name);
}

/** The files of the repository that an index names. Throws `InputError` for one that is not there. */
async function shardsOf(path: string, { name }: RemoteFile, all: readonly RemoteFile[]): Promise<RemoteFile[]> {
  const names = [...new Set((await readShardIndex(path)).values())].map((shard) =>
    posix.join(posix.dirname(name), shard),
  );
  return names.map((shard) => {
    const found = all.find((file) => file.name === shard);
    if (found) return found;
    throw new InputError({
      where: path,
      expected: "files of the repository",
      found: `${shard}, which it does not hold`,
    });
  });
}
