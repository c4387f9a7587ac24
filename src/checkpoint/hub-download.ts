/** @file Files of the Hugging Face hub: downloaded in pieces that can be resumed, and verified. */

import { open, rename, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { InputError } from "../core/errors.js";
import type { Reporter, Task } from "../core/reporter.js";
import { exists, requireSpace } from "../io/atomic-file.js";
import { fileFault } from "../io/file-fault.js";
import { makeFolder } from "../io/folder.js";
import { lockDirectory } from "../io/lock-file.js";
import { digestFile } from "./safetensors.js";

/** Where the hub is, for mirrors; the same variable as Hugging Face's own tools. */
export const endpoint = () => (process.env.HF_ENDPOINT || "https://huggingface.co").replace(/\/+$/, "");

/** Without a byte for this long, a connection counts as lost. */
export const STALL_MS = 30_000;

/** A file of a repository. */
export interface RemoteFile {
  readonly name: string;
  readonly bytes?: number;
  readonly sha256?: string;
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
export function networkFault(error: unknown, url: string): unknown {
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

/** Asks the hub. @throws InputError for an answer that is none, or what fetch throws */
export async function request(url: string, headers: Record<string, string>, signal: AbortSignal): Promise<Response> {
  const response = await fetch(url, { headers: { "user-agent": "mask-jepa", ...headers }, signal });
  if (response.ok || response.status === 416) return response;
  await response.body?.cancel();
  const reason = REASONS[response.status] ?? response.statusText;
  throw new InputError({ where: url, expected: "a file of the hub", found: `${reason} (HTTP ${response.status})` });
}

export const megabytes = (bytes: number): number => Math.ceil(bytes / 1e6);

/**
 * Downloads a file of a repository at a commit to a path, unless it is there meanwhile.
 * @throws InputError without network or space, and for bytes of another size or checksum
 */
export async function download(
  { repository, commit }: { readonly repository: string; readonly commit: string },
  file: RemoteFile,
  { path, reporter }: { readonly path: string; readonly reporter: Reporter },
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
