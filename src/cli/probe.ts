/** @file `mask-jepa probe` */

import type { Command } from "commander";
import { plural } from "../core/text.js";
import type { Device } from "../runtime/contract.js";
import { append, deviceOption, positiveNumber, wholeNumber } from "./arguments.js";
import { openTerminal } from "./terminal.js";

interface Flags {
  checkpoint: string[];
  data: string;
  dataRoot?: string;
  labels?: string[];
  subsets: number;
  trainSplit?: string;
  testSplit?: string;
  limit?: number;
  shortEdge?: number;
  ridge?: number;
  out?: string;
  device: Device;
  cores: number;
}

const EXAMPLES = `
Examples:
  mask-jepa probe --checkpoint runs/a --data camvid.yaml
  mask-jepa probe --checkpoint runs/a --checkpoint runs/b --data camvid.yaml --labels 1% 10% 100%
  mask-jepa probe --checkpoint runs/a --data coco --limit 500 --out probe-a`;

async function probe({ checkpoint, dataRoot, ridge, ...flags }: Flags): Promise<void> {
  const { runProbe } = await import("../probe/run.js");
  const { probeTable } = await import("../probe/table.js");
  const reporter = openTerminal();
  const options = { ...flags, checkpoints: checkpoint, root: dataRoot, lambda: ridge, reporter };
  const { result, files } = await runProbe(options);
  const { train, test } = result.data;
  const counts = [train, test].map(({ images, split }) => `${plural(images, "image")} of ${split}`);
  for (const { file, reason } of result.skipped) reporter.say(`Skipped ${file}: ${reason}`);
  reporter.say(`Linear classifiers of ${counts.join(", scored on ")}`);
  for (const model of result.models) {
    reporter.say(`${model.checkpoint}${model.step === undefined ? "" : `, step ${model.step}`}\n${probeTable(model)}`);
  }
  reporter.say(`${files.json}\n${files.page}`);
}

export function addProbe(program: Command): void {
  program
    .command("probe")
    .description("measure how much the frozen features of runs know of labels, before and after training")
    .requiredOption(
      "--checkpoint <run>",
      "folder of a run of either kind, or of one of its checkpoints (repeatable)",
      append,
    )
    .requiredOption("--data <path>", "labelled data: a folder, or a YAML file that describes it")
    .option("--data-root <dir>", "the data's folder, in place of the one that the YAML file names")
    .option("--labels <shares...>", "shares (10%) or numbers of the training images to learn from (default: 100%)")
    .option("--subsets <n>", "subsets of each share, for its spread", wholeNumber(1), 3)
    .option("--train-split <name>", "split to learn from (default: train)")
    .option("--test-split <name>", "split to score on (default: test where it has labels, else val)")
    .option("--limit <n>", "at most so many images of each split, evenly spaced", wholeNumber(1))
    .option(
      "--short-edge <n>",
      "shorter side of the input in pixels (default: 192, or what was trained on where that is more)",
      wholeNumber(32, 4096),
    )
    .option("--ridge <number>", "weight of the ridge (default: 0.001)", positiveNumber)
    .option("--out <dir>", "folder for probe.json and probe.html (default: probe in the first run's folder)")
    .addOption(deviceOption("where to compute"))
    .option("--cores <n>", "CPU cores to use, 0 for all", wholeNumber(0), 0)
    .addHelpText("after", EXAMPLES)
    .action(probe);
}
