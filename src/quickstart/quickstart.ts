/**
 * @file The first thing to try: generated scenes, a short pretraining, fine-tuning with and without it, and one report.
 */

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { formatDuration } from "../core/duration.js";
import { type Reporter, SILENT } from "../core/reporter.js";
import { runEvaluation } from "../evaluate/run.js";
import { runFinetuning } from "../finetune/run.js";
import { resolveSettings as finetuneSettings } from "../finetune/settings-resolution.js";
import { exists, writeFileAtomic } from "../io/atomic-file.js";
import { type PretrainOutcome, runPretraining } from "../pretrain/run.js";
import { resolveSettings } from "../pretrain/settings-resolution.js";
import { RUN_FILES } from "../run/run-files.js";
import type { LoopOutcome } from "../run/training-loop.js";
import { type SampleDataOptions, writeSampleData } from "../sample-data/write-sample-data.js";
import { renderReport } from "../viz/report.js";
import { quickstartReport } from "./quickstart-report.js";

export interface QuickstartOptions {
  /** Folders of images to use instead of generated scenes; they have no labels, so it ends with pretraining. */
  images?: readonly string[];
  /** Folder for the scenes, the runs and the report. */
  out: string;
  /** Settings over the preset of the pretraining, and over that of the fine-tuning, as after `--set`. */
  sets?: readonly string[];
  finetuneSets?: readonly string[];
  /** What scenes to generate. */
  scenes?: Scenes;
  reporter?: Reporter;
}

export type Scenes = Pick<SampleDataOptions, "images" | "size" | "seed">;

/** Enough to learn from, and rendered in half a minute. */
const SCENES: Scenes = { images: 128, size: 160, seed: 0 };

/** Steps that leave time for both fine-tunings: four minutes in all on two cores. */
const PRETRAINING = ["run.steps=400"];
const FINETUNING = ["run.steps=280", "run.evaluateEvery=0", "data.valSplit=null"];

/**
 * Pretrains on `images`, or on scenes generated in `out/data`, in `out/run` (in `out/run-2` if that is there, and so
 * on). On the scenes it then fine-tunes from fresh weights and from the pretrained ones (`out/run-fresh`,
 * `out/run-pretrained`), and evaluates both. The report of it all is `out/report.html`.
 * @throws InputError as `pretrain`, `finetune`, `evaluate` and `sample-data` do
 */
export async function runQuickstart(options: QuickstartOptions): Promise<LoopOutcome> {
  const { images, out, scenes = SCENES, reporter = SILENT } = options;
  const started = performance.now();
  const data = images ? undefined : await sampleScenes(join(out, "data"), scenes, reporter);
  const run = await freeRunFolder(out);
  const folders = images ?? [join(data as string, "images")];
  const pretrained = await pretrain(run, folders, options);
  const report = join(out, RUN_FILES.report);
  if (pretrained.interrupted) return pretrained;
  if (!pretrained.report) throw new Error("quickstart: the pretraining has no report");
  let page = pretrained.report;
  if (data !== undefined) {
    const compared = await compareFinetuning(run, data, options);
    if (!compared) return { ...pretrained, interrupted: true };
    page = quickstartReport(page, compared);
  }
  await writeFileAtomic(report, await renderReport(page));
  reporter.say(`Finished in ${formatDuration((performance.now() - started) / 1000)}. Open the report: ${report}`);
  return pretrained;
}

function pretrain(
  run: string,
  folders: readonly string[],
  { sets = [], reporter = SILENT }: QuickstartOptions,
): Promise<PretrainOutcome> {
  const flags = [{ path: ["data", "images"], value: folders, where: "--images" }];
  const settings = resolveSettings({ preset: "tiny", sets: [...PRETRAINING, ...sets], flags });
  reporter.say(`Pretraining the preset "tiny" into ${run}`);
  return runPretraining({ settings, out: run, start: "new", reporter });
}

/** Two fine-tunings that differ in their first weights alone, and their scores; undefined when a signal ended one. */
async function compareFinetuning(
  run: string,
  data: string,
  { finetuneSets: sets = [], reporter = SILENT }: QuickstartOptions,
) {
  const runs: string[] = [];
  for (const [name, from] of [
    ["fresh", null],
    ["pretrained", run],
  ] as const) {
    const out = `${run}-${name}`;
    const flags = [
      { path: ["data", "path"], value: data, where: "--data" },
      { path: ["from", "run"], value: from, where: "--from" },
    ];
    const settings = finetuneSettings({ preset: "scenes", sets: [...FINETUNING, ...sets], flags });
    reporter.say(`Fine-tuning from ${name} weights into ${out}`);
    const outcome = await runFinetuning({ settings, out, start: "new", reporter });
    if (outcome.interrupted) return undefined;
    runs.push(out);
  }
  reporter.say("Evaluating both on the validation scenes");
  return runEvaluation({ data, checkpoints: runs, split: "val", device: "cpu", cores: 0, reporter });
}

/** The sample data in `dir`, generated unless it is there already. */
async function sampleScenes(dir: string, scenes: Scenes, reporter: Reporter): Promise<string> {
  if (await isComplete(dir, scenes)) reporter.say(`Using the sample scenes in ${dir}`);
  else {
    reporter.say(`Generating ${scenes.images} sample scenes in ${dir}`);
    await writeSampleData({ dir, ...scenes, overwrite: true, reporter });
  }
  return dir;
}

/**
 * Whether `dir` holds those scenes: `data.yaml`, written first, says which ones; the last file says that all are there.
 */
async function isComplete(dir: string, { images, size, seed }: Scenes): Promise<boolean> {
  const description = await readFile(join(dir, "data.yaml"), "utf8").catch(() => "");
  const same = description.includes(`generated:\n  images: ${images}\n  size: ${size}\n  seed: ${seed}\n`);
  return same && (await exists(join(dir, "annotations", "instances_val.json")));
}

/** The first of `out/run`, `out/run-2`, ... that does not exist. */
async function freeRunFolder(out: string): Promise<string> {
  for (let i = 1; ; i++) {
    const run = join(out, i === 1 ? "run" : `run-${i}`);
    if (!(await exists(run))) return run;
  }
}
