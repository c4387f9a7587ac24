/** @file `mask-jepa export` */

import type { Command } from "commander";
import type { Target } from "../checkpoint/names/targets.js";
import { append } from "./arguments.js";
import { openTerminal } from "./terminal.js";
import { patternsOf, targetOption } from "./weights-arguments.js";

interface Flags {
  checkpoint: string;
  to: Target;
  out: string;
  leaveOut?: string[];
}

const EXAMPLES = `
Examples:
  mask-jepa export --checkpoint runs/ade --to detectron2 --out model.pth
  mask-jepa export --checkpoint runs/ade --to huggingface --out mask2former-ade
  mask-jepa export --checkpoint runs/a --to timm --out backbone.safetensors`;

async function exportWeights({ checkpoint, to, out, leaveOut }: Flags): Promise<void> {
  const excused = patternsOf(leaveOut);
  const { exportModel } = await import("../predict/export-model.js");
  const { describeSaved } = await import("../checkpoint/save-weights.js");
  const reporter = openTerminal();
  reporter.say(describeSaved(await exportModel({ checkpoint, to, out, leaveOut: excused, reporter })));
}

export function addExport(program: Command): void {
  program
    .command("export")
    .description("write a run's weights for detectron2, Hugging Face transformers or timm")
    .requiredOption("--checkpoint <run>", "folder of a fine-tuning or pretraining run, or of one checkpoint")
    .addOption(targetOption().makeOptionMandatory())
    .requiredOption("--out <path>", "file (.pth, .pkl, .safetensors) or folder to write")
    .option("--leave-out <pattern>", "tensors that may stay behind, a regular expression (repeatable)", append)
    .addHelpText("after", EXAMPLES)
    .action(exportWeights);
}
