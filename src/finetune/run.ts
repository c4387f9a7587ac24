/** @file A fine-tuning run from the first step, or the last checkpoint, to the end. */

import { availableParallelism } from "node:os";
import { checkpointBytes } from "../checkpoint/checkpoint.js";
import { bestCheckpoint, saveCheckpoint } from "../checkpoint/run-state.js";
import { type Reporter, SILENT } from "../core/reporter.js";
import { badFileOf } from "../data/datasets/data-fault.js";
import { createLabelledLoader, type LabelledBatch } from "../data/labelled-loader.js";
import { familyOf } from "../families/families.js";
import { requireSpace } from "../io/atomic-file.js";
import { printEstimates } from "../run/dry-run.js";
import { requireMemory } from "../run/machine-memory.js";
import { stepsOf } from "../run/optim-settings.js";
import { type ResumePoint, resumePoint } from "../run/resume-point.js";
import { inRunDirectory, type RunDirectory, type Start } from "../run/run-directory.js";
import { continued, warmupStepsOf } from "../run/run-length.js";
import {
  announceEnd,
  announcePreparation,
  type LoopOutcome,
  runTrainingLoop,
  type Score,
} from "../run/training-loop.js";
import { createRuntime } from "../runtime/create-runtime.js";
import { modelState } from "../weights/model-description.js";
import { createFinetuner, describeModel, segmentationOptions, trainingView } from "./composition.js";
import { planFinetuning } from "./dry-run.js";
import type { StepReport } from "./finetuner.js";
import { fittedTo } from "./segmentation.js";
import { type FinetuneSettings, stepSizeOf } from "./settings.js";
import { toYaml } from "./settings-resolution.js";
import { identityOf, openTrainingData, type TrainingData } from "./training-data.js";
import { Validation } from "./validation.js";

export interface FinetuneOptions {
  settings: FinetuneSettings;
  /** Folder of the run. */
  out: string;
  start: Start;
  /** Print what would run, and stop. */
  dryRun?: boolean;
  reporter?: Reporter;
}

/**
 * Fine-tunes Mask2Former. Ctrl-C finishes the step, saves and returns.
 * @throws InputError for bad input, and when a loss or gradient is not finite (the state before that step is saved)
 */
export async function runFinetuning(options: FinetuneOptions): Promise<LoopOutcome> {
  const { out, start, dryRun, reporter = SILENT } = options;
  requireMemory("finetune", stepSizeOf(options.settings));
  const data = await openTrainingData(options.settings, reporter);
  const settings = { ...options.settings, data: { ...options.settings.data, task: data.task } };
  if (dryRun) {
    const { length, classes } = data.train;
    const print = (text: string) => reporter.say(text);
    print(toYaml(settings));
    const planned = await fittedTo(segmentationOptions(settings, classes.length), classes);
    const plan = planFinetuning(planned, settings.optim, settings.run.batch);
    await printEstimates(plan, { ...settings.run, steps: stepsOf(settings.run, length) }, print);
    return { step: 0, steps: 0, interrupted: false };
  }
  return inRunDirectory(out, start, async (directory) => {
    const resumed =
      start === "resume"
        ? await resumePoint(out, data.train, { images: identityOf(data.train), what: "images and classes", reporter })
        : undefined;
    return train({ settings, out, directory, data, resumed, reporter });
  });
}

/**
 * The settings with the step whose weights the run started from, so that it stays known and a resumed run finds it
 * again.
 */
const withStep = (settings: FinetuneSettings, step: number | undefined): FinetuneSettings =>
  step === undefined ? settings : { ...settings, from: { ...settings.from, step } };

interface Training {
  settings: FinetuneSettings;
  out: string;
  directory: RunDirectory;
  data: TrainingData;
  resumed: ResumePoint | undefined;
  reporter: Reporter;
}

async function train(training: Training): Promise<LoopOutcome> {
  const { out, data: opened, resumed: before, reporter } = training;
  const { train: source, val } = opened;
  const { run, data } = training.settings;
  const steps = stepsOf(run, source.length);
  const settings = continued(training.settings, { out, command: "finetune", before, steps, reporter });
  const model = { ...describeModel(settings, source), whiteLevel: source.white?.value };
  const runtime = await createRuntime({ device: run.device, cores: run.cores || availableParallelism() });
  const aim = familyOf(settings.model).training?.aim?.(opened.task);
  if (aim) reporter.say(aim);
  announcePreparation(runtime, reporter);
  let from: number | undefined;
  const finetuner = await createFinetuner(runtime, settings, {
    classes: source.classes,
    steps,
    state: before?.state,
    onStart: ({ source }) => {
      from = source?.step;
    },
    reporter,
  });
  const images = identityOf(source);
  const checkpointed = async () => {
    const state = await finetuner.state();
    return { model: state.model, optimizer: state.optimizer };
  };
  const save = async (step: number, best?: Score) => {
    const warmupSteps = warmupStepsOf(settings.optim.warmup, steps);
    const state = modelState(model, { steps, warmupSteps, images, imageCount: source.length });
    await saveCheckpoint(out, {
      step,
      keep: run.keep,
      tensors: await checkpointed(),
      state,
      ...(best && { best }),
    });
  };
  await training.directory.begin(toYaml(withStep(settings, from)));
  await requireSpace(out, (run.keep + 2) * checkpointBytes(await checkpointed()));
  const validation = val && (await Validation.create(runtime, model, finetuner.weights, { source: val, reporter }));
  const outcome = await runTrainingLoop({
    out,
    command: "finetune",
    first: before?.step ?? 0,
    steps,
    logEvery: run.logEvery,
    checkpointEvery: run.checkpointEvery,
    loader: createLabelledLoader({
      source,
      seed: run.seed,
      batch: run.batch,
      view: trainingView(settings),
      keepEmpty: data.keepEmpty,
    }),
    faults: source.faults.map(badFileOf),
    step: async (step, batch: LabelledBatch) => {
      const report = await finetuner.step(step, batch.images, batch.targets);
      return { losses: shown(report), metrics: metricsOf(report) };
    },
    measure: async (step) => {
      const last = step === steps;
      const due = last || (run.evaluateEvery > 0 && step % run.evaluateEvery === 0);
      if (!validation || !due) return undefined;
      return validation.measure(step, last ? 0 : run.evaluateImages);
    },
    save,
    evaluates: validation !== undefined,
    reporter,
  });
  await validation?.dispose();
  finetuner.dispose();
  runtime.dispose();
  announceEnd(outcome, { command: "finetune", out, reporter });
  if (!outcome.interrupted && val) {
    const root = data.root === null ? "" : ` --data-root ${data.root}`;
    const split = data.valSplit === "val" ? "" : ` --split ${data.valSplit}`;
    reporter.say(`Best checkpoint: ${await bestCheckpoint(out)}`);
    reporter.say(`Pictures and tables: mask-jepa evaluate --data ${data.path}${root}${split} --checkpoint ${out}`);
  }
  return outcome;
}

/** The losses of the last output, for the live line. */
function shown({ losses }: StepReport): Record<string, number> {
  const { loss, loss_ce, ...others } = losses;
  const ofAnswer = Object.entries(others).flatMap(([name, value]) => {
    const [, what] = /^loss_([a-z]+)$/.exec(name) ?? [];
    return what ? [[what, value]] : [];
  });
  return { loss, class: loss_ce, ...Object.fromEntries(ofAnswer) };
}

function metricsOf({ losses, gradientNorm, learningRate }: StepReport): Record<string, number> {
  return { ...losses, "gradient-norm": gradientNorm, "learning-rate": learningRate };
}
