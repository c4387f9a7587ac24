/** @file Settings of a fine-tuning run, from its preset to what is stored in its folder. */

import { resolve } from "node:path";
import { z } from "zod";
import { mergeSettings } from "../core/settings-file.js";
import { type ModelSettings, modelSection } from "../run/model-settings.js";
import { type AskedFor, settingsResolution } from "../run/settings-resolution.js";
import { storedSettingsOf } from "../run/stored-run.js";
import { isPublished, PRESETS } from "./presets.js";
import { checkAgreement, type FinetuneSettings, finetuneSchema, RESUMABLE_SETTINGS } from "./settings.js";

/** Learning rate of the published recipes when they start from pretrained weights. */
const PRETRAINED_LR = 2e-4;

/** The model that a run, or the run of a checkpoint, was about; undefined where no settings are stored. */
function modelOfRun(run: string): ModelSettings | undefined {
  const stored = storedSettingsOf(run);
  if (!stored) return undefined;
  const model = stored.assignments.filter(({ path }) => path[0] === "model");
  return mergeSettings(z.strictObject({ model: modelSection }), {}, model, `${stored.file}:`).settings.model;
}

/**
 * With weights from a run, a preset for data of some kind takes the model of that run, and a published one, which has a
 * model of its own, the learning rate for pretrained weights.
 */
function adaptToWeights(preset: FinetuneSettings, { preset: name, assignments }: AskedFor): FinetuneSettings {
  const from = assignments.findLast(({ path }) => path.join(".") === "from.run")?.value;
  if (typeof from !== "string") return preset;
  if (isPublished(name)) return { ...preset, optim: { ...preset.optim, lr: PRETRAINED_LR } };
  return { ...preset, model: modelOfRun(from) ?? preset.model };
}

/** Settings of a fine-tuning run, new or as they are stored; `run/settings-resolution.ts` says what each does. */
export const {
  resolve: resolveSettings,
  list: listSettings,
  load: loadSettings,
  resume: resumeSettings,
  toYaml,
} = settingsResolution({
  schema: finetuneSchema,
  presets: PRESETS,
  defaultPreset: "small",
  adapt: adaptToWeights,
  check: checkAgreement,
  resolvePaths({ data, from }) {
    if (data.path !== null) data.path = resolve(data.path);
    if (data.root !== null) data.root = resolve(data.root);
    if (from.run !== null) from.run = resolve(from.run);
  },
  resumable: RESUMABLE_SETTINGS,
});
