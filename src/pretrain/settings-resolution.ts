/** @file Settings of a pretraining run, from its preset to what is stored in its folder. */

import { resolve } from "node:path";
import { isHubLocation } from "../checkpoint/hub-location.js";
import { InputError } from "../core/errors.js";
import { mergeSettings } from "../core/settings-file.js";
import { withParts } from "../run/model-presets.js";
import { type AskedFor, type SettingsOverrides, settingsResolution } from "../run/settings-resolution.js";
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
export const { resolve: resolveSettings, list: listSettings, load: loadSettings, toYaml } = resolution;

/** What the scores of a run's probe are taken on. */
const PROBED = ["data", "root", "images"] as const;

/**
 * Settings of a run that goes on. A probe may begin, or end, where the run goes on.
 * @throws InputError for changes of what its steps, or scores of its probe, depend on
 */
export function resumeSettings(storedFile: string, overrides?: SettingsOverrides): PretrainSettings {
  const { probe } = resolution.load(storedFile);
  const settings = resolution.resume(storedFile, overrides);
  const isProbed = probe.data !== null && settings.probe.data !== null;
  const changed = PROBED.find((key) => isProbed && settings.probe[key] !== probe[key]);
  if (!changed) return settings;
  throw new InputError({
    where: storedFile,
    expected: `probe.${changed} ${probe[changed]}, with which the run has chosen its best checkpoint so far`,
    found: String(settings.probe[changed]),
    fix: "Leave it out, or begin a new run with --from; `mask-jepa probe` scores a checkpoint on any data.",
  });
}

/** As `resolveSettings`; the model of weights that are no run of this program is read off these. */
export const resolveWithWeights = withKnownWeights(resolution);
