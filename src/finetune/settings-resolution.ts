/** @file Settings of a fine-tuning run, from its preset to what is stored in its folder. */

import { resolve } from "node:path";
import { isHubLocation } from "../checkpoint/hub-location.js";
import { isFamily } from "../families/families.js";
import { withModel, withParts } from "../run/model-presets.js";
import { type AskedFor, settingsResolution } from "../run/settings-resolution.js";
import { storedModelOf, storedQueriesOf } from "../run/stored-run.js";
import { withKnownWeights } from "../weights/known-settings.js";
import { isPublished, lossWeightsOf, PRESETS } from "./presets.js";
import { checkAgreement, type FinetuneSettings, finetuneSchema, RESUMABLE_SETTINGS } from "./settings.js";

/** Learning rate of the published recipes when they start from pretrained weights. */
const PRETRAINED_LR = 2e-4;

/**
 * With weights from elsewhere, a preset for data of some kind takes their model, and a published one, which has a model
 * of its own, the learning rate for pretrained weights.
 */
function adaptToWeights(preset: FinetuneSettings, { preset: name, assignments, weights }: AskedFor): FinetuneSettings {
  const from = assignments.findLast(({ path }) => path.join(".") === "from.run")?.value;
  if (typeof from !== "string") return preset;
  if (isPublished(name)) return { ...preset, optim: { ...preset.optim, lr: PRETRAINED_LR } };
  const { model = preset.model, queries } = weights
    ? { model: withParts(preset.model, weights.parts), queries: weights.queries }
    : { model: storedModelOf(from), queries: storedQueriesOf(from) };
  const given = assignments.findLast(({ path }) => path.join(".") === "model.family")?.value;
  // Queries of another family start fresh, however many there are.
  const isOther = isFamily(given) && given !== model.family;
  return { ...preset, model, decoder: { ...preset.decoder, ...(queries && !isOther && { queries }) } };
}

/**
 * A preset for a model of one family, with that of another one, has the weights of its losses. [choice] A small one
 * drops nothing: under the published dropout MaskFormer and OneFormer learn next to nothing in so few steps
 * (docs/results.md).
 */
function adaptToFamily(preset: FinetuneSettings, asked: AskedFor): FinetuneSettings {
  const adapted = adaptToWeights(preset, asked);
  const given = asked.assignments.findLast(({ path }) => path.join(".") === "model.family")?.value;
  const family = isFamily(given) ? given : adapted.model.family;
  if (family === preset.model.family) return adapted;
  const settings = { ...adapted, criterion: { ...adapted.criterion, ...lossWeightsOf(family) } };
  if (isPublished(asked.preset) || family === adapted.model.family) return settings;
  const { model } = withModel(settings, { family });
  return { ...settings, model: { ...model, ...("dropout" in model && { dropout: 0 }) } };
}

const resolution = settingsResolution({
  schema: finetuneSchema,
  presets: PRESETS,
  defaultPreset: "small",
  adapt: adaptToFamily,
  check: checkAgreement,
  resolvePaths({ data, from }) {
    if (data.path !== null) data.path = resolve(data.path);
    if (data.root !== null) data.root = resolve(data.root);
    if (from.run !== null && !isHubLocation(from.run)) from.run = resolve(from.run);
  },
  resumable: RESUMABLE_SETTINGS,
});

/** Settings of a fine-tuning run, new or as they are stored; `run/settings-resolution.ts` says what each does. */
export const {
  resolve: resolveSettings,
  list: listSettings,
  load: loadSettings,
  resume: resumeSettings,
  toYaml,
} = resolution;

/** As `resolveSettings`; the model of weights that are no run of this program is read off these. */
export const resolveWithWeights = withKnownWeights(resolution);
