/** @file The graphs of a probe: one image to the sums that ridge regression needs, and one image to scores and maps. */

import { familyOf } from "../families/families.js";
import * as g from "../graph/build.js";
import { Graph, type Tensor } from "../graph/graph.js";
import { asInputs, Parameters } from "../nn/scope.js";
import { encoderMaps, type MapName, type MapsOf, stridesOf } from "./encoder-maps.js";
import { PAIR_STEPS } from "./label-sums.js";

/** An image's padded size at the network's input, and what is asked of it. */
export interface MapGraphOptions extends MapsOf {
  readonly paddedWidth: number;
  readonly paddedHeight: number;
  /** The maps that are looked at, under each of several weights. */
  readonly wanted: readonly (readonly MapName[])[];
  /** Whether all have the backbone of the last, whose maps are then computed once. */
  readonly sharedBackbone: boolean;
}

export const IMAGE = "image";
/** Inputs, float64: `LabelSums` for the cells of that stride, [cells, K] and [5, cells]. */
export const labelsName = (stride: number) => `labels.${stride}`;
export const pairsName = (stride: number) => `pairs.${stride}`;
/** What stands before the names of the v-th weights. */
export const variantPrefix = (variant: number) => `${variant}/`;
/** Outputs: the sums of `RidgeSums`, float64. */
export const gramName = (variant: number, map: MapName) => `gram.${variant}.${map}`;
export const crossName = (variant: number, map: MapName) => `cross.${variant}.${map}`;
/** Inputs: classifiers side by side, [C, columns] and [columns]; output: their scores [cells, columns]. */
export const weightsName = (variant: number, map: MapName) => `weights.${variant}.${map}`;
export const biasName = (variant: number, map: MapName) => `bias.${variant}.${map}`;
export const scoresName = (variant: number, map: MapName) => `scores.${variant}.${map}`;
/** Output: the map itself [1,C,H/s,W/s]. */
export const mapOutput = (variant: number, map: MapName) => `map.${variant}.${map}`;

export interface MapGraph {
  readonly graph: Graph;
  /** Inputs that are weights: of encoders, and of classifiers. All others are an image's own. */
  readonly weights: ReadonlySet<string>;
}

interface SeenMap {
  readonly variant: number;
  readonly name: MapName;
  readonly map: Tensor;
}

function begin(title: string, options: MapGraphOptions) {
  const { paddedHeight, paddedWidth, wanted, sharedBackbone, encoder } = options;
  const graph = new Graph(`${title} ${paddedWidth}x${paddedHeight}`);
  const image = graph.input(IMAGE, "float32", [1, 3, paddedHeight, paddedWidth]);
  const sets = wanted.map((_, v) => new Parameters(asInputs(graph, variantPrefix(v))));
  const backbone = ({ root }: Parameters) => familyOf(encoder).backbone(root, image, encoder);
  const shared = sharedBackbone ? backbone(sets[sets.length - 1]) : undefined;
  const seen = sets.flatMap((own, variant) => {
    const maps = encoderMaps(own.root, shared ?? backbone(own), options, wanted[variant]);
    return [...maps].map(([name, map]): SeenMap => ({ variant, name, map }));
  });
  const names = sets.flatMap(({ declarations }, v) => [...declarations.keys()].map((name) => variantPrefix(v) + name));
  return { graph, seen, weights: new Set(names) };
}

/** [1,C,H,W] -> [C, H * W]. */
const columnsOf = (map: Tensor) => g.reshape(map, [map.shape[1], map.shape[2] * map.shape[3]]);

/** Sums over the labelled pixels of an image: of x x^T and of x y^T with x = [features; 1] and y the pixel's label. */
export function momentsGraph(options: MapGraphOptions, classes: number): MapGraph {
  const { graph, seen, weights } = begin("moments", options);
  const strides = stridesOf(options.featureStride);
  const sums = new Map<number, { labels: Tensor; pairs: Tensor }>();
  for (const { variant, name, map } of seen) {
    const [, , height, width] = map.shape;
    const cells = height * width;
    const stride = strides[name];
    const { labels, pairs } = sums.get(stride) ?? {
      labels: graph.input(labelsName(stride), "float64", [cells, classes]),
      pairs: graph.input(pairsName(stride), "float64", [PAIR_STEPS.length, height, width]),
    };
    sums.set(stride, { labels, pairs });
    const ones = graph.constant({ dtype: "float32", shape: [1, height, width], data: new Float32Array(cells).fill(1) });
    const x = g.cast(g.concat([g.reshape(map, [map.shape[1], height, width]), ones], 0), "float64");
    const flat = g.reshape(x, [x.shape[0], cells]);
    const half = g.gemm(g.reshape(weightedNeighbours(x, pairs), [x.shape[0], cells]), flat, undefined, {
      transB: true,
    });
    graph.output(gramName(variant, name), g.add(half, g.transpose(half, [1, 0])));
    graph.output(crossName(variant, name), g.gemm(flat, labels));
  }
  return { graph, weights };
}

/** For each cell the sum of its neighbours by PAIR_STEPS, each times its weight: x [C,H,W], weights [5,H,W]. */
function weightedNeighbours(x: Tensor, weights: Tensor): Tensor {
  const [, height, width] = x.shape;
  const padded = g.pad(x, [0, 0, 1, 0, 1, 1]);
  const terms = PAIR_STEPS.map(([down, right], i) => {
    const rows = g.slice(padded, 1, down, down + height);
    const neighbours = g.slice(rows, 2, 1 + right, 1 + right + width);
    return g.mul(neighbours, g.slice(weights, 0, i, i + 1));
  });
  return terms.reduce((a, b) => g.add(a, b));
}

/** Scores of `columns` classifiers' classes, and the maps. */
export function scoresGraph(options: MapGraphOptions, columns: number): MapGraph {
  const { graph, seen, weights } = begin("scores", options);
  for (const { variant, name, map } of seen) {
    const features = columnsOf(map);
    const [classifier, bias] = [weightsName(variant, name), biasName(variant, name)];
    const scores = g.gemm(
      features,
      graph.input(classifier, "float32", [features.shape[0], columns]),
      graph.input(bias, "float32", [columns]),
      { transA: true },
    );
    weights.add(classifier).add(bias);
    graph.output(scoresName(variant, name), scores);
    graph.output(mapOutput(variant, name), map);
  }
  return { graph, weights };
}
