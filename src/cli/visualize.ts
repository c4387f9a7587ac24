/** @file `mask-jepa visualize` */

import { join } from "node:path";
import type { Command } from "commander";
import type { Device } from "../core/devices.js";
import { plural } from "../core/text.js";
import { append, deviceOption, MODEL_SOURCES, partOption, wholeNumber } from "./arguments.js";
import { openTerminal } from "./terminal.js";

interface Flags {
  checkpoint: string;
  images?: string[];
  out: string;
  part?: string;
  count: number;
  device?: Device;
  cores?: number;
}

const EXAMPLES = `
Examples:
  mask-jepa visualize photos --checkpoint runs/a --out pictures
  mask-jepa visualize 'photos/*.jpg' --checkpoint runs/b --out pictures --count 20`;

async function visualize(
  positional: string[],
  { images: named = [], ...flags }: Flags,
  command: Command,
): Promise<void> {
  const images = [...positional, ...named];
  if (images.length === 0) command.error("error: draw what? Name images, folders or patterns such as 'photos/*.jpg'.");
  const { runVisualization } = await import("../visualize/visualize.js");
  const reporter = openTerminal();
  const { images: drawn, skipped } = await runVisualization({ ...flags, images, reporter });
  for (const { file, reason } of skipped) reporter.say(`Skipped ${file}: ${reason}`);
  reporter.say(`${plural(drawn.length, "image")} drawn: ${join(flags.out, "index.html")}`);
}

export function addVisualize(program: Command): void {
  program
    .command("visualize")
    .description(
      "draw what a run sees: features (k-means, PCA) before and after, predicted masks of a fine-tuned model",
    )
    .argument("[images...]", "files, folders, and patterns such as 'photos/*.jpg'")
    .requiredOption("--checkpoint <run>", `pretraining run, or a model: ${MODEL_SOURCES}`)
    .option("--images <place>", "the same as an option (repeatable)", append)
    .requiredOption("--out <dir>", "folder for the pictures")
    .option("--count <n>", "number of images", wholeNumber(1), 8)
    .addOption(partOption())
    .addOption(deviceOption("where to compute", "as the run was trained"))
    .option("--cores <n>", "CPU cores to use, 0 for all (default: as the run was trained)", wholeNumber(0))
    .addHelpText("after", EXAMPLES)
    .action(visualize);
}
