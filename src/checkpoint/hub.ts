/**
 * @file Weights from the Hugging Face hub: found, downloaded in pieces that can be resumed, verified, and kept in a
 * cache.
 */

import { open, readFile, rename, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { z } from "zod";
import { InputError } from "../core/errors.js";
import { type Reporter, SILENT, type Task } from "../core/reporter.js";
import { exists, requireSpace, writeFileAtomic } from "../io/atomic-file.js";
import { fileFault } from "../io/file-fault.js";
import { makeFolder } from "../io/folder.js";
import { lockDirectory } from "../io/lock-file.js";
import { digestFile } from "./safetensors.js";

/** `hf:owner/name`, perhaps with a revision and a file: `hf:owner/name@main:model.safetensors`. */
export interface HubLocation {
  readonly repository: string;
  readonly revision: string;
  readonly file?: string;
}

export const HUB_PREFIX = "hf:";
const LOCATION = /^hf:([\w.-]+\/[\w.-]+)(?:@([\w./-]+))?(?::(.+))?$/;

/** Where the hub is, for mirrors; the same variable as Hugging Face's own tools. */
const endpoint = () => (process.env.HF_ENDPOINT || "https://huggingface.co").replace(/\/+$/, "");

/** Without a byte for this long, a connection counts as lost. */
const STALL_MS = 30_000;

/** Weights that repositories hold, the preferred first. */
export const WEIGHT_FILES = ["model.safetensors", "pytorch_model.bin"];
const WEIGHT_SUFFIX = /\.(safetensors|bin|pth|pt|pkl)$/;

/** @throws InputError for text that is no `hf:owner/name` */
export function parseHubLocation(text: string): HubLocation {
  const found = LOCATION.exec(text);
  const [, repository, revision = "main", file] = found ?? [];
  if (!found || repository.includes("..") || revision.includes("..") || (file && !isPlainPath(file))) {
    throw new InputError({
      where: text,
      expected: "hf:OWNER/NAME, perhaps with @REVISION or :FILE",
      found: "another form",
    });
  }
  return { repository, revision, ...(file && { file }) };
}

/** Relative, and nowhere above its start: what a hub answers becomes part of a path. */
function isPlainPath(path: string): boolean {
  return !/^[/\\]|\\|:|\0/.test(path) && path.split("/").every((part) => part !== ".." && part !== "." && part !== "");
}

/** Folder of downloads: MASK_JEPA_CACHE, or `mask-jepa` in XDG_CACHE_HOME, by default ~/.cache. */
export function cacheFolder(): string {
  const { MASK_JEPA_CACHE, XDG_CACHE_HOME } = process.env;
  return MASK_JEPA_CACHE || join(XDG_CACHE_HOME || join(homedir(), ".cache"), "mask-jepa");
}

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

interface RemoteFile {
  readonly name: string;
  readonly bytes?: number;
  readonly sha256?: string;
}

interface Revision {
  readonly commit: string;
  readonly files: readonly RemoteFile[];
}

const NETWORK_CODES = [
  "ENOTFOUND",
  "EAI_AGAIN",
  "ECONNREFUSED",
  "ECONNRESET",
  "ENETUNREACH",
  "EHOSTUNREACH",
  "ETIMEDOUT",
  "EPIPE",
];

/** An error of fetch: the hub cannot be reached, or the connection broke. */
function networkFault(error: unknown, url: string): unknown {
  if (error instanceof InputError) return error;
  const { cause, name, code: own } = error as { cause?: { code?: string }; name?: string; code?: string };
  const code = cause?.code ?? own ?? "";
  const lost =
    error instanceof TypeError || name === "TimeoutError" || name === "AbortError" || NETWORK_CODES.includes(code);
  if (!lost) return error;
  const { host } = new URL(url);
  return new InputError(
    {
      where: url,
      expected: "an answer",
      found: `no network, or none to ${host} (${code || name || "connection lost"})`,
      fix: "Download the file where there is one and give its path; what is downloaded already is kept and resumed.",
    },
    { cause: error },
  );
}

const REASONS: Readonly<Record<number, string>> = {
  401: "no such repository, or one that needs an account",
  403: "access denied",
  404: "nothing of that name",
  429: "too many requests: try again later",
};

async function request(url: string, headers: Record<string, string>, signal: AbortSignal): Promise<Response> {
  const response = await fetch(url, { headers: { "user-agent": "mask-jepa", ...headers }, signal });
  if (response.ok || response.status === 416) return response;
  await response.body?.cancel();
  const reason = REASONS[response.status] ?? response.statusText;
  throw new InputError({ where: url, expected: "a file of the hub", found: `${reason} (HTTP ${response.status})` });
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
  const weights = files.filter(({ name }) => WEIGHT_SUFFIX.test(name) && isPlainPath(name));
  const wanted = file ? [file] : WEIGHT_FILES;
  const found = wanted.map((name) => files.find((other) => other.name === name)).find((match) => match !== undefined);
  if (found && isPlainPath(found.name)) return found;
  if (!file && weights.length === 1) return weights[0];
  throw new InputError({
    where: `${HUB_PREFIX}${repository}`,
    expected: file ?? `one file of weights (${WEIGHT_FILES.join(" or ")})`,
    found: weights.length === 0 ? "no weights" : weights.map(({ name }) => name).join(", "),
    fix: `Name one: ${HUB_PREFIX}${repository}:FILE.`,
  });
}

/** Which commit and file a location was resolved to: read when the hub cannot be asked. */
interface Remembered {
  readonly commit: string;
  readonly file: string;
}

const memoryOf = (folder: string, { revision, file }: HubLocation) =>
  join(folder, "refs", `${encodeURIComponent(`${revision}:${file ?? ""}`)}.json`);

async function remembered(folder: string, location: HubLocation): Promise<string | undefined> {
  try {
    const { commit, file } = JSON.parse(await readFile(memoryOf(folder, location), "utf8")) as Remembered;
    const path = join(folder, commit, file);
    return (await exists(path)) ? path : undefined;
  } catch {
    return undefined; // nothing was downloaded yet
  }
}

/**
 * The path of a file of the hub in the cache, downloaded if it is not there. An interrupted download goes on where it
 * stopped.
 * @param reporter sees the download, and is told that the network is not there where an earlier copy is used
 * @throws InputError without network, for an unknown repository or file, and for bytes of another size or checksum
 */
export async function fetchFromHub(text: string, reporter: Reporter = SILENT): Promise<string> {
  const location = parseHubLocation(text);
  const folder = join(cacheFolder(), location.repository.replace("/", "--"));
  let revision: Revision;
  try {
    revision = await readRevision(location);
  } catch (error) {
    const path = await remembered(folder, location);
    // `cause`: the network, not the hub's answer.
    if (!path || !(error instanceof InputError) || !error.cause) throw error;
    reporter.warn(`${text}: the hub cannot be reached; the copy of an earlier download is used (${path}).`);
    return path;
  }
  const file = chooseFile(location, revision.files);
  const path = join(folder, revision.commit, file.name);
  if (!(await exists(path))) await download(location, revision, file, { path, reporter });
  const memory: Remembered = { commit: revision.commit, file: file.name };
  await makeFolder(join(folder, "refs"));
  await writeFileAtomic(memoryOf(folder, location), JSON.stringify(memory));
  return path;
}

const megabytes = (bytes: number) => Math.ceil(bytes / 1e6);

async function download(
  { repository }: HubLocation,
  { commit }: Revision,
  file: RemoteFile,
  { path, reporter }: { path: string; reporter: Reporter },
): Promise<void> {
  const name = file.name.split("/").map(encodeURIComponent).join("/");
  const url = `${endpoint()}/${repository}/resolve/${commit}/${name}`;
  await makeFolder(dirname(path), `${dirname(path)} (MASK_JEPA_CACHE names another cache)`);
  const release = await lockDirectory(dirname(path));
  try {
    if (await exists(path)) return; // another process was faster
    const part = `${path}.part`;
    if (file.bytes !== undefined) await requireSpace(dirname(path), file.bytes);
    const task = reporter.begin(`Downloading ${repository} (MB)`, megabytes(file.bytes ?? 0));
    await resume(url, part, file, task).finally(() => task.end());
    await verify(url, part, file);
    await rename(part, path);
  } finally {
    release();
  }
}

/** Appends to `part` what is missing. What the server sends from the start again replaces it. */
async function resume(url: string, part: string, { bytes }: RemoteFile, task: Task): Promise<void> {
  const have = await stat(part).then(
    ({ size }) => size,
    () => 0,
  );
  if (bytes !== undefined && have === bytes) return;
  const begin = bytes !== undefined && have > bytes ? 0 : have;
  const stall = new AbortController();
  let timer = setTimeout(() => stall.abort(), STALL_MS);
  try {
    const response = await request(url, begin > 0 ? { range: `bytes=${begin}-` } : {}, stall.signal);
    if (response.status === 416) return; // nothing is missing: verified next
    const appends = response.status === 206;
    const output = await open(part, appends ? "r+" : "w");
    try {
      let at = appends ? begin : 0;
      for await (const piece of response.body ?? []) {
        clearTimeout(timer);
        timer = setTimeout(() => stall.abort(), STALL_MS);
        await output.write(piece, 0, piece.length, at);
        at += piece.length;
        if (bytes !== undefined && at > bytes) break; // verified next
        task.update(megabytes(at));
      }
      await output.sync();
    } finally {
      await output.close();
    }
  } catch (error) {
    throw networkFault(fileFault(error, part, "a cache that can be written"), url);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Size, and the checksum that the hub gives for large files. What is wrong is removed by writing it anew the next time.
 */
async function verify(url: string, part: string, { bytes, sha256 }: RemoteFile): Promise<void> {
  const { bytes: size, sha256: found } = await digestFile(part);
  if (bytes !== undefined && size < bytes) {
    throw new InputError({
      where: url,
      expected: `${bytes} bytes`,
      found: `${size}: the connection was lost`,
      fix: "Run it again: the download goes on where it stopped.",
    });
  }
  const sizeFits = bytes === undefined || size === bytes;
  if (sizeFits && (sha256 === undefined || sha256 === found)) return;
  await open(part, "w").then((file) => file.close()); // nothing of it is resumed
  throw new InputError({
    where: url,
    expected: sizeFits ? `the checksum ${sha256}` : `${bytes} bytes`,
    found: sizeFits ? found : String(size),
    fix: "The download was damaged on its way: run it again.",
  });
}
