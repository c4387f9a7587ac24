/** @file `mask-jepa export` */

import type { Command } from "commander";
import type { TargetName } from "../export/target.js";
import { partOption } from "./arguments.js";
import { openTerminal } from "./terminal.js";
import { addOutputOptions, type OutputFlags, outputOf, targetOption } from "./weights-arguments.js";

interface Flags extends OutputFlags {
  checkpoint: string;
  to: TargetName;
  out: string;
  part?: string;
}

const EXAMPLES = `
Examples:
  mask-jepa export --checkpoint runs/ade --to detectron2 --out model.pth
  mask-jepa export --checkpoint runs/ade --to huggingface --out mask2former-ade
  mask-jepa export --checkpoint runs/a --to timm --out backbone.safetensors`;

async function exportWeights({ checkpoint, to, out, part, ...flags }: Flags): Promise<void> {
  const output = outputOf(flags);
  const { exportModel } = await import("../export/export-model.js");
  const { describeSaved } = await import("../export/save-weights.js");
  const reporter = openTerminal();
  reporter.say(describeSaved(await exportModel({ checkpoint, to, out, part, ...output, reporter })));
}

export function addExport(program: Command): void {
  const command = program
    .command("export")
    .description("write weights for detectron2, Hugging Face transformers or timm")
    .requiredOption(
      "--checkpoint <run>",
      "run, checkpoint, file of weights, folder of a Hugging Face model, or hf:owner/name",
    )
    .addOption(targetOption().makeOptionMandatory())
    .requiredOption("--out <path>", "file (.pth, .pkl, .safetensors) or folder to write")
    .addOption(partOption())
    .addHelpText("after", EXAMPLES)
    .action(exportWeights);
  addOutputOptions(command);
}
