/** @file `mask-jepa pretrain` */

import { type Command, Option } from "commander";
import { InputError } from "../core/errors.js";
import type { Reporter } from "../core/reporter.js";
import { PRESET_NAMES } from "../pretrain/presets.js";
import { resolveWithWeights, resumeSettings } from "../pretrain/settings-resolution.js";
import { INTERRUPTED } from "../run/stop-request.js";
import { append, partOption, RUN_FLAGS, settingsOf } from "./arguments.js";
import { addRunOptions, type RunFlags, requireWeights, startOf } from "./run-options.js";
import { storedSettingsFile } from "./stored-settings.js";
import { openTerminal } from "./terminal.js";

interface Flags extends RunFlags {
  dryRun?: boolean;
}

const FLAGS = {
  values: { ...RUN_FLAGS, size: "data.size" },
  texts: {
    images: "data.images",
    from: "from.run",
    backbone: "backbone.weights",
    weights: "backbone.weights",
    part: "from.part",
    probe: "probe.data",
    probeRoot: "probe.root",
  },
};

const EXAMPLES = `
Examples:
  mask-jepa pretrain --images photos --preset r50 --out runs/a
  mask-jepa pretrain --images photos --probe camvid.yaml --out runs/a
  mask-jepa pretrain --resume runs/a
  mask-jepa pretrain --from runs/a --steps 2000 --out runs/b
  mask-jepa pretrain --images photos --preset paper-r50 --backbone resnet50.pth --dry-run
  mask-jepa pretrain --config recipes/pretrain-r50-cpu.yaml --images photos --set optim.lr=2e-4 --steps 500`;

async function pretrain({
  preset,
  config,
  set,
  out,
  resume,
  overwrite,
  dryRun = false,
  ...flags
}: Flags): Promise<void> {
  const reporter = openTerminal();
  const overrides = { file: config, sets: set, flags: settingsOf(flags, FLAGS) };
  const settings =
    resume === undefined
      ? await resolveWithWeights({ preset, ...overrides }, reporter)
      : resumeSettings(storedSettingsFile(resume, "pretrain"), overrides);
  if (settings.data.images.length === 0 && !dryRun) {
    throw new InputError({
      where: "pretrain",
      expected: "a folder of images",
      found: "none",
      fix: "Give one with --images DIR; `mask-jepa sample-data DIR` makes one.",
    });
  }
  const start = startOf({ resume, overwrite });
  const { weights } = settings.backbone;
  requireWeights(flags, settings.from.run ?? weights);
  if (start !== "resume" && weights !== null)
    await announceBackbone(weights, settings.from.part ?? undefined, reporter);
  const { runPretraining } = await import("../pretrain/run.js");
  const { interrupted } = await runPretraining({ settings, out: resume ?? out, start, dryRun, reporter });
  if (interrupted) process.exitCode = INTERRUPTED;
}

/** Fetches the backbone's weights and says what they are, before the longer work begins. Throws `InputError`. */
async function announceBackbone(location: string, part: string | undefined, reporter: Reporter): Promise<void> {
  const { inspectWeights } = await import("../checkpoint/read-weights.js");
  const { announceWeights, knownModel } = await import("../weights/known-model.js");
  const stored = await inspectWeights(location, { part, reporter });
  announceWeights(stored, await knownModel(stored), { reporter, brief: false });
}

export function addPretrain(program: Command): void {
  const command = program
    .command("pretrain")
    .description("pretrain a mask-classification model on a folder of images with Mask-JEPA")
    .option("--images <dir>", "folder of images, searched with its subfolders (repeatable)", append)
    .option(
      "--probe <data>",
      "labelled data that features are probed with every probe.every steps; keeps the best checkpoint",
    )
    .option("--probe-root <dir>", "its folder, in place of the one that the YAML file names")
    .option("--dry-run", "print settings, parameters, and estimates of memory and time, and stop")
    .option("--size <pixels>", "side of the square crops, a multiple of 32")
    .addOption(
      new Option(
        "--from <weights>",
        "pretraining run whose weights and settings a new run begins with, or other weights of a whole encoder",
      ).conflicts(["resume", "backbone", "weights"]),
    )
    .option(
      "--backbone <weights>",
      "backbone weights: file, hf:owner/name, run; add --set backbone.frozen=true to keep them fixed",
    )
    .addOption(partOption())
    .addOption(new Option("--weights <file>", "earlier name of --backbone").conflicts("backbone").hideHelp())
    .addHelpText("after", EXAMPLES)
    .action(pretrain);
  addRunOptions(command, {
    preset: `settings to start from: ${PRESET_NAMES.join(", ")} (default: r50)`,
    out: "runs/pretrain",
  });
}
