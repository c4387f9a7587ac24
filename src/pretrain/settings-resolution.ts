/** @file Settings of a pretraining run, from its preset to what is stored in its folder. */

import { resolve } from "node:path";
import { isHubLocation } from "../checkpoint/hub-location.js";
import { mergeSettings } from "../core/settings-file.js";
import { withParts } from "../run/model-presets.js";
import { type AskedFor, settingsResolution } from "../run/settings-resolution.js";
import { storedModelOf, storedSettingsOf } from "../run/stored-run.js";
import { withKnownWeights } from "../weights/known-settings.js";
import { PRESETS } from "./presets.js";
import { checkAgreement, type PretrainSettings, pretrainSchema, RESUMABLE_SETTINGS } from "./settings.js";

/** The settings of the pretraining run whose weights are taken; undefined where it is none. @throws InputError */
function settingsOfRun(run: string): PretrainSettings | undefined {
  const stored = storedSettingsOf(run);
  if (!stored?.assignments.some(({ path }) => path[0] === "pretrain")) return undefined;
  return mergeSettings(pretrainSchema, { from: {} }, stored.assignments, `${stored.file}:`).settings;
}

/**
 * Who begins with the weights of a pretraining run has all settings of that run, its backbone among the weights; with a
 * preset, or other weights, their model.
 */
function adaptToWeights(preset: PretrainSettings, { isDefault, assignments, weights }: AskedFor): PretrainSettings {
  const from = assignments.findLast(({ path }) => path.join(".") === "from.run")?.value;
  if (typeof from !== "string") return preset;
  if (weights) return { ...preset, model: withParts(preset.model, weights.parts) };
  const settings = settingsOfRun(from);
  if (settings && isDefault) return { ...settings, backbone: { ...settings.backbone, weights: null } };
  return { ...preset, model: settings?.model ?? storedModelOf(from) ?? preset.model };
}

const resolution = settingsResolution({
  schema: pretrainSchema,
  presets: PRESETS,
  defaultPreset: "r50",
  adapt: adaptToWeights,
  check: checkAgreement,
  resolvePaths(settings) {
    settings.data.images = settings.data.images.map((folder) => resolve(folder));
    const { data, root } = settings.probe;
    if (data !== null) settings.probe.data = resolve(data);
    if (root !== null) settings.probe.root = resolve(root);
    const { weights } = settings.backbone;
    if (weights !== null && !isHubLocation(weights)) settings.backbone.weights = resolve(weights);
    const { run } = settings.from;
    if (run !== null && !isHubLocation(run)) settings.from.run = resolve(run);
  },
  resumable: RESUMABLE_SETTINGS,
});

/** Settings of a pretraining run, new or as they are stored; `run/settings-resolution.ts` says what each does. */
export const {
  resolve: resolveSettings,
  list: listSettings,
  load: loadSettings,
  resume: resumeSettings,
  toYaml,
} = resolution;

/** As `resolveSettings`; the model of weights that are no run of this program is read off these. */
export const resolveWithWeights = withKnownWeights(resolution);
