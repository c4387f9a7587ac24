/** @file The checkpoints of a run: `RUN/checkpoints/step-00000120/`, the last few and the best. */

import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { InputError } from "../core/errors.js";
import { type Reporter, SILENT } from "../core/reporter.js";
import { asideOf, exists, removeDirectoryAtomic, removeStaleTemporaries, requireSpace } from "../io/atomic-file.js";
import { fileFault } from "../io/file-fault.js";
import { makeFolder } from "../io/folder.js";
import {
  type Checkpoint,
  type CheckpointContent,
  checkpointBytes,
  DamagedCheckpoint,
  readCheckpoint,
  readState,
  type Score,
  STATE_FILE,
  writeCheckpoint,
} from "./checkpoint.js";

export interface SaveOptions extends CheckpointContent {
  /** How many of the newest stay, at least the one just saved; the best one stays besides. */
  keep: number;
}

export interface LoadOptions {
  /** The parts to read, e.g. `["model"]`; all if absent. */
  parts?: readonly string[];
  /** Of a run, the checkpoint of this step alone. */
  step?: number;
  /** Is told which step is read, and warned of every checkpoint that is passed over because it is damaged. */
  reporter?: Reporter;
}

interface Listed {
  path: string;
  step: number;
}

function directoryOf(runDir: string): string {
  return join(runDir, "checkpoints");
}

function pathOf(runDir: string, step: number): string {
  return join(directoryOf(runDir), `step-${String(step).padStart(8, "0")}`);
}

/** Newest first; of one step, the one in place before the one that stands aside for it. */
async function listIn(directory: string): Promise<Listed[]> {
  let names: string[];
  try {
    names = await readdir(directory);
  } catch (error) {
    throw fileFault(error, directory, "a run directory");
  }
  return names
    .flatMap((name) => {
      const step = /^step-(\d+)(\.replaced)?$/.exec(name)?.[1];
      return step === undefined ? [] : [{ path: join(directory, name), step: Number(step) }];
    })
    .sort((a, b) => b.step - a.step || a.path.length - b.path.length);
}

/**
 * The complete checkpoints that carry a score comparable with the newest one's, best first; of equals the older first.
 */
async function ranked(listed: readonly Listed[]): Promise<Listed[]> {
  const scored: { entry: Listed; score: Score }[] = [];
  for (const entry of listed) {
    const score = await readState(entry.path).then(
      ({ best }) => best,
      () => undefined, // one that does not load is never the best
    );
    if (score && score.metric === (scored[0]?.score ?? score).metric) scored.push({ entry, score });
  }
  const sign = scored[0]?.score.goal === "max" ? -1 : 1;
  return scored
    .sort((a, b) => sign * (a.score.value - b.score.value) || a.entry.step - b.entry.step)
    .map(({ entry }) => entry);
}

/**
 * Of the checkpoints up to `step`, keeps the newest `keep` and the best. What goes: older ones, one that still stands
 * aside for its successor, and later ones, which belong to a past that the run was resumed from the middle of.
 */
async function prune(runDir: string, step: number, keep: number): Promise<void> {
  const listed = await listIn(directoryOf(runDir));
  const current = listed.filter((entry, i) => entry.step <= step && entry.step !== listed[i - 1]?.step);
  const [best] = await ranked(current);
  const kept = new Set([...current.slice(0, Math.max(1, keep)), best]);
  for (const entry of listed) if (!kept.has(entry)) await removeDirectoryAtomic(entry.path);
}

/**
 * Saves a checkpoint of a run, then removes those that need not stay: the run is at `step` now, so later ones go too.
 * Killed at any moment, the run holds this checkpoint or the one before. A score that is not finite is not recorded.
 * @returns the checkpoint's directory
 * @throws InputError when there is no space or no permission; what was there then stays
 */
export async function saveCheckpoint(runDir: string, { keep, best, ...content }: SaveOptions): Promise<string> {
  const directory = directoryOf(runDir);
  const path = pathOf(runDir, content.step);
  await makeFolder(directory);
  await removeStaleTemporaries(directory);
  await requireSpace(directory, checkpointBytes(content.tensors));
  await writeCheckpoint(path, { ...content, ...(best && Number.isFinite(best.value) && { best }) });
  await prune(runDir, content.step, keep);
  return path;
}

/**
 * Removes what killed processes left in a run's folder: half-written files, and checkpoints that stand aside for whole
 * ones.
 */
export async function removeLeftovers(runDir: string): Promise<void> {
  await removeStaleTemporaries(runDir);
  const directory = directoryOf(runDir);
  if (!(await exists(directory))) return;
  await removeStaleTemporaries(directory);
  for (const { path } of await listIn(directory)) {
    const aside = asideOf(path);
    if (await exists(aside)) await removeDirectoryAtomic(aside);
  }
}

/** The checkpoints that a path may mean, the preferred first. Throws `InputError` when there is none. */
async function candidates(path: string, step: number | undefined): Promise<Listed[]> {
  const refused = (expected: string, found: string) => new InputError({ where: path, expected, found });
  if (await exists(join(path, STATE_FILE))) {
    const itself = { path, step: (await readState(path)).step };
    if (step === undefined || step === itself.step) return [itself];
    throw refused(`the checkpoint of step ${step}`, `that of step ${itself.step}`);
  }
  const inner = directoryOf(path);
  const all = await listIn((await exists(inner)) ? inner : path);
  if (all.length === 0) {
    throw refused("a run or checkpoint directory", `neither checkpoints nor a ${STATE_FILE}`);
  }
  const listed = all.filter((entry) => step === undefined || entry.step === step);
  if (listed.length > 0) return listed;
  throw refused(`the checkpoint of step ${step}`, `those of ${all.map((entry) => entry.step).join(", ")}`);
}

/**
 * Loads a checkpoint: that directory, or of a run directory the newest that is whole. The reporter is told its step,
 * and warned of damaged ones that are passed over.
 * @throws InputError when there is none, when a named one is damaged, and for a newer format
 */
export async function loadCheckpoint(
  path: string,
  { parts, step, reporter = SILENT }: LoadOptions = {},
): Promise<Checkpoint> {
  const listed = await candidates(path, step);
  for (const entry of listed) {
    reporter.say(`Loading step ${entry.step} of ${path}`);
    try {
      return await readCheckpoint(entry.path, parts);
    } catch (error) {
      // Only damage is passed over: what a newer version or another user owns is not to be overwritten by an older
      // state.
      if (!(error instanceof DamagedCheckpoint) || entry.path === path) throw error;
      reporter.warn(`Checkpoint skipped: ${error.message}`);
    }
  }
  throw new InputError({
    where: path,
    expected: "at least one whole checkpoint",
    found: `${listed.length}, all damaged`,
    fix: "Copy the run again, or start a new one.",
  });
}

/** The directory of the run's best checkpoint by the score it was saved with; undefined when none has one. */
export async function bestCheckpoint(runDir: string): Promise<string | undefined> {
  return (await ranked(await listIn(directoryOf(runDir))))[0]?.path;
}
