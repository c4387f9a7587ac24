/**
 * @file A run that goes on with another length: allowed where no step that it has taken would have been another one.
 */

import { InputError } from "../core/errors.js";
import type { Reporter } from "../core/reporter.js";
import { plural } from "../core/text.js";
import { learningRateFactor, type Schedule } from "../train/schedule.js";

/** What a checkpoint says of the length of its run. */
export interface RunLength {
  /** Finished steps. */
  readonly step: number;
  /** Steps of the whole run. */
  readonly steps: number;
  /** Steps of its warm-up; a checkpoint that does not say has those of the settings. */
  readonly warmupSteps?: number;
}

export const warmupStepsOf = (warmup: number, steps: number) => Math.round(warmup * steps);

/** A number that a step depends on and that the length of the run decides. */
export interface Rate {
  /** For a person, with the settings behind it. */
  readonly name: string;
  /** At a step, from 0, of a run of so many steps. */
  readonly at: (step: number, steps: number) => number;
}

export interface Continuation {
  /** The folder of the run, and the command that goes on with it. */
  readonly out: string;
  readonly command: string;
  /** Undefined for a run that begins. */
  readonly before: RunLength | undefined;
  /** Steps of the whole run from now on. */
  readonly steps: number;
  /** Beside the learning rate. */
  readonly others?: readonly Rate[];
  readonly reporter: Reporter;
}

interface Scheduled {
  readonly optim: Omit<Schedule, "kind"> & { readonly schedule: Schedule["kind"] };
}

/**
 * The settings of a run that goes on, with the share of the warm-up that keeps it as many steps as it was.
 * @throws InputError when a step that was taken would have had another rate in a run of the new length
 */
export function continued<S extends Scheduled>(settings: S, continuation: Continuation): S {
  const { out, command, before, steps, others = [], reporter } = continuation;
  if (!before) return settings;
  const { step: taken, steps: was } = before;
  const { optim } = settings;
  const warmupSteps = before.warmupSteps ?? warmupStepsOf(optim.warmup, was);
  const again = `mask-jepa ${command} --from ${out} --steps N --out NEW`;
  const fix = `For another length begin a new run from its weights: ${again}.`;
  const refuse = (expected: string): never => {
    throw new InputError({ where: `--resume ${out}`, expected, found: `${steps} steps`, fix });
  };
  if (steps < taken) refuse(`at least the ${taken} steps that the run has taken`);
  if (warmupSteps > 0 && warmupSteps >= steps) refuse(`more than the ${warmupSteps} steps of its warm-up`);
  const share = (of: number) => (warmupStepsOf(optim.warmup, of) === warmupSteps ? optim.warmup : warmupSteps / of);
  const learningRate: Rate = {
    name: `the learning rate (optim.schedule ${optim.schedule})`,
    at: (step, of) => learningRateFactor({ ...optim, kind: optim.schedule, warmup: share(of) }, step, of),
  };
  const length = Array.from({ length: steps === was ? 0 : taken }, (_, step) => step);
  for (const { name, at } of [learningRate, ...others]) {
    const step = length.find((step) => at(step, was) !== at(step, steps));
    if (step === undefined) continue;
    refuse(`the ${was} steps that it began with: ${name} depends on them, and step ${step + 1} is taken`);
  }
  if (steps !== was) reporter.say(`The run is ${plural(steps, "step")} long from now on; it was ${was}.`);
  return { ...settings, optim: { ...optim, warmup: share(steps) } };
}
