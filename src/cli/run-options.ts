/** @file The options that every command has which starts or goes on with a run. */

import { type Command, Option } from "commander";
import { DEVICES } from "../core/devices.js";
import { InputError } from "../core/errors.js";
import type { Start } from "../run/run-directory.js";
import { append } from "./arguments.js";

export interface RunFlags {
  preset?: string;
  config?: string;
  set?: string[];
  out: string;
  resume?: string;
  overwrite?: boolean;
}

/** Adds the options for settings and the run's folder; `preset` describes the presets, `out` is the usual folder. */
export function addRunOptions(command: Command, { preset, out }: { preset: string; out: string }): Command {
  return command
    .option("--preset <name>", preset)
    .option("--config <file>", "YAML file with settings over the preset")
    .option(
      "--set <key=value>",
      "one setting over the file, e.g. optim.lr=2e-4 (repeatable); `mask-jepa settings` lists them",
      append,
    )
    .option("--out <dir>", "folder of the run", out)
    .addOption(
      new Option("--resume <dir>", "go on with the run in this folder").conflicts(["preset", "out", "overwrite"]),
    )
    .option("--overwrite", "replace the run that --out holds")
    .option("--steps <n>", "optimiser steps")
    .option("--epochs <n>", "passes over the images, instead of --steps")
    .option("--seed <n>", "seed of everything random")
    .option("--cores <n>", "CPU cores to use, 0 for all")
    .option("--device <name>", `where to compute: ${DEVICES.join(", ")}`)
    .option("--batch <n>", "images per optimiser step");
}

/** Flags that say something of the weights to begin with. */
const OF_WEIGHTS = { part: "--part", fromParts: "--from-parts", classes: "--classes" } as const;

/** @throws InputError for a flag that would be passed over, since a run begins with random `weights` (null) */
export function requireWeights(flags: object, weights: string | null): void {
  const [given] = Object.entries(OF_WEIGHTS).filter(([name]) => name in flags);
  if (weights !== null || given === undefined) return;
  const fix = "Give them with --from, or leave it out.";
  throw new InputError({ where: given[1], expected: "weights to begin with", found: "random ones", fix });
}

export function startOf({ resume, overwrite }: Pick<RunFlags, "resume" | "overwrite">): Start {
  if (resume !== undefined) return "resume";
  return overwrite ? "overwrite" : "new";
}
