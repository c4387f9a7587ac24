/** @file `mask-jepa evaluate` */

import type { Command } from "commander";
import { InputError } from "../core/errors.js";
import { TASKS, type Task } from "../masks/segmentation.js";
import type { Device } from "../runtime/contract.js";
import { append, deviceOption, MODEL_SOURCES, partOption, taskList, wholeNumber } from "./arguments.js";
import { openTerminal } from "./terminal.js";

interface Flags {
  data: string;
  dataRoot?: string;
  checkpoint: string[];
  split: string;
  task?: Task[];
  limit?: number;
  out?: string;
  part?: string;
  device: Device;
  cores: number;
}

const EXAMPLES = `
Examples:
  mask-jepa evaluate --data camvid.yaml --checkpoint runs/b
  mask-jepa evaluate --data camvid.yaml --checkpoint runs/b --checkpoint runs/c --split test
  mask-jepa evaluate --data coco --checkpoint runs/b --task panoptic instance --limit 500 --out scores`;

async function evaluate({ data, dataRoot, checkpoint: checkpoints, task: tasks, ...flags }: Flags): Promise<void> {
  if (checkpoints.length > 2) {
    const found = `${checkpoints.length}`;
    throw new InputError({ where: "--checkpoint", expected: "one checkpoint, or two to compare", found });
  }
  const { runEvaluation } = await import("../evaluate/run.js");
  const { imageCounts, modelWarnings, summaryTable } = await import("../evaluate/summary.js");
  const reporter = openTerminal();
  const { evaluations, files } = await runEvaluation({
    data,
    root: dataRoot,
    checkpoints,
    tasks,
    ...flags,
    reporter,
  });
  for (const warning of modelWarnings(evaluations)) reporter.warn(warning);
  const [first] = evaluations;
  reporter.say(`${first.task}, ${data} ${flags.split}, ${imageCounts(first, flags.split)}`);
  if (checkpoints.length > 1) reporter.say(`A: ${checkpoints[0]}\nB: ${checkpoints[1]}`);
  reporter.say(`${summaryTable(evaluations)}\n${files.json}\n${files.page}`);
}

export function addEvaluate(program: Command): void {
  program
    .command("evaluate")
    .description("score fine-tuned models on labelled images, as JSON and as a page; two are compared")
    .requiredOption("--data <path>", "labelled data: a folder, or a YAML file that describes it")
    .requiredOption("--checkpoint <run>", `${MODEL_SOURCES} (twice to compare)`, append)
    .option("--data-root <dir>", "the data's folder, in place of the one that the YAML file names")
    .option("--split <name>", "split of the data", "val")
    .option(
      "--task <tasks...>",
      `what to judge of a panoptic model, some of ${TASKS.join(", ")} (default: all that there are labels for)`,
      taskList(),
    )
    .option("--limit <n>", "at most so many images, evenly spaced over the split", wholeNumber(1))
    .option(
      "--out <dir>",
      "folder for evaluation.json and evaluation.html (default: evaluation-SPLIT in the run's folder, or here)",
    )
    .addOption(partOption())
    .addOption(deviceOption("where to compute"))
    .option("--cores <n>", "CPU cores to use, 0 for all", wholeNumber(0), 0)
    .addHelpText("after", EXAMPLES)
    .action(evaluate);
}
