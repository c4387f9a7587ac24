/** @file What was found in one image, for a person who asked about that one. */

import type { Size } from "../../core/image.js";
import { maskArea } from "../../masks/run-lengths.js";
import { IGNORED, type SegmentationClass, type Task } from "../../masks/segmentation.js";
import type { Prediction } from "../predictor.js";

/** A segment, an instance, or a class of a semantic map. */
export interface Finding {
  readonly name: string;
  /** Pixels. */
  readonly area: number;
  /** 0 to 1; a class of a semantic map has none. */
  readonly score?: number;
}

export interface Findings {
  /** Pixels of the image. */
  readonly pixels: number;
  /** By form, those that were kept: instances by falling score, others by falling area. */
  readonly forms: ReadonlyMap<Task, readonly Finding[]>;
}

/** `prediction`: what was kept of it. */
export function findingsOf(
  { semantic, panoptic, instances }: Omit<Prediction, "confidence">,
  { width, height }: Size,
  classes: readonly SegmentationClass[],
): Findings {
  const forms = new Map<Task, readonly Finding[]>();
  const byArea = (found: Finding[]) => found.sort((a, b) => b.area - a.area);
  if (semantic) {
    const areas = new Float64Array(classes.length);
    for (const label of semantic.labels) if (label !== IGNORED) areas[label]++;
    const present = classes.map(({ name }, label) => ({ name, area: areas[label] })).filter(({ area }) => area > 0);
    forms.set("semantic", byArea(present));
  }
  if (panoptic) {
    const segments = panoptic.segments.map(({ label, area, score }) => ({ name: classes[label].name, area, score }));
    forms.set("panoptic", byArea(segments));
  }
  if (instances) {
    const found = instances.map(({ label, score, mask }) => ({
      name: classes[label].name,
      area: maskArea(mask),
      score,
    }));
    forms.set("instance", found);
  }
  return { pixels: width * height, forms };
}
