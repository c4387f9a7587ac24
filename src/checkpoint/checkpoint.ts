/**
 * @file One checkpoint: a directory of safetensors files, one per part, and a `state.json` that names them with their
 * checksums and ends with its own. Nothing else marks it complete: it appears under its name by one rename, and copies
 * load.
 */

import { createHash } from "node:crypto";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { InputError } from "../core/errors.js";
import { type Shape, sizeOf, type TensorData } from "../core/tensor-data.js";
import { writeDirectoryAtomic, writeFileAtomic } from "../io/atomic-file.js";
import { errorCode, fileFault } from "../io/file-fault.js";
import { digestFile, openSafetensors, readSafetensors, writeSafetensors } from "./safetensors.js";

/** Raise when an older program would misread a new checkpoint. */
const FORMAT_VERSION = 1;
export const STATE_FILE = "state.json";

export type Json = string | number | boolean | null | Json[] | JsonObject;
export type JsonObject = { [key: string]: Json };

/** A metric by which checkpoints are compared. */
export interface Score {
  metric: string;
  value: number;
  goal: "min" | "max";
}

export interface CheckpointContent {
  step: number;
  /** Parts by name (lower-case letters, digits, dashes), e.g. `model`, `target`, `optimizer`; each becomes one file. */
  tensors: Readonly<Record<string, ReadonlyMap<string, TensorData>>>;
  /** Whatever else a resumed run needs: config, epoch, metrics. NaN and infinities become null: JSON has none. */
  state: JsonObject;
  best?: Score;
}

export interface Checkpoint {
  path: string;
  step: number;
  tensors: Record<string, Map<string, TensorData>>;
  state: JsonObject;
  best?: Score;
}

/** A checkpoint that is unfinished or was damaged after it was written: an older one may serve. */
export class DamagedCheckpoint extends InputError {
  override readonly name = "DamagedCheckpoint";
  constructor(where: string, expected: string, found: string) {
    super({ where, expected, found, fix: "Use an earlier checkpoint or a copy of this one." });
  }
}

const PART = /^[a-z][a-z0-9-]*$/;
const stateSchema = z.object({
  formatVersion: z.literal(FORMAT_VERSION),
  step: z.int().nonnegative(),
  best: z.object({ metric: z.string(), value: z.number(), goal: z.enum(["min", "max"]) }).optional(),
  files: z.record(z.string().regex(PART), z.object({ bytes: z.int(), sha256: z.string() })),
  state: z.custom<JsonObject>((value) => typeof value === "object" && value !== null && !Array.isArray(value)),
});
export type CheckpointState = z.infer<typeof stateSchema>;

const checksum = (text: string) => createHash("sha256").update(text).digest("hex");

/** Bytes that a checkpoint of these parts takes on disk, up to some KB of names: for a check before the first step. */
export function checkpointBytes(tensors: CheckpointContent["tensors"]): number {
  const parts = Object.values(tensors).flatMap((part) => [...part.values()]);
  return parts.reduce((bytes, { shape, data }) => bytes + sizeOf(shape) * data.BYTES_PER_ELEMENT, 0);
}

/**
 * Writes a checkpoint directory, which appears complete or not at all. The tensors must not change until the promise
 * settles.
 * @throws InputError naming the file and the reason; an earlier checkpoint at `path` then stays
 */
export async function writeCheckpoint(path: string, { step, tensors, state, best }: CheckpointContent): Promise<void> {
  await writeDirectoryAtomic(path, async (directory) => {
    const files: CheckpointState["files"] = {};
    for (const [part, content] of Object.entries(tensors)) {
      if (!PART.test(part)) throw new RangeError(`writeCheckpoint: the part name "${part}" does not match ${PART}`);
      files[part] = await writeSafetensors(join(directory, `${part}.safetensors`), content, { step: String(step) });
    }
    const body = { formatVersion: FORMAT_VERSION, step, ...(best && { best }), files, state };
    const sha256 = checksum(JSON.stringify(body));
    await writeFileAtomic(join(directory, STATE_FILE), `${JSON.stringify({ ...body, sha256 }, null, 2)}\n`);
  });
}

/**
 * Reads and checks the `state.json` of a checkpoint directory, without its tensors.
 * @throws DamagedCheckpoint, or InputError for a newer format or a file that may not be read
 */
export async function readState(path: string): Promise<CheckpointState> {
  const where = join(path, STATE_FILE);
  let text: string;
  try {
    text = await readFile(where, "utf8");
  } catch (error) {
    if (errorCode(error) === "ENOENT") throw new DamagedCheckpoint(path, `a ${STATE_FILE}`, "none");
    throw fileFault(error, where, "a file that can be read");
  }
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    throw new DamagedCheckpoint(where, "JSON", `${text.length} characters that are not`);
  }
  const { sha256, ...body } = (parsed ?? {}) as Record<string, unknown>;
  if (sha256 !== checksum(JSON.stringify(body))) {
    throw new DamagedCheckpoint(where, "the text that its checksum was made of", "a changed one");
  }
  if (typeof body.formatVersion === "number" && body.formatVersion > FORMAT_VERSION) {
    throw new InputError({
      where,
      expected: `format version ${FORMAT_VERSION} or older`,
      found: `version ${body.formatVersion}`,
      fix: "A newer mask-jepa wrote it: update this one.",
    });
  }
  const state = stateSchema.safeParse(body);
  if (!state.success) throw new DamagedCheckpoint(where, "a checkpoint's state", z.prettifyError(state.error));
  return state.data;
}

/** The files that `state.json` names, and no other tensors, with the lengths that it gives. */
async function checkFiles(path: string, { files }: CheckpointState): Promise<void> {
  for (const [part, { bytes }] of Object.entries(files)) {
    const file = join(path, `${part}.safetensors`);
    const found = await stat(file).catch((error) => {
      if (errorCode(error) === "ENOENT") throw new DamagedCheckpoint(file, "a file", "none");
      throw fileFault(error, file, "a file that can be read");
    });
    if (found.size !== bytes) throw new DamagedCheckpoint(file, `${bytes} bytes`, `${found.size}`);
  }
  const extra = (await readdir(path)).find(
    (name) => /\.safetensors$/.test(name) && !Object.hasOwn(files, name.slice(0, -12)),
  );
  if (extra) throw new DamagedCheckpoint(join(path, extra), `a file that ${STATE_FILE} names`, "one that it does not");
}

/** Length and checksum of a part's file. @throws InputError for a part that the checkpoint never had */
function partIn({ files }: CheckpointState, part: string, path: string): CheckpointState["files"][string] {
  if (Object.hasOwn(files, part)) return files[part];
  const found = Object.keys(files).join(", ");
  throw new InputError({ where: path, expected: `a checkpoint with the part "${part}"`, found });
}

/** Shapes of a part's tensors, without their values. @throws InputError for a part that the checkpoint never had */
export async function readPartShapes(path: string, part: string): Promise<ReadonlyMap<string, Shape>> {
  partIn(await readState(path), part, path);
  const file = await openSafetensors(join(path, `${part}.safetensors`));
  await file.close();
  return file.shapes;
}

/**
 * Reads a checkpoint directory and compares every part with its checksum.
 * @param only the parts to read; all if absent
 * @throws DamagedCheckpoint, or InputError as `readState` does and for a part that the checkpoint never had
 */
export async function readCheckpoint(path: string, only?: readonly string[]): Promise<Checkpoint> {
  const saved = await readState(path);
  await checkFiles(path, saved);
  const tensors: Checkpoint["tensors"] = {};
  for (const part of only ?? Object.keys(saved.files)) {
    const digest = partIn(saved, part, path);
    const file = join(path, `${part}.safetensors`);
    const hash = createHash("sha256");
    const reading = readSafetensors(file, hash);
    // Of a file that cannot be read as such the checksum says more.
    const whole = async () => (await digestFile(file)).sha256;
    const sha256 = await reading.then(() => hash.digest("hex"), whole);
    if (sha256 !== digest.sha256)
      throw new DamagedCheckpoint(file, `checksum ${digest.sha256.slice(0, 12)}`, sha256.slice(0, 12));
    tensors[part] = await reading;
  }
  const { step, state, best } = saved;
  return { path, step, tensors, state, ...(best && { best }) };
}
