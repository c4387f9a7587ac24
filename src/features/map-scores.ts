/** @file All that is measured of an encoder's maps on a labelled data set, under one or several weights. */

import { type FeatureMap, regionOf } from "../core/image.js";
import { type BoundaryScores, boundaryScore, type EdgeMap } from "../eval/boundary.js";
import type { Score, Scores } from "../eval/scores.js";
import { resizeSemantic } from "../masks/resize.js";
import type { Runtime } from "../runtime/contract.js";
import { kMeans } from "../viz/k-means.js";
import { featureEdges } from "./edges.js";
import { varianceRank } from "./effective-rank.js";
import { type MapName, stridesOf } from "./encoder-maps.js";
import { labelCells } from "./label-cells.js";
import { gatherSums, type ProbePass, type ProbeSetup, type SeenImage, scoreClassifiers } from "./linear-probe.js";
import { purityScore } from "./purity.js";
import { type ChannelScale, channelScale, ridge } from "./ridge.js";

/** Some of the training images, by which classifiers are trained. */
export interface LabelSubset {
  readonly name: string;
  readonly indices: ReadonlySet<number>;
}

export interface MapScores {
  readonly map: MapName;
  readonly variant: number;
  readonly channels: number;
  readonly stride: number;
  /** Of the covariance over the training images; null for maps of more than `RANKED_CHANNELS` channels. */
  readonly effectiveRank: number | null;
  /** Of the classifier of each subset: IoU and accuracy as `semanticIou` gives them. */
  readonly subsets: readonly (Scores | null)[];
  /** Of the images that were looked at closer. */
  readonly purity: Score;
  readonly boundary: BoundaryScores;
}

/** Their eigenvalues take seconds; for more channels, minutes. */
const RANKED_CHANNELS = 512;

/** k-means as in the paper's Figure 5. */
const CLUSTERS = 5;

export interface MeasureOptions {
  readonly train: ProbePass;
  readonly test: ProbePass;
  readonly subsets: readonly LabelSubset[];
  /** Weight of the ridge. */
  readonly lambda: number;
  /** Test images whose clusters and edges are measured. */
  readonly sampled: ReadonlySet<number>;
  /** Shown those images, with the edges of their maps. */
  readonly look?: (seen: SeenImage & { edges: (map: MapName) => EdgeMap }) => void | Promise<void>;
}

export interface Measured {
  /** Map after map, variant after variant. */
  readonly maps: readonly MapScores[];
  /** Purity of one cluster an image, which any clustering reaches. */
  readonly singlePurity: Score;
}

/** @throws InputError for features that are not finite, and where no subset has a labelled pixel */
export async function measureMaps(runtime: Runtime, setup: ProbeSetup, options: MeasureOptions): Promise<Measured> {
  const { train, test, subsets, lambda, sampled, look } = options;
  const strides = stridesOf(setup.maps.featureStride);
  const names = subsets.map(({ name }) => name);
  const memberships = (index: number) => [...subsets.keys()].filter((i) => subsets[i].indices.has(index));
  const sums = await gatherSums(runtime, setup, train, { names, of: memberships });
  const classes = setup.classes.length;
  const ofMaps = sums.map((own) =>
    [...own].map(([map, all]) => {
      const sum = all.reduce((a, b) => (b.weight > a.weight ? b : a));
      const classifiers = all.map((one) => ridge(one, lambda));
      return { map, all, sum, classifiers, closer: closerScores(channelScale(sum), strides[map], classes) };
    }),
  );
  const classifiers = ofMaps.map((own) => new Map(own.map((one) => [one.map, one.classifiers])));
  const evaluators = await scoreClassifiers(runtime, setup, test, classifiers, {
    sampled,
    look: async (seen) => {
      for (const { map, closer } of ofMaps[seen.variant]) closer.add(seen, seen.map(map));
      await look?.({ ...seen, edges: (name) => edgesOf(ofMaps[seen.variant], name).edges(seen.map(name)) });
    },
  });
  const maps = ofMaps.flatMap((own, variant) =>
    own.map(({ map, all, sum, closer }): MapScores => {
      const { purity, boundary } = closer.result();
      return {
        map,
        variant,
        channels: sum.channels,
        stride: strides[map],
        effectiveRank: sum.channels > RANKED_CHANNELS ? null : varianceRank(sum.moments()),
        subsets: (evaluators[variant].get(map) ?? []).map((one, i) => (all[i].weight > 0 ? one.result() : null)),
        purity: purity.purity,
        boundary,
      };
    }),
  );
  return { maps, singlePurity: ofMaps[0][0].closer.result().purity.single };
}

function edgesOf(
  maps: readonly { readonly map: MapName; readonly closer: CloserScores }[],
  name: MapName,
): CloserScores {
  const found = maps.find(({ map }) => map === name);
  if (!found) throw new RangeError(`probe: ${name} is not looked at`);
  return found.closer;
}

type CloserScores = ReturnType<typeof closerScores>;

/** Clusters and edges of one map. */
function closerScores(scale: ChannelScale, stride: number, classes: number) {
  const purity = purityScore();
  const boundary = boundaryScore();
  const edges = (map: FeatureMap) => featureEdges(map, scale, stride);
  return {
    edges,
    add({ image: { input, truth, name } }: SeenImage, map: FeatureMap): void {
      const grid = { paddedWidth: map.width * stride, paddedHeight: map.height * stride };
      const { labels } = kMeans(map, { clusters: Math.min(CLUSTERS, map.width * map.height) });
      purity.add(labels, labelCells(truth, { ...input, ...grid }, stride, classes));
      // Edges and boundaries are compared at the size that the network sees.
      const size = { width: input.width, height: input.height };
      const whole = edges(map);
      const strength = regionOf(whole.strength, whole, { ...size, left: 0, top: 0 });
      boundary.add(resizeSemantic(truth, size), { ...size, strength }, name);
    },
    result: () => ({ purity: purity.result(), boundary: boundary.result() }),
  };
}
