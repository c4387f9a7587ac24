/** @file Per-class IoU and its means, as mmseg's IoUMetric. Keeps one confusion matrix. */

import { IGNORED, type SegmentationClass, type SemanticMap } from "../masks/segmentation.js";
import { checkLabel, checkSameSize, classRows, mean, type Score, type Scores, share } from "./scores.js";

/** Pixels by true label (rows) and predicted label (columns, the last one for predictions of no class). */
export function confusionMatrix(classes: readonly SegmentationClass[]) {
  const stride = classes.length + 1;
  const pixels = new Float64Array(classes.length * stride);
  const labels = [...classes.keys()];
  return {
    /** @throws InputError when sizes differ or a label is neither a class nor IGNORED */
    add(truth: SemanticMap, prediction: SemanticMap, where: string): void {
      checkSameSize(truth, prediction, where);
      for (let i = 0; i < truth.labels.length; i++) {
        const label = truth.labels[i];
        let predicted = prediction.labels[i];
        if (predicted >= classes.length) {
          if (predicted !== IGNORED) checkLabel(predicted, classes, where);
          predicted = classes.length;
        }
        if (label < classes.length) pixels[label * stride + predicted]++;
        else if (label !== IGNORED) checkLabel(label, classes, where);
      }
    },
    /** Counts pixels whose labels are known to be classes. */
    count(label: number, predicted: number, count: number): void {
      pixels[label * stride + predicted] += count;
    },
    /** Pixels of one class predicted as another. */
    at: (label: number, predicted: number) => pixels[label * stride + predicted],
    /** Labelled pixels of a class, whatever was predicted. */
    labelled: (label: number) => pixels.subarray(label * stride, (label + 1) * stride).reduce((a, b) => a + b, 0),
    /** Labelled pixels that were predicted as a class. */
    predicted: (label: number) => labels.reduce((sum, row) => sum + pixels[row * stride + label], 0),
  };
}

/**
 * @returns an evaluator. Rows: iou, acc (recall), precision, dice; `summary`: their means miou, macc, mprecision, mdice
 * over the classes for which they are defined (that occur in labels or predictions: a class that is only predicted
 * has an IoU of 0), aacc (pixels that are right) and fwiou (IoU weighted by labelled pixels). Unlabelled pixels do not
 * count; a labelled pixel predicted as IGNORED is a miss of its class and a hit of none.
 */
export function semanticIou(classes: readonly SegmentationClass[]) {
  const matrix = confusionMatrix(classes);

  function scoresOf(label: number): Record<string, Score> {
    const [right, labelled, predicted] = [matrix.at(label, label), matrix.labelled(label), matrix.predicted(label)];
    return {
      iou: share(right, labelled + predicted - right),
      acc: share(right, labelled),
      precision: share(right, predicted),
      dice: share(2 * right, labelled + predicted),
    };
  }

  return {
    /**
     * Counts one image.
     * @param where names the image in errors
     * @throws InputError when sizes differ or a label is no class
     */
    add(truth: SemanticMap, prediction: SemanticMap, where = "semantic prediction"): void {
      matrix.add(truth, prediction, where);
    },

    /** Counts pixels of one class that were predicted as another, both labels of classes. */
    count: matrix.count,

    result(): Scores {
      const rows = classRows(classes, scoresOf);
      const meanOf = (name: string) => mean(rows.map(({ scores }) => scores[name]));
      let [right, weighted, labelled] = [0, 0, 0];
      for (const { label, scores } of rows) {
        right += matrix.at(label, label);
        labelled += matrix.labelled(label);
        weighted += matrix.labelled(label) * (scores.iou ?? 0);
      }
      const summary = {
        miou: meanOf("iou"),
        macc: meanOf("acc"),
        aacc: share(right, labelled),
        fwiou: share(weighted, labelled),
        mprecision: meanOf("precision"),
        mdice: meanOf("dice"),
      };
      return { summary, classes: rows };
    },
  };
}
