/**
 * @file Predictions of which nothing was kept, and why: a threshold, the overlap, or a model that knows nothing yet.
 */

import type { InferenceSettings } from "../weights/model-description.js";
import type { Prediction } from "./predictor.js";

/** What segments and instances are dropped by; absent where it is not known. */
export interface Rules extends Partial<Pick<InferenceSettings, "objectThreshold" | "overlapThreshold">> {
  /** Below this score instances are dropped, where any are. */
  readonly scoreThreshold?: number;
}

/** The instances of an image that were kept, and the best score of all. */
export interface KeptInstances {
  readonly count: number;
  readonly bestScore: number;
}

export interface NothingKept {
  /** Counts an image. */
  add(
    prediction: Pick<Prediction, "panoptic" | "keptShare"> & { readonly confidence?: number },
    instances?: KeptInstances,
  ): void;
  /** A sentence for each rule that left images with nothing: how many, and what would have kept something. */
  warnings(): string[];
}

/** How a rule is called and what is said of a value that would keep something, by the command that speaks. */
const WORDS = {
  predict: {
    rule: (flag: string, value: number | undefined) => `--${flag} ${value}`,
    advice: (flag: string, value: number) => `Lower it, e.g. --${flag} ${value}.`,
  },
  evaluate: {
    rule: (flag: string, value: number | undefined) =>
      value === undefined ? `the model's ${flag}` : `the model's ${flag} of ${value}`,
    advice: (flag: string, value: number) =>
      `It may be too high for how long the model was trained; predict --${flag} ${value} shows what there is.`,
  },
} as const;

const UNTRAINED = "The model has hardly learned anything yet.";

/** The largest multiple of 0.05 below `best`. */
const below = (best: number) => Math.floor(best * 20 - 1e-9) / 20;

/** Watches the predictions of a command for images of which nothing was kept by its rules. */
export function watchNothingKept(command: keyof typeof WORDS, rules: Rules = {}): NothingKept {
  const { rule, advice } = WORDS[command];
  const { objectThreshold, overlapThreshold, scoreThreshold } = rules;
  let images = 0;
  const blank = () => ({ count: 0, best: 0 });
  const [unsure, overlapped, empty] = [blank(), blank(), blank()];
  const count = (into: ReturnType<typeof blank>, best: number) => {
    into.count++;
    into.best = Math.max(into.best, best);
  };
  const lower = (flag: string, best: number) => (below(best) > 0 ? advice(flag, below(best)) : UNTRAINED);

  return {
    add({ panoptic, keptShare, confidence = 0 }, instances) {
      images++;
      if (panoptic?.segments.length === 0) {
        if (keptShare === undefined) count(unsure, confidence);
        else count(overlapped, keptShare);
      }
      if (instances?.count === 0) count(empty, instances.bestScore);
    },
    warnings() {
      const sentences = [
        [
          unsure,
          ["panoptic maps", "is", "are"],
          `blank: no query is surer than ${rule("threshold", objectThreshold)} (the surest:`,
          "threshold",
        ],
        [
          overlapped,
          ["panoptic maps", "is", "are"],
          `blank: the sure queries lose too much of their masks to others for ${rule("overlap", overlapThreshold)} ` +
            "(the most that one keeps:",
          "overlap",
        ],
        [
          empty,
          ["images", "shows", "show"],
          `no instance of a score of ${rule("threshold", scoreThreshold)} or more (the best:`,
          "threshold",
        ],
      ] as const;
      return sentences
        .filter(([{ count }]) => count > 0)
        .map(
          ([{ count, best }, [what, one, many], reason, flag]) =>
            `${count} of ${images} ${what} ${count === 1 ? one : many} ${reason} ${best.toFixed(2)}). ` +
            `${lower(flag, best)}`,
        );
    },
  };
}
