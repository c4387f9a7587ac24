/** @file `mask-jepa sample-data` */

import type { Command } from "commander";
import { wholeNumber } from "./arguments.js";
import { openTerminal } from "./terminal.js";

interface Flags {
  images: number;
  size: number;
  seed: number;
  cores: number;
  overwrite?: boolean;
}

const EXAMPLES = `
Example:
  mask-jepa sample-data scenes --images 200 --size 256`;

async function sampleData(dir: string, { overwrite = false, ...flags }: Flags): Promise<void> {
  const { writeSampleData } = await import("../sample-data/write-sample-data.js");
  const reporter = openTerminal();
  const { train, val } = await writeSampleData({ dir, ...flags, overwrite, reporter });
  reporter.say(`${train} training and ${val} validation scenes: ${dir}`);
}

export function addSampleData(program: Command): void {
  program
    .command("sample-data")
    .description("write generated scenes with COCO panoptic, instance and semantic labels")
    .argument("<dir>", "folder to write")
    .option("--images <n>", "number of images", wholeNumber(1), 200)
    .option("--size <pixels>", "side of the square images", wholeNumber(16), 256)
    .option("--seed <n>", "seed of the scenes", wholeNumber(0), 0)
    .option("--cores <n>", "CPU cores to use, 0 for all; the files do not depend on it", wholeNumber(0), 0)
    .option("--overwrite", "replace what the folder holds")
    .addHelpText("after", EXAMPLES)
    .action(sampleData);
}
