/** @file A pretraining run from the first step, or the last checkpoint, to the end. */

import { createHash } from "node:crypto";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { checkpointBytes } from "../checkpoint/checkpoint.js";
import { loadCheckpoint, saveCheckpoint } from "../checkpoint/run-state.js";
import { InputError } from "../core/errors.js";
import { randomResizedCrop } from "../data/augment.js";
import { type Batch, createLoader } from "../data/loader.js";
import { folderSource, type ImageSource, subsetOf } from "../data/source.js";
import { requireSpace, writeFileAtomic } from "../io/atomic-file.js";
import { createRuntime } from "../runtime/create-runtime.js";
import type { LearnerState } from "../train/learner.js";
import { NonFiniteError } from "../train/non-finite.js";
import { printDryRun } from "./dry-run.js";
import { HeldOut, type HeldOutQuality, heldOutIndices } from "./held-out.js";
import { usableCrops } from "./image-crops.js";
import { collapseWarnings } from "./monitors.js";
import { Pretrainer, type StepReport } from "./pretrainer.js";
import { writeRunReport } from "./report.js";
import { hasCheckpoint, openRunDirectory, RUN_FILES, type Start } from "./run-directory.js";
import { RunLog } from "./run-log.js";
import type { PretrainSettings } from "./settings.js";
import { toYaml } from "./settings-resolution.js";
import { listenForStop } from "./stop-request.js";

export interface PretrainOptions {
  settings: PretrainSettings;
  /** Folder of the run. */
  out: string;
  start: Start;
  /** Print what would run, and stop. */
  dryRun?: boolean;
}

export interface PretrainOutcome {
  /** Finished steps. */
  step: number;
  steps: number;
  /** Whether a signal ended the run before its last step. */
  interrupted: boolean;
}

/** Steps of the whole run, from its length in steps or in epochs. */
export function stepsOf({ run }: PretrainSettings, images: number): number {
  return run.steps ?? Math.max(1, Math.round(((run.epochs as number) * images) / run.batch));
}

/** Identifies the images by their names and order: a resumed run must see the same. */
function fingerprint(source: ImageSource): string {
  const hash = createHash("sha256");
  for (let i = 0; i < source.length; i++) hash.update(`${source.name(i)}\n`);
  return hash.digest("hex");
}

/**
 * Runs Mask-JEPA pretraining. Ctrl-C finishes the step, saves and returns.
 * @throws InputError for bad input, and when a loss or gradient is not finite (the state before that step is saved)
 */
export async function runPretraining({ settings, out, start, dryRun }: PretrainOptions): Promise<PretrainOutcome> {
  if (dryRun) {
    await printDryRun(settings);
    return { step: 0, steps: 0, interrupted: false };
  }
  const all = await folderSource(settings.data.images);
  const held = new Set(heldOutIndices(settings.run.seed, settings.data.heldOut, all.length));
  const training = Array.from({ length: all.length }, (_, i) => i).filter((i) => !held.has(i));
  const source = subsetOf(all, training);
  const release = await openRunDirectory(out, start);
  try {
    const resumed = start === "resume" ? await resumePoint(out, all) : undefined;
    if (start !== "resume") await writeFileAtomic(join(out, RUN_FILES.settings), toYaml(settings));
    return await train({ settings, out, all, source, held: [...held], resumed });
  } finally {
    release();
  }
}

interface ResumePoint {
  step: number;
  state: LearnerState;
}

/** Undefined when the run ended before its first checkpoint: it begins again. */
async function resumePoint(out: string, source: ImageSource): Promise<ResumePoint | undefined> {
  if (!(await hasCheckpoint(out))) return undefined;
  const { step, tensors, state } = await loadCheckpoint(out);
  if (state.images !== fingerprint(source)) {
    throw new InputError({
      where: `--resume ${out}`,
      expected: `the ${state.imageCount} images that the run began with, under the same names`,
      found: `${source.length} images, not all the same`,
      fix: "Restore the folder, or start a new run.",
    });
  }
  return { step, state: tensors as unknown as LearnerState };
}

interface Training {
  settings: PretrainSettings;
  out: string;
  all: ImageSource & { faults: Parameters<RunLog["skip"]>[1] };
  source: ImageSource;
  held: readonly number[];
  resumed?: ResumePoint;
}

async function train({ settings, out, all, source, held, resumed }: Training): Promise<PretrainOutcome> {
  const { run, data } = settings;
  const steps = stepsOf(settings, source.length);
  const runtime = await createRuntime({ device: run.device, cores: run.cores || availableParallelism() });
  const pretrainer = await Pretrainer.create(runtime, settings, steps, resumed?.state);
  const first = resumed?.step ?? 0;
  const images = fingerprint(all);
  const save = async (step: number, quality?: HeldOutQuality) => {
    const explained =
      quality?.reconstruction === undefined ? undefined : 1 - quality.reconstruction / quality.meanError;
    await saveCheckpoint(out, {
      step,
      keep: run.keep,
      tensors: { ...(await pretrainer.state()) },
      state: { kind: "mask-jepa pretraining", steps, images, imageCount: all.length },
      ...(explained !== undefined && {
        best: { metric: "held-out explained variance", value: explained, goal: "max" },
      }),
    });
  };
  await requireSpace(out, (run.keep + 2) * checkpointBytes({ ...(await pretrainer.state()) }));
  const log = new RunLog(out, { lastStep: first, total: steps, logEvery: run.logEvery });
  const stop = listenForStop((signal) => log.line.print(`${signal}: stopping after this step (again to quit at once)`));
  const view = randomResizedCrop({ scale: data.cropScale, flip: data.flip });
  const loader = createLoader({ source, seed: run.seed, batch: run.batch, size: data.size, view });
  const { images: unseen, skipped } = await usableCrops(all, held, data.size, held.length);
  const crops = unseen.map(({ crop }) => crop);
  const evaluation =
    crops.length > 0 ? await HeldOut.create(runtime, settings, (await pretrainer.state()).model) : undefined;
  log.skip(first, [...all.faults, ...skipped]);
  let step = first;
  let warned = "";
  try {
    while (step < steps && !stop.requested) {
      const started = performance.now();
      const batch = await loader.load(step);
      const loaded = performance.now();
      const monitored = (step + 1) % run.monitorEvery === 0 || step === 0 || step + 1 === steps;
      const report = await stepOrFail(pretrainer, { step, batch, monitored, out, save });
      batch.release();
      step++;
      const heldOut = monitored ? await evaluation?.evaluate(crops, pretrainer.stepWeights) : undefined;
      // Earlier, the next step would find out, and name its images.
      if (step === steps && heldOut && !Number.isFinite(heldOut.meanError)) {
        throw new InputError({
          where: `step ${step}`,
          expected: "finite features of the held-out images",
          found: "NaN or infinite ones: the last update has diverged",
          fix: `Resume from the last checkpoint in ${out}, or start again with a smaller optim.lr.`,
        });
      }
      const finished = performance.now();
      log.step({
        step,
        report,
        heldOut,
        images: run.batch,
        seconds: (finished - started) / 1000,
        waitSeconds: (loaded - started) / 1000,
        skipped: batch.skipped,
      });
      const warnings = report.monitors ? collapseWarnings(report.monitors, run.collapse).join("\n") : warned;
      if (warnings !== warned && warnings) log.line.print(`Warning: ${warnings}`);
      warned = warnings;
      if (step % run.checkpointEvery === 0 || step === steps || stop.requested) await save(step, heldOut);
    }
  } finally {
    stop.dispose();
    log.close();
    await loader.dispose();
  }
  const interrupted = step < steps;
  if (!interrupted) await writeRunReport({ out, settings, runtime, source: all, held, pretrainer, evaluation });
  evaluation?.dispose();
  pretrainer.dispose();
  runtime.dispose();
  if (log.skippedCount > 0) {
    console.log(`${log.skippedCount} images could not be used; they are listed in ${join(out, RUN_FILES.skipped)}.`);
  }
  console.log(interrupted ? `Stopped at step ${step}. Go on with: mask-jepa pretrain --resume ${out}` : `Done: ${out}`);
  return { step, steps, interrupted };
}

interface Attempt {
  step: number;
  batch: Batch;
  monitored: boolean;
  out: string;
  save: (step: number) => Promise<void>;
}

/** A step; when it is not finite, saves the state before it and what the batch was, and says so. */
async function stepOrFail(pretrainer: Pretrainer, { step, batch, monitored, out, save }: Attempt): Promise<StepReport> {
  try {
    return await pretrainer.step(step, batch.images, monitored);
  } catch (error) {
    if (!(error instanceof NonFiniteError)) throw error;
    await save(step);
    const failure = { step: step + 1, what: error.what, files: batch.names };
    await writeFileAtomic(join(out, RUN_FILES.failure), `${JSON.stringify(failure, null, 2)}\n`);
    throw new InputError({
      where: `step ${step + 1}`,
      expected: "finite losses and gradients",
      found: `${error.what}; the images were ${batch.names.join(", ")}`,
      fix: `The state before the step is saved in ${out}, the images are listed in ${RUN_FILES.failure}. Try a smaller optim.lr.`,
    });
  }
}
