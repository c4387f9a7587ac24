/** @file Settings of a pretraining run, from its preset to what is stored in its folder. */

import { resolve } from "node:path";
import { isHubLocation } from "../checkpoint/weights-location.js";
import { settingsResolution } from "../run/settings-resolution.js";
import { PRESETS } from "./presets.js";
import { checkAgreement, pretrainSchema, RESUMABLE_SETTINGS } from "./settings.js";

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
  check: checkAgreement,
  resolvePaths(settings) {
    settings.data.images = settings.data.images.map((folder) => resolve(folder));
    const { weights } = settings.backbone;
    if (weights !== null && !isHubLocation(weights)) settings.backbone.weights = resolve(weights);
  },
  resumable: RESUMABLE_SETTINGS,
});
