/**
 * @file How well labels follow from frozen features by a linear map: sums over training images, solved, scored on
 * others.
 */

import { InputError } from "../core/errors.js";
import type { FeatureMap } from "../core/image.js";
import { floats, type TypedArray } from "../core/tensor-data.js";
import { semanticIou } from "../eval/semantic-iou.js";
import { resizeSemantic } from "../masks/resize.js";
import type { SegmentationClass, SemanticMap } from "../masks/segmentation.js";
import type { DeviceTensor, Runtime } from "../runtime/contract.js";
import { cropFeatures } from "../viz/feature-map.js";
import { CountedTruth, denseLabels, type ScoreGrid } from "./dense-labels.js";
import { type MapName, type MapsOf, stridesOf } from "./encoder-maps.js";
import { type GraphStore, passImages, type Variant } from "./image-pass.js";
import { labelSums } from "./label-sums.js";
import * as graphs from "./map-graphs.js";
import type { ProbeImage, ProbeImages, SizeGroup } from "./probe-images.js";
import { type LinearMap, RidgeSums } from "./ridge.js";

/** For each variant and map: one entry a subset of the labels. */
export type OfMaps<T> = readonly ReadonlyMap<MapName, readonly T[]>[];

export type SemanticEvaluator = ReturnType<typeof semanticIou>;

/** What there is of an image under one variant, for whoever looks closer. */
export interface SeenImage {
  readonly variant: number;
  readonly image: ProbeImage;
  /** Maps that are looked at. */
  readonly names: readonly MapName[];
  /** Without the cells on padding. */
  readonly map: (name: MapName) => FeatureMap;
  readonly prediction: (name: MapName, subset: number) => SemanticMap;
}

/** Images that are looked at closer, and by whom. */
export interface Look {
  readonly sampled: ReadonlySet<number>;
  readonly look: (seen: SeenImage) => Promise<void> | void;
}

export interface ProbeSetup {
  readonly maps: MapsOf;
  readonly classes: readonly SegmentationClass[];
  readonly variants: readonly Variant[];
  /** Whether all variants have the same backbone, so that its maps need be computed once; default false. */
  readonly sharedBackbone?: boolean;
}

/** Images, and who is told how many are done. */
export interface ProbePass {
  readonly images: ProbeImages;
  /** Of this pass alone. */
  readonly graphs?: GraphStore;
  readonly progress?: (done: number) => void;
}

/**
 * The sums of `subsets` subsets of the images; `subsetsOf` tells which an image is in. No bit depends on the number of
 * cores.
 * @throws InputError for features that are not finite, and where no subset has a labelled pixel
 */
export async function gatherSums(
  runtime: Runtime,
  setup: ProbeSetup,
  { images, graphs: store, progress }: ProbePass,
  subsets: { readonly names: readonly string[]; readonly of: (index: number) => Iterable<number> },
): Promise<OfMaps<RidgeSums>> {
  const { maps, classes, variants } = setup;
  const sums = variants.map(() => new Map<MapName, RidgeSums[]>());
  const strides = stridesOf(maps.featureStride);
  const places = placesOf(variants);
  await passImages(runtime, {
    images,
    graphs: store,
    variants,
    progress,
    graph: (size) => graphs.momentsGraph(graphOptions(setup, size), classes.length),
    inputs: (image) => sumsOf(image, Object.values(strides), classes.length),
    outputs: () =>
      places.flatMap(({ variant, map }) => [graphs.gramName(variant, map), graphs.crossName(variant, map)]),
    take: ({ index, name }, found) => {
      for (const { variant, map } of places) {
        const gram = found.get(graphs.gramName(variant, map)) as Float64Array;
        const cross = found.get(graphs.crossName(variant, map)) as Float64Array;
        const channels = Math.sqrt(gram.length) - 1;
        requireFinite(gram, channels, `${map} of ${name}`);
        const own = sums[variant].get(map) ?? subsets.names.map(() => new RidgeSums(channels, classes.length));
        sums[variant].set(map, own);
        for (const subset of subsets.of(index)) own[subset].add(gram, cross);
      }
    },
  });
  const [ofMap] = sums[0].values();
  if (!ofMap?.some(({ weight }) => weight > 0)) {
    const expected = "at least one labelled pixel to learn from";
    throw new InputError({ where: subsets.names.join("; "), expected, found: "none" });
  }
  return sums;
}

/** Scores classifiers, one a variant, map and subset. `look` is shown its images variant after variant. */
export async function scoreClassifiers(
  runtime: Runtime,
  setup: ProbeSetup,
  { images, graphs: store, progress }: ProbePass,
  classifiers: OfMaps<LinearMap>,
  { sampled, look }: Look = { sampled: new Set(), look: () => {} },
): Promise<OfMaps<SemanticEvaluator>> {
  const { maps, classes, variants } = setup;
  const evaluators = classifiers.map(
    (own) => new Map([...own].map(([map, all]) => [map, all.map(() => semanticIou(classes))])),
  );
  const strides = stridesOf(maps.featureStride);
  const places = placesOf(variants);
  const k = classes.length;
  const columns = k * Math.max(...classifiers.flatMap((own) => [...own.values()].map((all) => all.length)));
  const uploaded = await upload(runtime, classifiers, { columns, classes: k });
  try {
    await passImages(runtime, {
      images,
      graphs: store,
      variants,
      classifiers: uploaded,
      progress,
      graph: (size) => graphs.scoresGraph(graphOptions(setup, size), columns),
      outputs: ({ index }) => [
        ...places.map(({ variant, map }) => graphs.scoresName(variant, map)),
        ...(sampled.has(index) ? places.map(({ variant, map }) => graphs.mapOutput(variant, map)) : []),
      ],
      take: async (image, found) => {
        const gridOf = (variant: number, map: MapName, subset: number): ScoreGrid => {
          const scores = found.get(graphs.scoresName(variant, map)) as Float32Array;
          return { scores, columns, first: subset * k, classes: k, stride: strides[map] };
        };
        const truth = new CountedTruth(image.truth, image.input, k);
        for (const { variant, map } of places) {
          for (const [subset, one] of evaluators[variant].get(map)?.entries() ?? []) {
            truth.compare(gridOf(variant, map, subset), one.count);
          }
        }
        for (const variant of sampled.has(image.index) ? variants.keys() : []) {
          await look({
            variant,
            image,
            names: variants[variant].wanted,
            map: (name) => featuresOf(image, found.get(graphs.mapOutput(variant, name)) as Float32Array, strides[name]),
            prediction: (map, subset) => denseLabels(gridOf(variant, map, subset), image.input, image.truth),
          });
        }
      },
    });
  } finally {
    for (const tensor of uploaded.values()) tensor.dispose();
  }
  return evaluators;
}

const placesOf = (variants: readonly Variant[]) =>
  variants.flatMap(({ wanted }, variant) => wanted.map((map) => ({ variant, map })));

function graphOptions({ maps, variants, sharedBackbone = false }: ProbeSetup, size: SizeGroup) {
  return { ...maps, ...size, wanted: variants.map(({ wanted }) => wanted), sharedBackbone };
}

/** Sums of an image's labels for the cells of each stride, labels as the network's input would show them. */
function sumsOf({ truth, input }: ProbeImage, strides: readonly number[], classes: number): Map<string, TypedArray> {
  const { width, height } = input;
  const seen = resizeSemantic(truth, { width, height });
  return new Map(
    [...new Set(strides)].flatMap((stride) => {
      const { labels, pairs } = labelSums(seen, input, stride, classes);
      return [
        [graphs.labelsName(stride), labels],
        [graphs.pairsName(stride), pairs],
      ] as const;
    }),
  );
}

/** Of features that are not finite, the sums of their squares are not. */
function requireFinite(gram: Float64Array, channels: number, where: string): void {
  let finite = true;
  for (let i = 0; i < channels; i++) finite &&= Number.isFinite(gram[i * (channels + 2)]);
  if (finite) return;
  const fix = "The weights have probably diverged: take an earlier checkpoint.";
  throw new InputError({ where, expected: "finite features", found: "NaN or infinite ones", fix });
}

/** Classifiers side by side, subset after subset, as the scores' graph takes them. */
async function upload(
  runtime: Runtime,
  classifiers: OfMaps<LinearMap>,
  { columns, classes }: { columns: number; classes: number },
): Promise<Map<string, DeviceTensor>> {
  const tensors = new Map<string, DeviceTensor>();
  const put = async (name: string, shape: readonly number[], data: Float32Array) => {
    const tensor = runtime.allocate("float32", shape);
    tensors.set(name, tensor);
    await tensor.write(floats(shape, data));
  };
  for (const [variant, own] of classifiers.entries()) {
    for (const [map, all] of own) {
      const channels = all[0].weights.length / classes;
      const weights = new Float32Array(channels * columns);
      const bias = new Float32Array(columns);
      for (const [subset, one] of all.entries()) {
        bias.set(one.bias, subset * classes);
        for (let c = 0; c < channels; c++) {
          weights.set(one.weights.subarray(c * classes, (c + 1) * classes), c * columns + subset * classes);
        }
      }
      await put(graphs.weightsName(variant, map), [channels, columns], weights);
      await put(graphs.biasName(variant, map), [columns], bias);
    }
  }
  return tensors;
}

function featuresOf({ input }: ProbeImage, data: Float32Array, stride: number): FeatureMap {
  const [width, height] = [input.paddedWidth / stride, input.paddedHeight / stride];
  const channels = data.length / (width * height);
  const onImage = { width: Math.ceil(input.width / stride), height: Math.ceil(input.height / stride) };
  return cropFeatures({ data, channels, width, height }, onImage);
}
