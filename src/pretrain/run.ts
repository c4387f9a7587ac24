/** @file A pretraining run from the first step, or the last checkpoint, to the end. */

import { availableParallelism } from "node:os";
import { checkpointBytes } from "../checkpoint/checkpoint.js";
import { bestCheckpoint, saveCheckpoint } from "../checkpoint/run-state.js";
import { InputError } from "../core/errors.js";
import { range } from "../core/range.js";
import { type Reporter, SILENT } from "../core/reporter.js";
import { plural } from "../core/text.js";
import { randomResizedCrop } from "../data/augment.js";
import { type FolderSource, folderSource } from "../data/files/folder-source.js";
import { warnOfOddRanges } from "../data/files/sample-ranges.js";
import { type Batch, createLoader } from "../data/loader.js";
import { type ImageSource, subsetOf } from "../data/source.js";
import { requireSpace } from "../io/atomic-file.js";
import { printEstimates } from "../run/dry-run.js";
import { requireMemory } from "../run/machine-memory.js";
import { stepsOf } from "../run/optim-settings.js";
import { fingerprint, type ResumePoint, resumePoint } from "../run/resume-point.js";
import { inRunDirectory, type RunDirectory, type Start } from "../run/run-directory.js";
import { continued, warmupStepsOf } from "../run/run-length.js";
import { loggedMetrics } from "../run/run-log.js";
import {
  announceEnd,
  announcePreparation,
  type LoopOutcome,
  runTrainingLoop,
  type Score,
} from "../run/training-loop.js";
import type { Runtime } from "../runtime/contract.js";
import { createRuntime } from "../runtime/create-runtime.js";
import type { StepRecord } from "../viz/metric-curves.js";
import type { Report } from "../viz/report.js";
import { alarmText, CollapseWatch } from "./alarms.js";
import { createPretrainer, dryRunOptions, heldOutOptions, stepOptions } from "./composition.js";
import { planPretraining } from "./dry-run.js";
import { HeldOut, type HeldOutQuality, heldOutIndices } from "./held-out.js";
import { usableCrops } from "./image-crops.js";
import { averageDecay } from "./method.js";
import type { Pretrainer, StepReport } from "./pretrainer.js";
import { openProbeData, type ProbeData } from "./probe-data.js";
import { bestProbe, ProbeMonitor } from "./probe-monitor.js";
import { Probing } from "./probing.js";
import { writeRunReport } from "./report.js";
import { type PretrainSettings, stepSizeOf, whiteOf } from "./settings.js";
import { toYaml } from "./settings-resolution.js";
import { PRETRAINING } from "./starting-weights.js";

export interface PretrainOptions {
  settings: PretrainSettings;
  /** Folder of the run. */
  out: string;
  start: Start;
  /** Print what would run, and stop. */
  dryRun?: boolean;
  reporter?: Reporter;
}

export interface PretrainOutcome extends LoopOutcome {
  /** What the page of a run that has ended shows. */
  report?: Report;
}

/**
 * Runs Mask-JEPA pretraining. Ctrl-C finishes the step, saves and returns.
 * @throws InputError for bad input, and when a loss or gradient is not finite (the state before that step is saved)
 */
export async function runPretraining(options: PretrainOptions): Promise<PretrainOutcome> {
  const { settings, out, start, dryRun, reporter = SILENT } = options;
  if (dryRun) {
    const print = (text: string) => reporter.say(text);
    print(toYaml(settings));
    const steps = await plannedSteps(settings);
    await printEstimates(planPretraining(dryRunOptions(settings)), { ...settings.run, steps }, print);
    return { step: 0, steps: 0, interrupted: false };
  }
  requireMemory("pretrain", stepSizeOf(settings));
  const all = await folderSource(settings.data.images, { white: whiteOf(settings) });
  const held = new Set(heldOutIndices(settings.run.seed, settings.data.heldOut, all.length));
  const training = range(all.length).filter((i) => !held.has(i));
  const source = subsetOf(all, training);
  const kept = held.size > 0 ? `, ${held.size} more held out` : "";
  reporter.say(`Training on ${plural(source.length, "image")} of ${settings.data.images.join(", ")}${kept}`);
  return inRunDirectory(out, start, async (directory) => {
    const images = fingerprint(all);
    const resumed = start === "resume" ? await resumePoint(out, all, { images, reporter }) : undefined;
    return train({ settings, out, directory, all, images, source, held: [...held], resumed, reporter });
  });
}

/** The length of a run that was not started; null where it depends on images that are not there. */
async function plannedSteps({ run, data }: PretrainSettings): Promise<number | null> {
  if (run.steps !== null || data.images.length === 0) return run.steps;
  const { length } = await folderSource(data.images);
  return stepsOf(run, length - heldOutIndices(run.seed, data.heldOut, length).length);
}

/** Steps between looks at the features, at most: a collapse is a matter of some hundred. */
const WATCH_EVERY = 25;

interface Training {
  settings: PretrainSettings;
  out: string;
  directory: RunDirectory;
  all: FolderSource;
  /** The fingerprint of them. */
  images: string;
  source: ImageSource;
  held: readonly number[];
  resumed?: ResumePoint;
  reporter: Reporter;
}

async function train(training: Training): Promise<PretrainOutcome> {
  const { out, all, images, source, held, resumed: before, reporter } = training;
  const { run, data, pretrain } = training.settings;
  const steps = stepsOf(run, source.length);
  const average = { start: pretrain.emaStart, end: pretrain.emaEnd };
  const decay = {
    name: "tau (pretrain.emaStart to pretrain.emaEnd)",
    at: (step: number, of: number) => averageDecay(step, of, average),
  };
  const options = { out, command: "pretrain", before, steps, others: [decay], reporter };
  const settings = continued(training.settings, options);
  const probeData = await probeDataOf(settings);
  for (const { file, reason } of probeData?.faults ?? []) reporter.say(`Skipped ${file}: ${reason}`);
  const runtime = await createRuntime({ device: run.device, cores: run.cores || availableParallelism() });
  announcePreparation(runtime, reporter);
  const pretrainer = await createPretrainer(runtime, settings, { steps, state: before?.state, reporter });
  const save = async (step: number, best?: Score) => {
    const tensors = { ...(await pretrainer.state()) };
    const warmupSteps = warmupStepsOf(settings.optim.warmup, steps);
    const state = { kind: PRETRAINING, steps, warmupSteps, images, imageCount: all.length };
    await saveCheckpoint(out, { step, keep: run.keep, tensors, state, ...(best && { best }) });
  };
  await training.directory.begin(toYaml(settings));
  await warnOfOddRanges(all, reporter);
  await requireSpace(out, (run.keep + 2) * checkpointBytes({ ...(await pretrainer.state()) }));
  const { images: unseen, skipped } = await usableCrops(all, held, data.size, held.length);
  const crops = unseen.map(({ crop }) => crop);
  const evaluation =
    crops.length > 0
      ? await HeldOut.create(runtime, heldOutOptions(settings), (await pretrainer.state()).model)
      : undefined;
  const view = randomResizedCrop({ scale: data.cropScale, flip: data.flip });
  const evaluated = (finished: number) => finished % run.monitorEvery === 0 || finished === 1 || finished === steps;
  const monitored = (finished: number) => evaluated(finished) || finished % WATCH_EVERY === 0;
  const logged = loggedMetrics(out, before?.step ?? 0);
  const watch = new CollapseWatch(run.collapse, logged);
  const probing = probeData && createProbing(runtime, settings, pretrainer, { ...probeData, steps, logged });
  const outcome = await runTrainingLoop({
    out,
    command: "pretrain",
    first: before?.step ?? 0,
    steps,
    logEvery: run.logEvery,
    checkpointEvery: run.checkpointEvery,
    loader: createLoader({ source, seed: run.seed, batch: run.batch, size: data.size, view }),
    faults: [...all.faults, ...skipped],
    step: async (step, batch: Batch) => {
      const report = await pretrainer.step(step, batch.images, monitored(step + 1));
      return { losses: report.losses, metrics: metricsOf(report), report };
    },
    measure: async (step, { report, metrics }) => {
      const probed = probing?.isDue(step) ? await probing.measure(step) : undefined;
      if (!report.monitors) return probed;
      const heldOut = evaluated(step) ? await evaluation?.evaluate(crops, pretrainer.weights) : undefined;
      if (step === steps && heldOut) requireFinite(heldOut, step, out);
      const warnings = watch.add({ step, ...metrics }).map((alarm) => alarmText(alarm));
      const found = { warnings, ...(!probing && scoreOf(heldOut)), ...probed };
      return { ...found, metrics: { ...heldOutMetrics(heldOut), ...probed?.metrics } };
    },
    save,
    evaluates: evaluation !== undefined || probing !== undefined,
    reporter,
  });
  if (!outcome.interrupted) reporter.say("Writing the report");
  const report = outcome.interrupted
    ? undefined
    : await writeRunReport({ out, settings, runtime, source: all, held, pretrainer, evaluation });
  if (probing) await announceBest(out, reporter);
  await probing?.dispose();
  evaluation?.dispose();
  pretrainer.dispose();
  runtime.dispose();
  announceEnd(outcome, { command: "pretrain", out, reporter });
  return { ...outcome, ...(report && { report }) };
}

/** Undefined where the run is not to be probed. @throws InputError */
async function probeDataOf({ probe, data: { size } }: PretrainSettings): Promise<ProbeData | undefined> {
  const { data, root, images } = probe;
  return data === null ? undefined : openProbeData({ data, root: root ?? undefined, images, side: size });
}

function createProbing(
  runtime: Runtime,
  { probe, ...settings }: PretrainSettings,
  pretrainer: Pretrainer,
  { train, test, steps, logged }: ProbeData & { readonly steps: number; readonly logged: readonly StepRecord[] },
): Probing {
  const { encoder, method } = stepOptions({ probe, ...settings });
  const maps = { encoder, featureStride: method.featureStride };
  const monitor = new ProbeMonitor(runtime, { maps, train, test }, pretrainer.weights.online);
  const images = { train: train.groups[0].indices.length, test: test.groups[0].indices.length };
  return new Probing(monitor, { steps, logged, images, every: probe.every });
}

/** Says where the checkpoint lies that the probe scored best. */
async function announceBest(out: string, reporter: Reporter): Promise<void> {
  const best = bestProbe(loggedMetrics(out));
  const path = await bestCheckpoint(out);
  if (!best || !path) return;
  reporter.say(`Best by the probe: step ${best.step}, mIoU ${best.miou.toFixed(1)} on ${best.map}: ${path}`);
}

/** Metrics of a step by their names in the log. */
function metricsOf({ losses, gradientNorm, learningRate, tau, cosine, monitors }: StepReport): Record<string, number> {
  return {
    ...losses,
    "gradient-norm": gradientNorm,
    "learning-rate": learningRate,
    tau,
    cosine,
    ...(monitors && {
      "target-std": monitors.targetStd,
      "effective-rank": monitors.effectiveRank,
      "mean-error": monitors.meanError,
      "last-rank": monitors.lastRank,
    }),
    ...(monitors?.explainedVariance !== undefined && { "explained-variance": monitors.explainedVariance }),
  };
}

function heldOutMetrics(quality: HeldOutQuality | undefined): Record<string, number> {
  if (!quality) return {};
  const { reconstruction, meanError } = quality;
  return {
    ...(reconstruction !== undefined && { "held-out-error": reconstruction }),
    "held-out-mean-error": meanError,
  };
}

/** The best checkpoint is the one that explains most of the held-out features. */
function scoreOf(quality: HeldOutQuality | undefined): { score?: Score } {
  if (quality?.reconstruction === undefined) return {};
  const value = 1 - quality.reconstruction / quality.meanError;
  return { score: { metric: "held-out explained variance", value, goal: "max" } };
}

/** Earlier, the next step would find out, and name its images. */
function requireFinite({ meanError }: HeldOutQuality, step: number, out: string): void {
  if (Number.isFinite(meanError)) return;
  throw new InputError({
    where: `step ${step}`,
    expected: "finite features of the held-out images",
    found: "NaN or infinite ones: the last update has diverged",
    fix: `Resume from the last checkpoint in ${out}, or start again with a smaller optim.lr.`,
  });
}
