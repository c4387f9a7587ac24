/** @file The class of each pixel, of what `predict` gives and of what a file gives: what the two are compared by. */

import type { Size } from "../../core/image.js";
import { decodeMask } from "../../masks/run-lengths.js";
import { IGNORED, type Task } from "../../masks/segmentation.js";
import type { Prediction } from "../../predict/predictor.js";
import type { Answer, Labels } from "./try-file.js";

/** Of a prediction in one form. */
export function labelsOf(
  { semantic, panoptic, instances = [] }: Prediction,
  { width, height }: Size,
): Labels & Uint16Array {
  if (semantic) return semantic.labels;
  const labels = new Uint16Array(width * height).fill(IGNORED);
  if (panoptic) {
    const byId = new Map(panoptic.segments.map(({ id, label }) => [id, label]));
    return labels.map((_, i) => byId.get(panoptic.ids[i]) ?? IGNORED);
  }
  for (const { mask, label } of [...instances].reverse()) {
    decodeMask(mask).forEach((inside, i) => {
      if (inside) labels[i] = label;
    });
  }
  return labels;
}

/** Of a form of answer that a file gives. */
export function labelsInAnswer(answer: Answer, form: Task, { width, height }: Size): Labels {
  const valuesOf = (name: string) => answer.get(name)?.data as ArrayLike<number | bigint>;
  const pixels = width * height;
  const labels = new Uint16Array(pixels).fill(IGNORED);
  if (form === "semantic") {
    const classes = valuesOf("semantic");
    return labels.map((_, i) => Number(classes[i]));
  }
  if (form === "panoptic") {
    const [ids, byId] = [valuesOf("panoptic"), valuesOf("panoptic_labels")];
    return labels.map((_, i) => (Number(ids[i]) === 0 ? IGNORED : Number(byId[Number(ids[i])])));
  }
  const [masks, classes, scores] = ["masks", "labels", "scores"].map((name) => valuesOf(`instance_${name}`));
  for (let k = classes.length - 1; k >= 0; k--) {
    if (Number(scores[k]) === 0) continue; // none, where a model predicts things alone
    for (let i = 0; i < pixels; i++) if (masks[k * pixels + i]) labels[i] = Number(classes[k]);
  }
  return labels;
}
