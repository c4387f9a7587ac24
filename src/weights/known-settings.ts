/** @file Settings of a run that begins with weights of other origin: their model is read off them. */

import { inspectWeights, isRunLocation } from "../checkpoint/read-weights.js";
import { type Reporter, SILENT } from "../core/reporter.js";
import type { NewRun, SettingsResolution, WeightsAskedFor, WeightsSettings } from "../run/settings-resolution.js";
import { storedSettingsOf } from "../run/stored-run.js";
import { announceWeights, knownModel } from "./known-model.js";

/** Undefined for a run that has stored its settings. Throws `InputError` when there is nothing that can be read. */
async function knownSettings(
  { location, part }: WeightsAskedFor,
  reporter: Reporter,
): Promise<WeightsSettings | undefined> {
  if ((await isRunLocation(location)) && storedSettingsOf(location)) return undefined;
  const stored = await inspectWeights(location, { part, reporter });
  const known = await knownModel(stored);
  announceWeights(stored, known, { reporter });
  const { backbone, decoders, queries } = known;
  return { parts: { backbone, decoders }, queries };
}

/**
 * `resolve` for any weights at `from.run`. Of those that are no run of this program, the reporter is told what they
 * are.
 * @returns a function that throws what `resolve` does, and InputError for weights that cannot be read
 */
export const withKnownWeights =
  <T>({ resolve, weightsAskedFor }: SettingsResolution<T>) =>
  async (options: NewRun, reporter: Reporter = SILENT): Promise<T> => {
    const from = weightsAskedFor(options);
    return resolve(
      { ...options, weights: from === undefined ? undefined : await knownSettings(from, reporter) },
      reporter,
    );
  };
