/** @file `mask-jepa predict` */

import { availableParallelism } from "node:os";
import { type Command, Option } from "commander";
import { TASKS, type Task } from "../masks/segmentation.js";
import { INTERRUPTED } from "../run/stop-request.js";
import type { Device } from "../runtime/contract.js";
import { append, deviceOption, positiveNumber, share, wholeNumber } from "./arguments.js";
import { openTerminal } from "./terminal.js";

interface Flags {
  checkpoint: string;
  images: string[];
  out: string;
  overwrite?: boolean;
  task?: Task[];
  threshold?: number;
  overlap?: number;
  topK?: number;
  whiteLevel?: number;
  device: Device;
  cores: number;
}

const EXAMPLES = `
Writes overlays and label maps (PNG) of each image, panoptic.json (COCO panoptic) or instances.json (COCO results, compressed run
lengths), predictions.json (what belongs to what) and index.html.

Examples:
  mask-jepa predict --checkpoint runs/b --images photos --out predictions
  mask-jepa predict --checkpoint runs/b --images photos --out predictions --task semantic panoptic --threshold 0.5
  mask-jepa predict --checkpoint runs/b --images val2017 --out scored --task instance --threshold 0   # all, to be scored`;

async function predict({ task, cores, ...flags }: Flags): Promise<void> {
  const { predictFolder } = await import("../predict/folder/predict-folder.js");
  const reporter = openTerminal();
  const result = await predictFolder({ ...flags, forms: task, cores: cores || availableParallelism(), reporter });
  for (const { file, reason } of result.skipped) reporter.say(`Skipped ${file}: ${reason}`);
  for (const warning of result.warnings) reporter.warn(warning);
  reporter.say(`${result.count} images segmented: ${result.page}`);
  if (result.interrupted) process.exitCode = INTERRUPTED;
}

export function addPredict(program: Command): void {
  program
    .command("predict")
    .description("segment a folder of images with a fine-tuned model")
    .requiredOption("--checkpoint <run>", "folder of a fine-tuning run, or of one of its checkpoints")
    .requiredOption("--images <dir>", "folder of images, searched with its subfolders (repeatable)", append)
    .requiredOption("--out <dir>", "folder for the predictions")
    .option("--overwrite", "replace the predictions that --out holds")
    .addOption(
      new Option("--task <forms...>", "what to predict (default: what the model was trained for)").choices(TASKS),
    )
    .option(
      "--threshold <score>",
      "keep queries (panoptic; default: the model's) and instances (default: 0.5) above this score",
      share,
    )
    .option(
      "--overlap <share>",
      "panoptic: drop segments of which less than this is left (default: the model's)",
      share,
    )
    .option(
      "--white-level <sample>",
      "sample that is white in images of more than 8 bits (default: the model's, the file's, or the largest)",
      positiveNumber,
    )
    .option("--top-k <n>", "instances considered of an image (default: the model's)", wholeNumber(1))
    .addOption(deviceOption("where to compute"))
    .option("--cores <n>", "CPU cores to use, 0 for all", wholeNumber(0), 0)
    .addHelpText("after", EXAMPLES)
    .action(predict);
}
