/** @file Settings of a pretraining run, from its preset to what is stored in its folder. */

import { resolve } from "node:path";
import { isHubLocation } from "../checkpoint/weights-location.js";
import { InputError } from "../core/errors.js";
import { mergeSettings } from "../core/settings-file.js";
import { type AskedFor, settingsResolution } from "../run/settings-resolution.js";
import { storedSettingsOf } from "../run/stored-run.js";
import { PRESETS } from "./presets.js";
import { checkAgreement, type PretrainSettings, pretrainSchema, RESUMABLE_SETTINGS } from "./settings.js";

/** The settings of the pretraining run whose weights are taken. @throws InputError when it is none */
function settingsOfRun(run: string): PretrainSettings {
  const stored = storedSettingsOf(run);
  const isPretraining = stored?.assignments.some(({ path }) => path[0] === "pretrain");
  if (!stored || !isPretraining) {
    throw new InputError({
      where: `--from ${run}`,
      expected: "the folder of a pretraining run, or one of its checkpoints",
      found: stored ? "another kind of run" : "no settings of a run there",
    });
  }
  return mergeSettings(pretrainSchema, { from: {} }, stored.assignments, `${stored.file}:`).settings;
}

/**
 * Who begins with the weights of a run has all settings of that run, its backbone among the weights; or a preset with
 * its model.
 */
function adaptToRun(preset: PretrainSettings, { isDefault, assignments }: AskedFor): PretrainSettings {
  const from = assignments.findLast(({ path }) => path.join(".") === "from.run")?.value;
  if (typeof from !== "string") return preset;
  const settings = settingsOfRun(from);
  const model = { ...preset, model: settings.model };
  return isDefault ? { ...settings, backbone: { ...settings.backbone, weights: null } } : model;
}

/** Settings of a pretraining run, new or as they are stored; `run/settings-resolution.ts` says what each does. */
export const {
  resolve: resolveSettings,
  list: listSettings,
  load: loadSettings,
  resume: resumeSettings,
  toYaml,
} = settingsResolution({
  schema: pretrainSchema,
  presets: PRESETS,
  defaultPreset: "r50",
  adapt: adaptToRun,
  check: checkAgreement,
  resolvePaths(settings) {
    settings.data.images = settings.data.images.map((folder) => resolve(folder));
    const { weights } = settings.backbone;
    if (weights !== null && !isHubLocation(weights)) settings.backbone.weights = resolve(weights);
    const { run } = settings.from;
    if (run !== null) settings.from.run = resolve(run);
  },
  resumable: RESUMABLE_SETTINGS,
});
