/** @file `mask-jepa predict` */

import { availableParallelism } from "node:os";
import type { Command } from "commander";
import { plural } from "../core/text.js";
import { textTable } from "../core/text-table.js";
import { TASKS, type Task } from "../masks/segmentation.js";
import type { Findings } from "../predict/folder/findings.js";
import { INTERRUPTED } from "../run/stop-request.js";
import type { Device } from "../runtime/contract.js";
import {
  append,
  deviceOption,
  MODEL_SOURCES,
  partOption,
  positiveNumber,
  share,
  taskList,
  wholeNumber,
} from "./arguments.js";
import { openTerminal } from "./terminal.js";

interface Flags {
  checkpoint: string;
  images?: string[];
  out: string;
  part?: string;
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
Images are files, folders (searched with their subfolders) and patterns, in any mixture. Written are overlays and label
maps (PNG) of each image, panoptic.json (COCO panoptic) or instances.json (COCO results, compressed run lengths),
predictions.json (what belongs to what) and index.html.

Examples:
  mask-jepa predict photo.jpg --checkpoint runs/b --out predictions
  mask-jepa predict photos 'more/*.png' --checkpoint runs/b --out predictions --task semantic panoptic --threshold 0.5
  mask-jepa predict val2017 --checkpoint runs/b --out scored --task instance --threshold 0   # all, to be scored`;

/** Rows of a table of findings. */
const LISTED = 20;

/** What was found in an image: a table a form. */
function findingTables({ pixels, forms }: Findings): string[] {
  return [...forms].flatMap(([form, findings]) => {
    const rows = findings.slice(0, LISTED).map(({ name, area, score }) => {
      return [name, String(area), ((100 * area) / pixels).toFixed(1), score?.toFixed(2) ?? "-"];
    });
    const rest = findings.length - rows.length;
    const more = rest > 0 ? [`... and ${rest} more`] : [];
    return rows.length > 0
      ? [...textTable([[form, "pixels", "%", "score"], ...rows]), ...more]
      : [`${form}: nothing above the threshold`];
  });
}

async function predict(positional: string[], flags: Flags, command: Command): Promise<void> {
  const { task, cores, images: named = [], ...options } = flags;
  const images = [...positional, ...named];
  if (images.length === 0)
    command.error("error: predict what? Name images, folders or patterns such as 'photos/*.jpg'.");
  const { predictFolder } = await import("../predict/folder/predict-folder.js");
  const reporter = openTerminal();
  const threads = cores || availableParallelism();
  const result = await predictFolder({ ...options, images, forms: task, cores: threads, reporter });
  for (const { file, reason } of result.skipped) reporter.say(`Skipped ${file}: ${reason}`);
  for (const warning of result.warnings) reporter.warn(warning);
  if (result.findings) for (const line of findingTables(result.findings)) reporter.say(line);
  reporter.say(`${plural(result.count, "image")} segmented: ${result.page}`);
  for (const [what, path] of result.places) reporter.say(`  ${what}: ${path}`);
  if (result.interrupted) process.exitCode = INTERRUPTED;
}

export function addPredict(program: Command): void {
  program
    .command("predict")
    .description("segment images with a fine-tuned model")
    .argument("[images...]", "files, folders, and patterns such as 'photos/*.jpg'")
    .requiredOption("--checkpoint <run>", MODEL_SOURCES)
    .option("--images <place>", "the same as an option (repeatable)", append)
    .requiredOption("--out <dir>", "folder for the predictions")
    .option("--overwrite", "replace the predictions that --out holds")
    .option(
      "--task <forms...>",
      `what to predict, some of ${TASKS.join(", ")} (default: what the model was trained for)`,
      taskList("Images go before --task, or after --."),
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
    .addOption(partOption())
    .addOption(deviceOption("where to compute"))
    .option("--cores <n>", "CPU cores to use, 0 for all", wholeNumber(0), 0)
    .addHelpText("after", EXAMPLES)
    .action(predict);
}
