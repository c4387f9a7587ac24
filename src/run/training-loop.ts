/**
 * @file The steps of a run from the first one, or the last checkpoint, to the end: data, step, evaluation, log,
 * checkpoint.
 */

import { join } from "node:path";
import { InputError } from "../core/errors.js";
import type { Reporter } from "../core/reporter.js";
import { plural } from "../core/text.js";
import type { BadFile } from "../data/source.js";
import { writeFileAtomic } from "../io/atomic-file.js";
import type { Runtime } from "../runtime/contract.js";
import { NonFiniteError } from "../train/non-finite.js";
import { forecaster } from "./forecast.js";
import { RUN_FILES } from "./run-files.js";
import { RunLog } from "./run-log.js";
import { listenForStop } from "./stop-request.js";
import { watchZeroLosses } from "./zero-losses.js";

/** What a loop has to know of a batch. */
export interface NamedBatch {
  /** Name of the image in each slot. */
  readonly names: readonly string[];
  readonly skipped: readonly BadFile[];
  release(): void;
}

export interface BatchLoader<B extends NamedBatch> {
  load(step: number): Promise<B>;
  dispose(): Promise<void>;
}

/** Measured after a step: goes into the log, and with a score into the choice of the best checkpoint. */
export interface Measurement {
  readonly metrics: Readonly<Record<string, number>>;
  readonly score?: Score;
  /** Whether to save a checkpoint even when none is due. */
  readonly save?: boolean;
  /** For the reporter. */
  readonly messages?: readonly string[];
  /** For the reporter; while they stay the same they are told once. */
  readonly warnings?: readonly string[];
}

export interface Score {
  readonly metric: string;
  readonly value: number;
  readonly goal: "min" | "max";
}

/** What a step reports. */
export interface StepOutcome {
  /** For the reporter. */
  readonly losses: Readonly<Record<string, number>>;
  readonly metrics: Readonly<Record<string, number>>;
  /** Whether it is logged whatever logEvery says. */
  readonly always?: boolean;
}

export interface TrainingLoop<B extends NamedBatch, R extends StepOutcome> {
  /** Folder of the run. */
  readonly out: string;
  /** The command that goes on with the run: "pretrain" or "finetune". */
  readonly command: string;
  /** Finished steps at the start, and at the end. */
  readonly first: number;
  readonly steps: number;
  readonly logEvery: number;
  readonly checkpointEvery: number;
  readonly loader: BatchLoader<B>;
  /** Images that were found unusable before the first step. */
  readonly faults: readonly BadFile[];
  /** One update; `step` from 0. @throws NonFiniteError, with nothing updated */
  readonly step: (step: number, batch: B) => Promise<R>;
  /** Called after every step with the number of finished steps; undefined when nothing was to be measured. */
  readonly measure: (step: number, outcome: R) => Promise<Measurement | undefined>;
  readonly save: (step: number, score?: Score) => Promise<void>;
  /** Whether `measure` evaluates on some steps. */
  readonly evaluates: boolean;
  readonly reporter: Reporter;
}

export interface LoopOutcome {
  /** Finished steps. */
  readonly step: number;
  readonly steps: number;
  /** Whether a signal ended the run before its last step. */
  readonly interrupted: boolean;
}

/**
 * Takes the steps. Ctrl-C finishes the step, saves and returns.
 * @throws InputError for bad input, and when a loss or gradient is not finite (the state before that step is saved)
 */
export async function runTrainingLoop<B extends NamedBatch, R extends StepOutcome>(
  loop: TrainingLoop<B, R>,
): Promise<LoopOutcome> {
  const { out, first, steps, logEvery, checkpointEvery, loader, faults, reporter } = loop;
  const log = new RunLog(out, { lastStep: first, total: steps, logEvery, reporter });
  const stop = listenForStop((signal) => reporter.say(`${signal}: stopping after this step (again to quit at once)`));
  const zeroLosses = watchZeroLosses(steps - first);
  reporter.say(first === 0 ? `Taking ${plural(steps, "step")}` : `Going on after step ${first} of ${steps}`);
  const forecast = forecaster({ first, steps, evaluates: loop.evaluates });
  let step = first;
  let told = "";
  try {
    log.skip(first, faults);
    while (step < steps && !stop.requested) {
      const started = performance.now();
      const batch = await loader.load(step);
      const loaded = performance.now();
      const outcome = await stepOrFail(loop, step, batch);
      const finished = performance.now();
      batch.release();
      step++;
      const measured = await loop.measure(step, outcome);
      log.step({
        step,
        losses: outcome.losses,
        metrics: { ...outcome.metrics, ...measured?.metrics },
        always: outcome.always === true || measured !== undefined,
        images: batch.names.length,
        seconds: (finished - started) / 1000,
        waitSeconds: (loaded - started) / 1000,
        skipped: batch.skipped,
      });
      const end = forecast(step);
      if (end) reporter.say(end);
      const idle = zeroLosses(outcome.losses);
      if (idle) reporter.warn(idle);
      for (const message of measured?.messages ?? []) reporter.say(message);
      const warning = measured?.warnings?.join("\n") ?? told;
      if (warning !== told && warning) reporter.warn(warning);
      told = warning;
      const due = step % checkpointEvery === 0 || step === steps || stop.requested;
      if (due || measured?.save) await loop.save(step, measured?.score);
    }
  } finally {
    stop.dispose();
    log.close();
    await loader.dispose();
  }
  if (log.skippedCount > 0) {
    const unused = `${plural(log.skippedCount, "image")} could not be used`;
    reporter.say(`${unused}; listed in ${join(out, RUN_FILES.skipped)}.`);
  }
  return { step, steps, interrupted: step < steps };
}

/** How a run says what keeps it busy before its first step. */
export function announcePreparation({ device, cores }: Pick<Runtime, "device" | "cores">, reporter: Reporter): void {
  reporter.say(`Building and compiling the model for ${device === "cpu" ? plural(cores, "core") : device}`);
}

/** How a run says that it is over. */
export function announceEnd(
  { step, interrupted }: LoopOutcome,
  { command, out, reporter }: Pick<TrainingLoop<NamedBatch, StepOutcome>, "command" | "out" | "reporter">,
): void {
  const resume = `Stopped at step ${step}. Go on with: mask-jepa ${command} --resume ${out}`;
  reporter.say(interrupted ? resume : `Done: ${out}`);
}

/** A step; when it is not finite, saves the state before it and what the batch was, and says so. */
async function stepOrFail<B extends NamedBatch, R extends StepOutcome>(
  { out, step: take, save }: TrainingLoop<B, R>,
  step: number,
  batch: B,
): Promise<R> {
  try {
    return await take(step, batch);
  } catch (error) {
    if (!(error instanceof NonFiniteError)) throw error;
    await save(step);
    const files = error.image === undefined ? batch.names : [batch.names[error.image]];
    const failure = { step: step + 1, what: error.what, files };
    await writeFileAtomic(join(out, RUN_FILES.failure), `${JSON.stringify(failure, null, 2)}\n`);
    const images = files.length === 1 ? `the image was ${files[0]}` : `the images were ${files.join(", ")}`;
    throw new InputError({
      where: `step ${step + 1}`,
      expected: "finite losses and gradients",
      found: `${error.what}; ${images}`,
      fix:
        `The state before the step is saved in ${out}, the images are listed in ${RUN_FILES.failure}. Try a ` +
        "smaller optim.lr.",
    });
  }
}
