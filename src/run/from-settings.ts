/** @file Settings of the weights that a run begins with, the same for pretraining and fine-tuning. */

import { added, count, MAX_STEPS, name, orNull, path } from "../core/settings-fields.js";

export const fromFields = {
  run: added(
    orNull(
      path(
        "Weights to begin with: a run, checkpoint, file, Hugging Face folder or hf:owner/name; null for random ones.",
      ),
    ),
    null,
  ),
  step: added(
    orNull(
      count(
        { min: 0, max: MAX_STEPS },
        "Step of the checkpoint where that is a run; null for the newest, and then the run stores which.",
      ),
    ),
    null,
  ),
  part: added(
    orNull(
      name(
        "a part",
        "Which of several models there: a dictionary or the start of names, e.g. model_ema; null for the usual one.",
      ),
    ),
    null,
  ),
};
