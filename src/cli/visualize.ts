/** @file `mask-jepa visualize` */

import { join } from "node:path";
import type { Command } from "commander";
import { append, wholeNumber } from "./arguments.js";
import { openTerminal } from "./terminal.js";

interface Flags {
  checkpoint: string;
  images: string[];
  out: string;
  count: number;
}

const EXAMPLES = `
Example:
  mask-jepa visualize --checkpoint runs/a --images photos --out pictures`;

async function visualize({ checkpoint, images, out, count }: Flags): Promise<void> {
  const { runVisualization } = await import("../pretrain/visualize.js");
  const reporter = openTerminal();
  const { images: drawn, skipped } = await runVisualization({ checkpoint, images, out, count, reporter });
  for (const { file, reason } of skipped) reporter.say(`Skipped ${file}: ${reason}`);
  reporter.say(`${drawn.length} images drawn: ${join(out, "index.html")}`);
}

export function addVisualize(program: Command): void {
  program
    .command("visualize")
    .description("draw k-means and PCA pictures of a run's features, before and after pretraining")
    .requiredOption("--checkpoint <run>", "folder of a pretraining run")
    .requiredOption("--images <dir>", "folder of images (repeatable)", append)
    .requiredOption("--out <dir>", "folder for the pictures")
    .option("--count <n>", "number of images", wholeNumber(1), 8)
    .addHelpText("after", EXAMPLES)
    .action(visualize);
}
