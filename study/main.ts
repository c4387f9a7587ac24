/** @file `npm run study`: a table of the Mask-JEPA paper at the scale of the machine, run by run, with repeats. */

import { existsSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join, resolve } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { Argument, Command, InvalidArgumentError } from "commander";
import pLimit from "p-limit";
import { isHubLocation } from "../src/checkpoint/hub-location.js";
import { append, wholeNumber } from "../src/cli/arguments.js";
import { explain } from "../src/cli/faults.js";
import { openTerminal } from "../src/cli/terminal.js";
import { InputError } from "../src/core/errors.js";
import { show } from "../src/core/show.js";
import { openDataSet, openSplitOf } from "../src/data/datasets/open-data.js";
import { openProbeSplits } from "../src/data/datasets/semantic-split.js";
import { labelledSubset, parseLabelShare } from "../src/data/datasets/subset.js";
import { folderSource } from "../src/data/files/folder-source.js";
import { resolveSettings as resolveFinetuneSettings } from "../src/finetune/settings-resolution.js";
import { taskOf } from "../src/finetune/training-data.js";
import { writeFileAtomic } from "../src/io/atomic-file.js";
import { resolveSettings } from "../src/pretrain/settings-resolution.js";
import { SCORED as PROBED_SPLITS } from "../src/probe/run.js";
import type { ModelSettings } from "../src/run/model-settings.js";
import { INTERRUPTED, listenForStop } from "../src/run/stop-request.js";
import { storedModelOf } from "../src/run/stored-run.js";
import { type Cell, cellsOf, type Regime } from "./comparison.js";
import { probeRowsOf } from "./probe-readings.js";
import { rowsOf } from "./readings.js";
import { studyNumbers, studyPage, studyText } from "./report.js";
import { commandLine, type Run, Runs } from "./runs.js";
import { BACKBONE_ONLY, STUDY_NAMES, type Study, type StudyName, studyNamed, withControl } from "./studies.js";

interface Options {
  images: string[];
  data: string;
  dataRoot?: string;
  backbone?: string;
  control?: string;
  pretrainPreset: string;
  pretrainConfig?: string;
  finetunePreset: string;
  finetuneConfig?: string;
  seeds: number[];
  labels: string[];
  jobs: number;
  cores: number;
  out: string;
  dryRun?: boolean;
}

const list = (text: string) => text.split(",").filter((item) => item !== "");

function numbers(text: string): number[] {
  const values = list(text).map(Number);
  const distinct = new Set(values).size === values.length; // a repeat that is counted twice has no spread
  if (values.length === 0 || !distinct || values.some((value) => !Number.isSafeInteger(value) || value < 0)) {
    throw new InvalidArgumentError("Expected different whole numbers, with commas between them.");
  }
  return values;
}

function labelShares(text: string): string[] {
  const shares = [...new Set(list(text).map((share) => share.trim()))];
  try {
    for (const share of shares) parseLabelShare(share);
    if (shares.length > 0) return shares;
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
  }
  throw new InvalidArgumentError("Expected shares such as 10% or numbers of images, with commas between them.");
}

const EXAMPLES = `
Examples:
  npm run study -- table7 --images photographs --backbone backbone.pth --data recipes/data-camvid.yaml --data-root camvid \\
    --pretrain-config recipes/study-pretrain.yaml --finetune-config recipes/study-finetune.yaml --labels 10%
  The paper's own scale:
  npm run study -- table4 --images imagenet/train --backbone hf:microsoft/resnet-50 --data ADEChallengeData2016 \\
    --pretrain-preset paper-r50 --finetune-preset mask2former-r50-ade20k-panoptic`;

function readOptions(): { name: StudyName; options: Options } {
  const program = new Command("study")
    .description(
      "Runs a table of the Mask-JEPA paper: every arm's pretraining, a probe of its features, and fine-tuning, seeds as " +
        "repeats. Runs that have ended are not run again, those that were cut off go on.",
    )
    .addArgument(new Argument("<table>", "which table").choices(STUDY_NAMES))
    .requiredOption("--images <dir>", "images to pretrain on (repeatable: table K compares them)", append)
    .requiredOption("--data <path>", "labelled data to fine-tune on, as for finetune")
    .option("--data-root <dir>", "the data's folder, in place of the one that a YAML file names")
    .option("--backbone <file|hf:owner/name>", "supervised weights of the backbone, which pretraining keeps frozen")
    .option("--control <run>", "one more arm: the parts of a run that has learned to segment other labels")
    .option("--pretrain-preset <name>", "preset of pretraining", "tiny")
    .option("--pretrain-config <file>", "settings of pretraining over it")
    .option("--finetune-preset <name>", "preset of fine-tuning", "camvid")
    .option("--finetune-config <file>", "settings of fine-tuning over it")
    .option("--seeds <list>", "repeats; a seed draws weights, labels and order", numbers, [0, 1, 2])
    .option("--labels <list>", "shares of the labels, where the table does not vary them", labelShares, ["100%"])
    .option("--jobs <n>", "runs at once", wholeNumber(1), availableParallelism())
    .option("--cores <n>", "cores of a run", wholeNumber(1), 1)
    .option("--out <dir>", "folder of all runs; studies with the same settings share one", "runs/study")
    .option("--dry-run", "print the commands and stop")
    .addHelpText("after", EXAMPLES)
    .parse();
  return { name: program.args[0] as StudyName, options: program.opts<Options>() };
}

/** Settings of every pretraining with a supervised backbone: it stays as it is, and so do the norms of a ResNet. */
function frozenSets({ backbone, pretrainPreset: preset, pretrainConfig: file }: Options): string[] {
  if (!backbone) return [];
  const { model } = resolveSettings({ preset, file });
  return [
    "backbone.frozen=true",
    ...(model.backbone === "resnet50" && model.norm !== "frozen" ? ["model.norm=frozen"] : []),
  ];
}

/** The same as a whole: what `--backbone` sets too. */
const backboneSets = (options: Options): string[] =>
  options.backbone ? [`backbone.weights=${options.backbone}`, ...frozenSets(options)] : [];

function regimeOf(options: Options): Regime {
  const { images, backbone, pretrainPreset, pretrainConfig, finetunePreset, finetuneConfig, data, dataRoot } = options;
  const labelled = ["--data", data, ...(dataRoot ? ["--data-root", dataRoot] : [])];
  const frozen = backbone ? ["--backbone", backbone, ...frozenSets(options).flatMap((set) => ["--set", set])] : [];
  return {
    settings: resolveSettings({ preset: pretrainPreset, file: pretrainConfig, sets: backboneSets(options) }),
    images,
    pretrain: ["--preset", pretrainPreset, ...(pretrainConfig ? ["--config", pretrainConfig] : []), ...frozen],
    finetune: [...labelled, "--preset", finetunePreset, ...(finetuneConfig ? ["--config", finetuneConfig] : [])],
    probe: labelled,
    seeds: options.seeds,
    labels: options.labels,
    out: options.out,
  };
}

/** A control of other sizes would be compared with models that it is not like. @throws InputError */
function checkControl(control: string, model: ModelSettings): void {
  const stored = storedModelOf(control);
  if (!stored) throw new InputError({ where: "--control", expected: "the folder of a run", found: resolve(control) });
  const other = new Map(Object.entries(stored));
  for (const [name, value] of Object.entries(model)) {
    if (isDeepStrictEqual(other.get(name), value)) continue;
    throw new InputError({
      where: `--control ${control}`,
      expected: `the model that the study pretrains, model.${name} ${show(value)}`,
      found: show(other.get(name)),
    });
  }
}

/** What would fail after hours, looked at before the first run. @throws InputError */
async function checkAll(study: Study, options: Options): Promise<void> {
  const { pretrainPreset, pretrainConfig, finetunePreset, finetuneConfig, control } = options;
  const { data: path, dataRoot: root } = options;
  const sets = [...backboneSets(options), ...(study.sets ?? [])];
  const common = resolveSettings({ preset: pretrainPreset, file: pretrainConfig, sets });
  if (control !== undefined) checkControl(control, common.model);
  for (const { pretraining } of study.arms) {
    if (!pretraining) continue;
    resolveSettings({ preset: pretrainPreset, file: pretrainConfig, sets: [...sets, ...pretraining.sets] });
  }
  const { data } = resolveFinetuneSettings({ preset: finetunePreset, file: finetuneConfig });
  const dataSet = await openDataSet(path, { root });
  await openProbeSplits(dataSet, { scored: PROBED_SPLITS });
  const { trainSplit, valSplit } = data;
  if (valSplit === null) {
    throw new InputError({ where: "data.valSplit", expected: "a split to score on", found: "null" });
  }
  const task = taskOf(dataSet, data);
  const labelled = await openSplitOf(dataSet, trainSplit, task);
  for (const share of study.labels ?? options.labels) labelledSubset(labelled, parseLabelShare(share), 0);
  await openSplitOf(dataSet, valSplit, task);
}

/** A signal ended the study, whose runs have saved what they had. */
class StoppedStudy extends Error {}

/** The runs of some cells, each once. */
function distinct(runs: readonly (Run | undefined)[]): Run[] {
  return [...new Map(runs.flatMap((run) => (run ? [[run.out, run] as const] : []))).values()];
}

/**
 * Takes all runs to their ends; one that fails keeps none from its turn but those that begin with it.
 * @throws InputError of those that failed, or that the study was stopped
 */
async function take(cells: readonly Cell[], { jobs, cores }: Options): Promise<void> {
  const terminal = openTerminal();
  const limit = pLimit(jobs);
  const runs = new Runs(cores);
  const stop = listenForStop((signal) => {
    terminal.say(`${signal}: each run stops after its step and saves (again to quit at once)`);
    runs.stop();
  });
  const ended = new Map<string, Promise<void>>();
  const begin = (run: Run) => {
    const known = ended.get(run.out);
    if (known) return known;
    const taken = limit(async () => {
      if (stop.requested) return;
      const began = performance.now();
      await runs.take(run);
      const minutes = (performance.now() - began) / 60_000;
      if (minutes > 0.05) terminal.say(`${minutes.toFixed(1)} min  ${commandLine(run)}`);
    });
    ended.set(run.out, taken);
    return taken;
  };
  const outcomes = await Promise.allSettled(
    cells.map(async ({ pretraining, probing, finetuning }) => {
      if (pretraining) await begin(pretraining);
      await Promise.all([...(probing ? [begin(probing)] : []), begin(finetuning)]);
    }),
  );
  stop.dispose();
  if (stop.requested) throw new StoppedStudy("Stopped. The same command goes on with it.");
  const faults = new Set(outcomes.flatMap((outcome) => (outcome.status === "rejected" ? [outcome.reason] : [])));
  const [first, ...others] = faults;
  for (const fault of others) terminal.warn(explain(fault)?.message ?? String(fault));
  if (first) throw first;
}

async function main(): Promise<void> {
  const { name, options } = readOptions();
  const { backbone, control, images } = options;
  for (const folder of images) await folderSource(folder);
  if (name === "tableK" && images.length < 2) {
    const fix = "Name each with --images.";
    throw new InputError({ where: "--images", expected: "two folders or more to compare", found: "one", fix });
  }
  if (backbone && !isHubLocation(backbone) && !existsSync(backbone)) {
    throw new InputError({
      where: "--backbone",
      expected: "a file of weights, or hf:owner/name",
      found: resolve(backbone),
    });
  }
  const regime = regimeOf(options);
  const named = studyNamed(name, regime);
  const study = control === undefined ? named : withControl(named, resolve(control));
  const cells = cellsOf(study, regime);
  const own = regime.settings.backbone.weights === null && study.arms.some(({ name }) => name === BACKBONE_ONLY.name);
  if (own) {
    openTerminal().warn(
      `Without --backbone "${BACKBONE_ONLY.name}" is the backbone that Mask-JEPA trained from random weights, not a supervised one`,
    );
  }
  await checkAll(study, options);
  const commands = distinct(
    cells.flatMap(({ pretraining, probing, finetuning }) => [pretraining, probing, finetuning]),
  ).map(commandLine);
  if (options.dryRun) return console.log(commands.join("\n"));
  await take(cells, options);
  const rows = rowsOf(study, cells, options.seeds);
  const result = studyNumbers(study, rows, {
    seeds: options.seeds,
    probes: await probeRowsOf(study, cells, options.seeds),
  });
  const file = (suffix: string) => join(options.out, `${name}.${suffix}`);
  await writeFileAtomic(file("json"), `${JSON.stringify({ ...result, commands }, null, 2)}\n`);
  await writeFileAtomic(file("html"), await studyPage(study, result, commands));
  console.log(`\n${studyText(study, result)}\n\n${file("html")}`);
}

main().catch((error: unknown) => {
  if (error instanceof StoppedStudy) {
    console.error(error.message);
    process.exitCode = INTERRUPTED;
    return;
  }
  const fault = explain(error);
  console.error(fault ? `error: ${fault.message}` : error);
  process.exitCode = 1;
});
