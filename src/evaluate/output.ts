/** @file The files of an evaluation: where they go, and what JSON holds. */

import { readFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { InputError } from "../core/errors.js";
import { exists, removeStaleTemporaries, writeFileAtomic } from "../io/atomic-file.js";
import { makeFolder } from "../io/folder.js";
import { manifest } from "../io/manifest.js";
import type { InferenceSettings } from "../weights/model-description.js";
import type { EvaluatedData, EvaluatedRun } from "./page.js";

const EVALUATION_FILES = { json: "evaluation.json", page: "evaluation.html" } as const;

/** Says whose file it is. */
const KIND = "mask-jepa evaluation";
const FORMAT_VERSION = 1;

/** The folder of the run that a path names: itself, or the run that one of its checkpoints belongs to. */
export function runFolder(checkpoint: string): string {
  const path = resolve(checkpoint);
  return basename(dirname(path)) === "checkpoints" ? dirname(dirname(path)) : path;
}

/**
 * `RUN/evaluation-val`, or of two runs `RUN/evaluation-val-and-OTHER`; of weights of other origin `evaluation-NAME-val`
 * in the current folder.
 */
export function defaultOutput(checkpoints: readonly string[], split: string, ofRun = true): string {
  const [first, other] = checkpoints;
  const suffix = other === undefined ? "" : `-and-${basename(resolve(other))}`;
  const prefix = ofRun ? "" : `${basename(resolve(first))}-`;
  const name = `evaluation-${prefix}${split}${suffix}`.replace(/[^\p{L}\p{N}._-]+/gu, "_");
  return ofRun ? join(runFolder(first), name) : name;
}

/**
 * Makes the folder, before any work is done. An earlier evaluation in it will be replaced, other files stay.
 * @throws InputError when it cannot be made, or holds files of these names that are no evaluation
 */
export async function prepareOutput(out: string): Promise<void> {
  await makeFolder(out);
  await removeStaleTemporaries(out);
  const present: string[] = [];
  for (const name of Object.values(EVALUATION_FILES)) if (await exists(join(out, name))) present.push(name);
  if (present.length === 0 || (await isEvaluation(join(out, EVALUATION_FILES.json)))) return;
  throw new InputError({
    where: out,
    expected: "a folder without files of an evaluation's names, or with an earlier evaluation",
    found: `${present.join(" and ")} of another origin`,
    fix: "Choose another folder with --out.",
  });
}

async function isEvaluation(path: string): Promise<boolean> {
  try {
    return (JSON.parse(await readFile(path, "utf8")) as { kind?: unknown } | null)?.kind === KIND;
  } catch {
    return false;
  }
}

/** What was evaluated, as JSON and as a page. */
export interface EvaluationFiles {
  readonly data: EvaluatedData;
  readonly runs: readonly (EvaluatedRun & { readonly inference: InferenceSettings })[];
  readonly page: string;
}

/** Writes both files; returns their paths. */
export async function writeEvaluation(
  out: string,
  { data, runs, page }: EvaluationFiles,
): Promise<{ json: string; page: string }> {
  const models = runs.map(({ checkpoint, step, inference, evaluation }) => ({
    checkpoint,
    step,
    inference,
    ...evaluation,
  }));
  const [{ evaluation }] = runs;
  const counts = { images: evaluation.images.length, unusable: evaluation.skipped.length, splitImages: data.images };
  const content = {
    kind: KIND,
    formatVersion: FORMAT_VERSION,
    version: manifest().version,
    data: { ...data, ...counts },
    models,
  };
  const paths = { json: join(out, EVALUATION_FILES.json), page: join(out, EVALUATION_FILES.page) };
  await writeFileAtomic(paths.json, `${JSON.stringify(content, null, 2)}\n`);
  await writeFileAtomic(paths.page, page);
  return paths;
}
