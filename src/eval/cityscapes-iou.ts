/**
 * @file Cityscapes' pixel-level scores, as cityscapesScripts: IoU of classes and categories, and both weighted by
 * instance.
 */

import { InputError, suggestion } from "../core/errors.js";
import { shapeMask } from "../masks/polygons.js";
import { paintMask } from "../masks/run-lengths.js";
import type { InstanceSet, SegmentationClass, SemanticMap } from "../masks/segmentation.js";
import { checkLabel, checkSameSize, classRows, mean, type Score, type Scores, share } from "./scores.js";
import { confusionMatrix } from "./semantic-iou.js";

/** The classes of each category. */
const CATEGORIES: Readonly<Record<string, readonly string[]>> = {
  flat: ["road", "sidewalk"],
  construction: ["building", "wall", "fence"],
  object: ["pole", "traffic light", "traffic sign"],
  nature: ["vegetation", "terrain"],
  sky: ["sky"],
  human: ["person", "rider"],
  vehicle: ["car", "truck", "bus", "train", "motorcycle", "bicycle"],
};

/** Mean size in pixels of an instance of each thing, as cityscapesScripts has it. */
const INSTANCE_SIZES: Readonly<Record<string, number>> = {
  person: 3462.4756337644,
  rider: 3930.4788056518,
  car: 12794.0202738185,
  truck: 27855.1264367816,
  bus: 35732.1511111111,
  train: 67583.7075812274,
  motorcycle: 6298.7200839748,
  bicycle: 4672.3249222261,
};

const NAMES = Object.values(CATEGORIES).flat();

export interface CityscapesScores extends Scores {
  /** The same numbers of the categories: flat, construction, ... */
  readonly categories: readonly { readonly name: string; readonly scores: Readonly<Record<string, Score>> }[];
}

/**
 * @param classes Cityscapes' 19 or some of them, by its names
 * @returns an evaluator. Rows and categories: iou and iiou (each instance weighted as if it had its class's mean size;
 * null for what has no instances); `summary`: the means miou, iiou, categoryMiou, categoryIiou over what occurs
 * @throws InputError when a class is none of Cityscapes'
 */
export function cityscapesIou(classes: readonly SegmentationClass[]) {
  for (const { name } of classes) {
    if (NAMES.includes(name)) continue;
    const fix = suggestion(name, NAMES);
    throw new InputError({ where: "Cityscapes scores", expected: "a class of Cityscapes", found: `"${name}"`, fix });
  }
  const labels = [...classes.keys()];
  const categories = Object.entries(CATEGORIES).map(([name, names]) => ({
    name,
    members: labels.filter((label) => names.includes(classes[label].name)),
  }));
  const matrix = confusionMatrix(classes);
  const stride = classes.length + 1;
  /** As the matrix, but of pixels in instances, each weighted by (mean size of the class / size of the instance). */
  const weighted = new Float64Array(classes.length * stride);

  function addInstances({ width, height, instances }: InstanceSet, prediction: SemanticMap): void {
    const objects = instances.filter(({ label, crowd }) => !crowd && classes[label].name in INSTANCE_SIZES);
    const owner = new Uint32Array(width * height);
    objects.forEach(({ shape }, i) => {
      paintMask(shapeMask(shape, width, height), owner, i + 1);
    });
    const pixels = new Float64Array((objects.length + 1) * stride);
    owner.forEach((object, i) => {
      pixels[object * stride + Math.min(prediction.labels[i], classes.length)]++;
    });
    objects.forEach(({ label }, i) => {
      const own = pixels.subarray((i + 1) * stride, (i + 2) * stride);
      const size = own.reduce((a, b) => a + b, 0);
      if (size === 0) return;
      own.forEach((count, predicted) => {
        weighted[label * stride + predicted] += (count * INSTANCE_SIZES[classes[label].name]) / size;
      });
    });
  }

  /** Of the classes `members` together. */
  function scoresOf(members: readonly number[]): Record<string, Score> {
    const inside = new Set(members);
    let [right, wrong, labelled, weightedRight, weightedAll] = [0, 0, 0, 0, 0];
    for (const label of labels) {
      for (const predicted of members) {
        if (inside.has(label)) right += matrix.at(label, predicted);
        else wrong += matrix.at(label, predicted);
      }
    }
    for (const label of members) {
      labelled += matrix.labelled(label);
      for (const predicted of members) weightedRight += weighted[label * stride + predicted];
      for (let predicted = 0; predicted < stride; predicted++) weightedAll += weighted[label * stride + predicted];
    }
    const counted = members.length > 0 && members.every((label) => classes[label].name in INSTANCE_SIZES);
    return { iou: share(right, labelled + wrong), iiou: counted ? share(weightedRight, weightedAll + wrong) : null };
  }

  return {
    /**
     * Counts one image.
     * @param truth labels; IGNORED where an ignored class of Cityscapes is
     * @param instances the objects of the image; crowds have no instances to weight
     * @param where names the image in errors
     * @throws InputError when sizes differ or a label is no class
     */
    add(truth: SemanticMap, instances: InstanceSet, prediction: SemanticMap, where = "semantic prediction"): void {
      checkSameSize(truth, instances, where);
      for (const { label } of instances.instances) checkLabel(label, classes, where);
      matrix.add(truth, prediction, where);
      addInstances(instances, prediction);
    },

    result(): CityscapesScores {
      const rows = classRows(classes, (label) => scoresOf([label]));
      const groups = categories.map(({ name, members }) => ({ name, scores: scoresOf(members) }));
      const meanOf = (from: readonly { scores: Readonly<Record<string, Score>> }[], name: string) =>
        mean(from.map(({ scores }) => scores[name]));
      const summary = {
        miou: meanOf(rows, "iou"),
        iiou: meanOf(rows, "iiou"),
        categoryMiou: meanOf(groups, "iou"),
        categoryIiou: meanOf(groups, "iiou"),
      };
      return { summary, classes: rows, categories: groups };
    },
  };
}
