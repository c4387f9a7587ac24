/** @file `mask-jepa convert` */

import type { Command } from "commander";
import type { TargetName } from "../export/target.js";
import { partOption } from "./arguments.js";
import { openTerminal } from "./terminal.js";
import { addOutputOptions, type OutputFlags, outputOf, targetOption } from "./weights-arguments.js";

interface Flags extends OutputFlags {
  to: TargetName;
  part?: string;
}

const EXAMPLES = `
Reads safetensors, PyTorch files and pickles without running anything in them, and recognises whose names they have.
OUT ends in .safetensors, .pth or .pkl, or is a folder (for Hugging Face with config.json). Nothing is replaced unasked.
Examples:
  mask-jepa convert resnet50.pth backbone.safetensors
  mask-jepa convert model_final.pkl mask2former --to huggingface
  mask-jepa convert hf:facebook/mask2former-swin-tiny-coco-instance model.pth --to detectron2`;

async function convert(source: string, out: string, { to, part, ...flags }: Flags): Promise<void> {
  const output = outputOf(flags);
  const { exportModel } = await import("../export/export-model.js");
  const { describeSaved } = await import("../export/save-weights.js");
  const reporter = openTerminal();
  reporter.say(describeSaved(await exportModel({ checkpoint: source, part, to, out, ...output, reporter })));
}

export function addConvert(program: Command): void {
  const command = program
    .command("convert")
    .description("read weights of any known format and names, and write them under others")
    .argument("<in>", "run, file, folder of a Hugging Face model, or hf:owner/name")
    .argument("<out>", "file or folder to write")
    .addOption(targetOption().default("canonical"))
    .addOption(partOption())
    .addHelpText("after", EXAMPLES)
    .action(convert);
  addOutputOptions(command);
}
