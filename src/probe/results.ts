/** @file What a probe finds, as its JSON holds it: scores in percent. */

import type { BadFile } from "../data/source.js";
import { MAP_NAMES, type MapName } from "../features/encoder-maps.js";
import type { MapScores, Measured } from "../features/map-scores.js";
import type { SegmentationClass } from "../masks/segmentation.js";
import type { ProbedModel } from "./probed-model.js";

/** Under which weights a map was seen: both where they do not differ, as those of a frozen backbone. */
export type WeightsName = "start" | "trained" | "both";

/**
 * Of several subsets: their values (null without a labelled pixel to learn from), the mean, and the standard deviation
 * where there are two or more.
 */
export interface Spread {
  readonly mean: number | null;
  readonly deviation: number | null;
  readonly values: readonly (number | null)[];
}

/** Some subsets of the labels of one size. */
export interface ShareScores {
  /** "10%", or a number of images. */
  readonly labels: string;
  readonly images: number;
  /** Seeds of the subsets. */
  readonly seeds: readonly number[];
  readonly miou: Spread;
  readonly pixelAccuracy: Spread;
  /** By class, in the order of the classes. */
  readonly iou: readonly Spread[];
}

export interface MapResult {
  readonly map: MapName;
  readonly weights: WeightsName;
  readonly stride: number;
  readonly channels: number;
  readonly effectiveRank: number | null;
  readonly shares: readonly ShareScores[];
  readonly clusterPurity: number | null;
  readonly edges: { readonly f: number | null; readonly precision: number | null; readonly recall: number | null };
}

export interface ModelResult extends Pick<ProbedModel, "checkpoint" | "step" | "kind"> {
  readonly maps: readonly MapResult[];
  /** Purity of one cluster an image. */
  readonly singleClusterPurity: number | null;
}

/** What a probe found, as its JSON holds it. */
export interface ProbeResult {
  readonly kind: "mask-jepa probe";
  readonly formatVersion: 1;
  readonly version: string;
  readonly data: {
    readonly path: string;
    readonly train: { readonly split: string; readonly images: number };
    readonly test: { readonly split: string; readonly images: number };
    readonly classes: readonly { readonly id: number; readonly name: string }[];
  };
  readonly shortEdge: number;
  readonly lambda: number;
  /** Test images whose clusters and edges were measured. */
  readonly sampled: number;
  readonly models: readonly ModelResult[];
  /** Images that could not be used. */
  readonly skipped: readonly BadFile[];
}

/** Subsets of one share of the labels; `subsets` are their places among all. */
export interface Share {
  readonly labels: string;
  readonly images: number;
  readonly seeds: readonly number[];
  readonly subsets: readonly number[];
}

const percent = (share: number | null | undefined) => (typeof share === "number" ? 100 * share : null);

function spreadOf(values: readonly (number | null)[]): Spread {
  const known = values.filter((value) => value !== null);
  if (known.length === 0) return { mean: null, deviation: null, values };
  const mean = known.reduce((a, b) => a + b, 0) / known.length;
  const squares = known.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, deviation: known.length > 1 ? Math.sqrt(squares / (known.length - 1)) : null, values };
}

/** `weights`: the name of each variant for maps of the backbone and for those after it. */
export function modelResult(
  { checkpoint, step, kind }: ProbedModel,
  { maps, singlePurity }: Measured,
  {
    shares,
    classes,
    weightsOf,
  }: {
    readonly shares: readonly Share[];
    readonly classes: readonly SegmentationClass[];
    readonly weightsOf: (scores: MapScores) => WeightsName;
  },
): ModelResult {
  const results = maps.map((scores): MapResult => {
    const { map, stride, channels, effectiveRank, subsets, purity, boundary } = scores;
    const spread = (own: Share, value: (i: number) => number | null | undefined) =>
      spreadOf(own.subsets.map((i) => percent(value(i))));
    return {
      map,
      weights: weightsOf(scores),
      stride,
      channels,
      effectiveRank,
      shares: shares.map((own) => ({
        labels: own.labels,
        images: own.images,
        seeds: own.seeds,
        miou: spread(own, (i) => subsets[i]?.summary.miou),
        pixelAccuracy: spread(own, (i) => subsets[i]?.summary.aacc),
        iou: classes.map((_, k) => spread(own, (i) => subsets[i]?.classes[k].scores.iou)),
      })),
      clusterPurity: percent(purity),
      edges: { f: percent(boundary.f), precision: percent(boundary.precision), recall: percent(boundary.recall) },
    };
  });
  const order: readonly WeightsName[] = ["both", "start", "trained"];
  const place = ({ map, weights }: MapResult) => MAP_NAMES.indexOf(map) * order.length + order.indexOf(weights);
  const sorted = results.sort((a, b) => place(a) - place(b));
  return { checkpoint, step, kind, maps: sorted, singleClusterPurity: percent(singlePurity) };
}
