/** @file What a run has learned, for the eye: F_last before and after pretraining, and where masked prediction errs. */

import type { TensorData } from "../core/tensor-data.js";
import { denormalise } from "../data/augment.js";
import { toOnnx } from "../onnx/emit.js";
import type { DeviceTensor, Runtime } from "../runtime/contract.js";
import type { StepWeights } from "../train/objective.js";
import type { TensorMap } from "../train/parameter-layout.js";
import { heatPicture } from "../viz/colours.js";
import { compareFeatures } from "../viz/feature-comparison.js";
import type { FeatureMap } from "../viz/feature-map.js";
import { type Picture, resizeBilinear, resizeNearest, strip } from "../viz/picture.js";
import type { GalleryCell, GalleryRow } from "../viz/report.js";
import { heldOutOptions, stepOptions, weightsOptions } from "./composition.js";
import { HeldOut, type HeldOutQuality } from "./held-out.js";
import type { NamedCrop } from "./image-crops.js";
import { buildFeatures, IMAGES, MASK_FEATURES } from "./programs.js";
import type { PretrainSettings } from "./settings.js";
import { startingWeights } from "./starting-weights.js";

/** How to read the pictures, for whoever shows them. */
export const READING_PICTURES =
  "F_last, the stride-4 map that masks are predicted from. k-means with k = 5 and the first three principal components, each image by itself, under the random starting weights and after pretraining; clusters keep the colour of what they overlap before. The last picture shows the photo where the model saw it, and elsewhere the error of the predicted features: dark is good, mid-scale is as bad as predicting the mean feature.";

/** Strips are enlarged to this height at least: small crops are hard to see. */
const STRIP_SIDE = 256;

export interface DrawnImages {
  /** Photo, k-means before and after, principal components before and after, and with reconstruction the error. */
  rows: GalleryRow<Picture>[];
  /** Masked prediction of these images, one entry each in their order. */
  quality: HeldOutQuality;
}

/** Tensors in the memory of the device, by name. */
export async function uploadTensors(runtime: Runtime, tensors: ReadonlyMap<string, TensorData>): Promise<TensorMap> {
  const uploaded: TensorMap = new Map();
  for (const [name, data] of tensors) {
    const tensor = runtime.allocate("float32", data.shape);
    await tensor.write(data as TensorData<"float32">);
    uploaded.set(name, tensor);
  }
  return uploaded;
}

/** Draws crops under the starting weights of `settings` and under `weights`. `evaluation` spares compiling another one. */
export async function drawImages(
  runtime: Runtime,
  settings: PretrainSettings,
  images: readonly NamedCrop[],
  weights: StepWeights,
  evaluation?: HeldOut,
): Promise<DrawnImages> {
  const crops = images.map(({ crop }) => crop);
  const features = await featuresBeforeAndAfter(runtime, settings, crops, weights.online);
  const evaluator =
    evaluation ?? (await HeldOut.create(runtime, heldOutOptions(settings), await downloadBackbone(settings, weights)));
  const quality = await evaluator.evaluate(crops, weights);
  if (!evaluation) evaluator.dispose();
  const rows = images.map(({ name, crop }, i) => ({
    caption: name.split(/[\\/]/).slice(-2).join("/"),
    cells: cellsOf(photoOf(crop, settings.data.size), features[i], quality.errorMaps[i], quality.meanError),
  }));
  return { rows, quality };
}

/** A row's pictures side by side at one size. */
export function stripOf({ cells }: GalleryRow<Picture>): Picture {
  const side = Math.max(STRIP_SIDE, cells[0].picture.width);
  return strip(
    cells.map(({ picture, pixelated }) => (pixelated ? resizeNearest : resizeBilinear)(picture, side, side)),
  );
}

/** The weights that a frozen backbone is compiled with; none otherwise, as they are inputs then. */
async function downloadBackbone({ backbone }: PretrainSettings, { online }: StepWeights) {
  const read = async (name: string, tensor: DeviceTensor<"float32">) => [name, await tensor.read()] as const;
  return new Map<string, TensorData>(
    await Promise.all(backbone.frozen ? [...online].map(([name, tensor]) => read(name, tensor)) : []),
  );
}

/** F_last of each crop under the starting weights, which follow from the settings, and under `after`. */
async function featuresBeforeAndAfter(
  runtime: Runtime,
  settings: PretrainSettings,
  crops: readonly Float32Array[],
  after: TensorMap,
): Promise<{ before: FeatureMap; after: FeatureMap }[]> {
  const { size } = settings.data;
  const { graph, parameters } = buildFeatures(stepOptions(settings).encoder, [size, size]);
  const program = await runtime.compile(toOnnx(graph), { name: graph.name });
  const before = await uploadTensors(runtime, await startingWeights(weightsOptions(settings), parameters.declarations));
  const image = runtime.allocate("float32", [1, 3, size, size]);
  const output = runtime.allocate("float32", graph.outputs.get(MASK_FEATURES)?.shape ?? []);
  const [, channels, height, width] = output.shape;
  const featuresOf = async (crop: Float32Array, weights: TensorMap): Promise<FeatureMap> => {
    await image.write({ dtype: "float32", shape: image.shape, data: crop });
    const parameter = (name: string) => weights.get(name) as DeviceTensor;
    const feeds = program.inputs.map((name) => [name, name === IMAGES ? image : parameter(name)] as const);
    await program.run(Object.fromEntries(feeds), { [MASK_FEATURES]: output });
    return { data: (await output.read()).data, channels, height, width };
  };
  const features = [];
  for (const crop of crops) {
    features.push({ before: await featuresOf(crop, before), after: await featuresOf(crop, after) });
  }
  for (const tensor of [image, output, ...before.values()]) tensor.dispose();
  program.dispose();
  return features;
}

function photoOf(crop: Float32Array, size: number): Picture {
  return denormalise(crop, size, size);
}

function cellsOf(
  photo: Picture,
  features: { before: FeatureMap; after: FeatureMap },
  errors: Float32Array | undefined,
  meanError: number,
): GalleryCell<Picture>[] {
  const { before, after } = compareFeatures(features.before, features.after);
  const cells: GalleryCell<Picture>[] = [
    { label: "photo", picture: photo },
    { label: "k-means before", picture: before.clusters, pixelated: true },
    { label: "k-means after", picture: after.clusters, pixelated: true },
    { label: "PCA before", picture: before.components },
    { label: "PCA after", picture: after.components },
  ];
  if (errors)
    cells.push({ label: "prediction error", picture: errorPicture(photo, errors, meanError), pixelated: true });
  return cells;
}

/** The photo, with the errors of a square grid over the cells that have one. The middle of the scale is `meanError`. */
function errorPicture(photo: Picture, errors: Float32Array, meanError: number): Picture {
  const { width, height } = photo;
  const cells = Math.sqrt(errors.length);
  const heat = resizeNearest(heatPicture(errors, cells, cells, { low: 0, high: 2 * meanError }), width, height);
  const data = photo.data.map((value, i) => {
    const pixel = Math.floor(i / 3);
    const row = Math.floor((Math.floor(pixel / width) * cells) / height);
    const column = Math.floor(((pixel % width) * cells) / width);
    return Number.isNaN(errors[row * cells + column]) ? value : heat.data[i];
  });
  return { width, height, data };
}
