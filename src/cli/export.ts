/** @file `mask-jepa export` */

import { type Command, Option } from "commander";
import { InputError } from "../core/errors.js";
import { TARGETS, type TargetName } from "../export/target.js";
import type { Task } from "../masks/segmentation.js";
import { append, partOption, taskNamed } from "./arguments.js";
import { openTerminal } from "./terminal.js";
import { addOutputOptions, type OutputFlags, outputOf } from "./weights-arguments.js";

/** What only an ONNX file has. */
interface OnnxFlags {
  size?: string;
  opset?: string;
  half?: boolean;
  with?: string;
  task?: Task;
  images?: string[];
}

interface Flags extends OutputFlags, OnnxFlags {
  checkpoint: string;
  to: TargetName | typeof ONNX;
  out: string;
  part?: string;
}

const ONNX = "onnx";
const ONNX_FLAGS: readonly (keyof OnnxFlags)[] = ["size", "opset", "half", "with", "task", "images"];
const WEIGHTS_FLAGS = { format: "--format", leaveOut: "--leave-out" } as const;

const EXAMPLES = `
Examples:
  mask-jepa export --checkpoint runs/ade --to detectron2 --out model.pth
  mask-jepa export --checkpoint runs/ade --to huggingface --out mask2former-ade
  mask-jepa export --checkpoint runs/a --to timm --out backbone.safetensors
  mask-jepa export --checkpoint runs/ade --to onnx --out ade-onnx --with normalise,semantic`;

function refuse(flag: string, to: string, others: string): never {
  throw new InputError({ where: flag, expected: `this option with --to ${others}`, found: `--to ${to}` });
}

async function exportWeights({ to, ...flags }: Flags): Promise<void> {
  const reporter = openTerminal();
  if (to === ONNX) {
    for (const [key, flag] of Object.entries(WEIGHTS_FLAGS)) {
      if (flags[key as keyof typeof WEIGHTS_FLAGS] !== undefined) refuse(flag, to, TARGETS.join(", "));
    }
    const { describeOnnx, exportOnnx } = await import("../export/onnx/export-onnx.js");
    const { parseImageSize, parseInside, parseOpset } = await import("../export/onnx/options.js");
    const { size, opset, with: inside, ...options } = flags;
    const exported = await exportOnnx({
      ...options,
      size: size === undefined ? undefined : parseImageSize(size),
      opset: opset === undefined ? undefined : parseOpset(opset),
      inside: inside === undefined ? undefined : parseInside(inside),
      reporter,
    });
    return reporter.say(describeOnnx(exported));
  }
  for (const flag of ONNX_FLAGS) if (flags[flag] !== undefined) refuse(`--${flag}`, to, ONNX);
  const { checkpoint, out, part } = flags;
  const output = outputOf(flags);
  const { exportModel } = await import("../export/export-model.js");
  const { describeSaved } = await import("../export/save-weights.js");
  reporter.say(describeSaved(await exportModel({ checkpoint, to, out, part, ...output, reporter })));
}

export function addExport(program: Command): void {
  const command = program
    .command("export")
    .description("write a model for ONNX, or weights for detectron2, Hugging Face transformers or timm")
    .requiredOption(
      "--checkpoint <run>",
      "run, checkpoint, file of weights, folder of a Hugging Face model, or hf:owner/name",
    )
    .addOption(new Option("--to <name>", "what it is for").choices([...TARGETS, ONNX]).makeOptionMandatory())
    .requiredOption("--out <path>", "file (.pth, .pkl, .safetensors) or folder to write; for onnx a folder")
    .addOption(partOption());
  addOutputOptions(command)
    .optionsGroup("ONNX files (--to onnx):")
    .option("--size <HxW>", "take images of this size alone (default: any; a Swin Transformer takes one)")
    .option("--with <list>", "do inside: normalise (images are bytes), semantic, instance, panoptic")
    .option("--half", "store weights as float16, in half the space")
    .option("--opset <n>", "version of the operator set, 17 to 21 (default: 17)")
    .addOption(
      new Option("--task <form>", "what a OneFormer is asked for (default: what is inside, or its training)").argParser(
        (name) => taskNamed(name),
      ),
    )
    .option("--images <place>", "photographs to try the file on (repeatable; default: generated scenes)", append)
    .addHelpText("after", EXAMPLES)
    .action(exportWeights);
}
