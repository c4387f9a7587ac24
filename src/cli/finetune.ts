/** @file `mask-jepa finetune` */

import { type Command, Option } from "commander";
import { InputError } from "../core/errors.js";
import { FAMILY_NAMES } from "../families/families.js";
import { CLASS_RULES } from "../finetune/class-rows.js";
import { PRESET_NAMES } from "../finetune/presets.js";
import { resolveWithWeights, resumeSettings } from "../finetune/settings-resolution.js";
import { TASKS } from "../masks/segmentation.js";
import { INTERRUPTED } from "../run/stop-request.js";
import { partOption, RUN_FLAGS, settingsOf } from "./arguments.js";
import { addRunOptions, type RunFlags, requireWeights, startOf } from "./run-options.js";
import { storedSettingsFile } from "./stored-settings.js";
import { openTerminal } from "./terminal.js";

interface Flags extends RunFlags {
  data?: string;
  fromParts?: string[];
  dryRun?: boolean;
}

const FLAGS = {
  values: RUN_FLAGS,
  texts: {
    family: "model.family",
    data: "data.path",
    dataRoot: "data.root",
    task: "data.task",
    labels: "data.labels",
    from: "from.run",
    fromParts: "from.parts",
    part: "from.part",
    classes: "from.classes",
    freeze: "optim.freeze",
  },
};

const EXAMPLES = `
Examples:
  mask-jepa finetune --data scenes --task panoptic --from runs/a --out runs/b
  mask-jepa finetune --data scenes --family mp-former --from runs/a --out runs/c
  mask-jepa finetune --data recipes/data-dsb2018.yaml --data-root dsb2018 --preset dsb2018 --labels 10%
  mask-jepa finetune --data ADEChallengeData2016 --preset mask2former-r50-ade20k-semantic --from runs/a --batch 2
  mask-jepa finetune --data scenes --from hf:facebook/mask2former-swin-tiny-coco-panoptic --batch 2
  mask-jepa finetune --resume runs/b

The model is that of the weights given with --from, of the family that --family says. Presets:
  ${PRESET_NAMES.join("\n  ")}`;

async function finetune({ preset, config, set, out, resume, overwrite, dryRun, ...flags }: Flags): Promise<void> {
  const reporter = openTerminal();
  const overrides = { file: config, sets: set, flags: settingsOf(flags, FLAGS) };
  const settings =
    resume === undefined
      ? await resolveWithWeights({ preset, ...overrides }, reporter)
      : resumeSettings(storedSettingsFile(resume, "finetune"), overrides);
  if (settings.data.path === null) {
    throw new InputError({
      where: "finetune",
      expected: "a data set with labels",
      found: "none",
      fix:
        "Give one with --data; `mask-jepa sample-data DIR` makes one, `mask-jepa data check --data DATA` looks at " +
        "yours.",
    });
  }
  requireWeights(flags, settings.from.run);
  const start = startOf({ resume, overwrite });
  const { runFinetuning } = await import("../finetune/run.js");
  const { interrupted } = await runFinetuning({ settings, out: resume ?? out, start, dryRun, reporter });
  if (interrupted) process.exitCode = INTERRUPTED;
}

export function addFinetune(program: Command): void {
  const command = program
    .command("finetune")
    .description("fine-tune a model on labelled images, from a pretraining run, published weights, or random ones")
    .option("--data <path>", "labelled data: a folder (ADE20K, Cityscapes, COCO, or with a data.yaml) or a YAML file")
    .option("--data-root <dir>", "the data's folder, in place of the one that the YAML file names")
    .addOption(
      new Option(
        "--task <task>",
        "what to learn (default: panoptic where the data has such labels, else instance, else semantic)",
      ).choices([...TASKS]),
    )
    .option("--family <name>", `architecture: ${FAMILY_NAMES.join(", ")} (default: the preset's, or that of --from)`)
    .option(
      "--from <weights>",
      "weights to start from: run, checkpoint, file, folder of a Hugging Face model, or hf:owner/name",
    )
    .option("--from-parts <list>", "parts of it: backbone,pixel-decoder,transformer-decoder", (text) => text.split(","))
    .addOption(partOption())
    .addOption(
      new Option(
        "--classes <rule>",
        "weights of classes that are not the same there: fresh, or row by row those of the same names",
      ).choices([...CLASS_RULES]),
    )
    .option("--freeze <list>", "parts of the model that stay as they are, e.g. backbone", (text) => text.split(","))
    .option("--labels <share>", "labelled images to use: 10% or a number; the same ones for a seed (data.labelsSeed)")
    .option("--dry-run", "print settings, parameters, and estimates of memory and time, and stop; reads the data alone")
    .addHelpText("after", EXAMPLES)
    .action(finetune);
  addRunOptions(command, { preset: "settings to start from, see below (default: small)", out: "runs/finetune" });
}
