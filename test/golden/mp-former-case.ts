/** @file MP-Former's decoder, pilots and random numbers as its golden cases describe them. */

import type { PointDraws } from "../../src/finetune/criterion-options.js";
import type { Target } from "../../src/masks/segmentation.js";
import type { PilotDraws, PilotFrame } from "../../src/models/pilots.js";
import type { GoldenCase } from "./case.js";

/** Pilots beyond those of the case, which no result may depend on. */
const SPARE = 3;

/** The case's model, and how many of its pilots are in groups. */
export function frameOf(golden: GoldenCase): PilotFrame & { readonly piloted: number } {
  const { hyper, setting } = golden;
  const { pad_size: piloted } = (hyper.dn_args as { pad_size: number } | null) ?? { pad_size: 0 };
  return {
    piloted,
    pilots: {
      queries: Math.max(piloted, Math.min(100, setting("NUM_DN"))) + SPARE,
      groups: setting("NUM_DN"),
      labelNoise: setting("LB_NOISE_RATIO"),
      maskNoise: setting("NOISE_SCALE"),
      ownHeads: hyper.HEAD_DN as boolean,
      allLayers: hyper.ALL_LY_DN as boolean,
    },
    transformerDecoder: {
      hiddenDim: setting("hidden_dim"),
      maskDim: golden.shapes.get("mask_features")?.[1] ?? 0,
      queries: setting("num_queries"),
      layers: setting("dec_layers"),
      classes: setting("num_classes"),
      heads: setting("nheads"),
      feedForwardDim: setting("dim_feedforward"),
    },
  };
}

/**
 * The official code asks for the numbers of all objects of the batch at once, group after group: for the masks of layer 0, for who
 * gets another class, for the classes of those alone, and after each layer for the masks of the next.
 */
export function pilotDrawsOf(golden: GoldenCase, targets: readonly (readonly Target[])[]): PilotDraws {
  const counts = targets.map(({ length }) => length);
  const total = counts.reduce((a, b) => a + b, 0);
  const before = (image: number) => counts.slice(0, image).reduce((a, b) => a + b, 0);
  const noised = golden.setting("LB_NOISE_RATIO") > 0;
  const chances = noised ? golden.random(1) : new Float32Array();
  const rank = (row: number) =>
    chances.subarray(0, row).filter((chance) => chance < golden.setting("LB_NOISE_RATIO")).length;
  return {
    objects: () => {
      throw new Error("no case has more objects than pilots");
    },
    labels(image, out) {
      const groups = out.length / 2 / Math.max(1, counts[image]);
      for (let group = 0, i = 0; noised && group < groups; group++) {
        for (let object = 0; object < counts[image]; object++, i += 2) {
          const row = group * total + before(image) + object;
          out[i] = chances[row];
          out[i + 1] = golden.random(2)[rank(row)] ?? 0;
        }
      }
      if (!noised) out.fill(1);
    },
    cells(layer, { image, group, object }, out) {
      const call = layer === 0 ? 0 : layer + (noised ? 2 : 0);
      const row = group * total + before(image) + object;
      out.set(golden.random(call).subarray(row * out.length, (row + 1) * out.length));
    },
  };
}

/**
 * The points of the losses, of outputs in our order: those that objects are matched to and then, where there are any, the pilots'.
 * The official code takes the losses of the last output first, then of the others in order; of each it asks once an image for
 * the matching, then for the candidates and uniform points of the matched pairs, and then for the pilots'.
 * `pairs`: of each image, matched ones and the pilots'.
 */
export function pointDrawsOf(
  golden: GoldenCase,
  layers: number,
  pairs: { readonly matched: readonly number[]; readonly piloted: readonly number[] },
): PointDraws {
  const images = pairs.matched.length;
  const piloted = pairs.piloted.some((count) => count > 0);
  const first = golden.setting("rand_calls_in_decoder");
  const each = images + 2 + (piloted ? 2 : 0);
  const callOf = (output: number) => first + (((output % (layers + 1)) + 1) % (layers + 1)) * each;
  const points = (output: number, kind: 0 | 1, image: number, pair: number, out: Float32Array) => {
    const ofPilots = output > layers;
    const counts = ofPilots ? pairs.piloted : pairs.matched;
    const row = counts.slice(0, image).reduce((a, b) => a + b, 0) + pair;
    const call = callOf(output) + images + kind + (ofPilots ? 2 : 0);
    out.set(golden.random(call).subarray(row * out.length, (row + 1) * out.length));
  };
  return {
    matching: (output, image, out) => out.set(golden.random(callOf(output) + image)),
    candidates: (output, image, pair, out) => points(output, 0, image, pair, out),
    uniform: (output, image, pair, out) => points(output, 1, image, pair, out),
  };
}
