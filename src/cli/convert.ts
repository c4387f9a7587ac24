/** @file `mask-jepa convert` */

import type { Command } from "commander";
import type { Target } from "../checkpoint/names/targets.js";
import { append } from "./arguments.js";
import { openTerminal } from "./terminal.js";
import { patternsOf, targetOption } from "./weights-arguments.js";

interface Flags {
  to: Target;
  part?: string;
  leaveOut?: string[];
}

const EXAMPLES = `
Reads safetensors, PyTorch files and pickles without running anything in them, and recognises whose names they have.
OUT ends in .safetensors, .pth or .pkl, or is a folder (for Hugging Face with config.json).
Examples:
  mask-jepa convert resnet50.pth backbone.safetensors
  mask-jepa convert model_final.pkl mask2former --to huggingface
  mask-jepa convert hf:facebook/mask2former-swin-tiny-coco-instance model.pth --to detectron2`;

async function convert(source: string, out: string, { to, part, leaveOut }: Flags): Promise<void> {
  const excused = patternsOf(leaveOut);
  const { describeReport, loadWeights } = await import("../checkpoint/load-weights.js");
  const { describeSaved, saveWeights } = await import("../checkpoint/save-weights.js");
  const { locateWeights } = await import("../checkpoint/weights-location.js");
  const reporter = openTerminal();
  const { tensors, report } = await loadWeights(await locateWeights(source, reporter), { part });
  reporter.say(describeReport(report));
  const saved = await saveWeights(out, tensors, { to, source, leaveOut: excused });
  reporter.say(describeSaved(saved));
}

export function addConvert(program: Command): void {
  program
    .command("convert")
    .description("read weights of any known format and names, and write them under others")
    .argument("<in>", "file, folder of a Hugging Face model, or hf:owner/name")
    .argument("<out>", "file or folder to write")
    .addOption(targetOption().default("canonical"))
    .option("--part <name>", "the dictionary of a checkpoint to take, e.g. student")
    .option("--leave-out <pattern>", "tensors that may stay behind, a regular expression (repeatable)", append)
    .addHelpText("after", EXAMPLES)
    .action(convert);
}
