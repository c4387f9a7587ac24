/** @file What a run has learned, for the eye: F_last before and after pretraining, and where masked prediction errs. */

import type { Image } from "../core/image.js";
import { resizeNearest } from "../core/resample.js";
import type { TensorData } from "../core/tensor-data.js";
import { denormalise } from "../data/augment.js";
import type { EncoderArchitecture } from "../families/families.js";
import { createFeatureExtractor, encoderWeights, type FeatureExtractor } from "../run/feature-extractor.js";
import type { DeviceTensor, Runtime } from "../runtime/contract.js";
import { uploadTensors } from "../runtime/upload.js";
import type { StepWeights } from "../train/objective.js";
import type { TensorMap } from "../train/parameter-layout.js";
import { heatPicture } from "../viz/colours.js";
import { featureCells, READING_FEATURES } from "../viz/feature-cells.js";
import type { GalleryCell, GalleryRow } from "../viz/report.js";
import { HeldOut, type HeldOutOptions, type HeldOutQuality } from "./held-out.js";
import type { NamedCrop } from "./image-crops.js";
import type { StartingValues } from "./pretrainer.js";

/** How to read the pictures, for whoever shows them. */
export const READING_PICTURES =
  `${READING_FEATURES}, under the random starting weights and after pretraining; clusters keep the colour of what ` +
  "they overlap before. The last picture shows the photo where the model saw it, and elsewhere the error of the " +
  "predicted features: dark is good, mid-scale is as bad as predicting the mean feature.";

export interface FeaturePictureOptions {
  readonly encoder: EncoderArchitecture;
  /** Side of a crop. */
  readonly size: number;
  /** The weights before pretraining. */
  readonly start: StartingValues;
  readonly heldOut: HeldOutOptions;
}

/** Masked prediction of an image, where it is known. */
export interface PredictionError {
  /** Squared errors of a square grid, NaN where nothing was masked. */
  readonly map: Float32Array | undefined;
  readonly meanError: number;
}

/** Draws crops one at a time, under the starting weights and under trained ones. */
export class FeaturePictures {
  private constructor(
    private readonly size: number,
    private readonly extractor: FeatureExtractor,
    private readonly before: TensorMap,
    private readonly after: ReadonlyMap<string, DeviceTensor>,
  ) {}

  /** `after`: the trained weights; they stay the caller's. */
  static async create(
    runtime: Runtime,
    { encoder, size, start }: Omit<FeaturePictureOptions, "heldOut">,
    after: ReadonlyMap<string, DeviceTensor>,
  ): Promise<FeaturePictures> {
    const extractor = await createFeatureExtractor(runtime, encoder, { width: size, height: size });
    const before = await uploadTensors(runtime, await start(encoderWeights(encoder)));
    return new FeaturePictures(size, extractor, before, after);
  }

  /** Photo, k-means before and after, principal components before and after, and where it is known the error. */
  async row({ name, crop }: NamedCrop, { map, meanError }: PredictionError): Promise<GalleryRow<Image>> {
    const photo = denormalise(crop, this.size, this.size);
    const before = await this.extractor.features(crop, this.before);
    const after = await this.extractor.features(crop, this.after);
    const cells: GalleryCell<Image>[] = [{ label: "photo", picture: photo }, ...featureCells(after, before)];
    if (map) cells.push({ label: "prediction error", picture: errorPicture(photo, map, meanError), pixelated: true });
    return { caption: name.split(/[\\/]/).slice(-2).join("/"), cells };
  }

  dispose(): void {
    this.extractor.dispose();
    for (const tensor of this.before.values()) tensor.dispose();
  }
}

export interface DrawnImages {
  rows: GalleryRow<Image>[];
  /** Masked prediction of these images, one entry each in their order. */
  quality: HeldOutQuality;
}

/** Draws a few crops, and measures masked prediction of them. `evaluation` spares compiling another one. */
export async function drawImages(
  runtime: Runtime,
  options: FeaturePictureOptions,
  images: readonly NamedCrop[],
  weights: StepWeights,
  evaluation?: HeldOut,
): Promise<DrawnImages> {
  const { heldOut } = options;
  const evaluator =
    evaluation ??
    (await HeldOut.create(runtime, heldOut, await downloadBackbone(heldOut.step.frozenBackbone, weights)));
  const crops = images.map(({ crop }) => crop);
  const quality = await evaluator.evaluate(crops, weights);
  if (!evaluation) evaluator.dispose();
  const pictures = await FeaturePictures.create(runtime, options, weights.online);
  const rows: GalleryRow<Image>[] = [];
  for (const [i, image] of images.entries()) {
    rows.push(await pictures.row(image, { map: quality.errorMaps[i], meanError: quality.meanError }));
  }
  pictures.dispose();
  return { rows, quality };
}

/** The weights that a frozen backbone is compiled with; none otherwise, as they are inputs then. */
async function downloadBackbone(frozen: boolean, { online }: StepWeights) {
  const read = async (name: string, tensor: DeviceTensor<"float32">) => [name, await tensor.read()] as const;
  return new Map<string, TensorData>(
    await Promise.all(frozen ? [...online].map(([name, tensor]) => read(name, tensor)) : []),
  );
}

/** The photo, with the errors of a square grid over the cells that have one. The middle of the scale is `meanError`. */
function errorPicture(photo: Image, errors: Float32Array, meanError: number): Image {
  const { width, height } = photo;
  const cells = Math.sqrt(errors.length);
  const grid = heatPicture(errors, cells, cells, { low: 0, high: 2 * meanError });
  const heat = resizeNearest(grid.data, grid, photo, 3);
  const data = photo.data.map((value, i) => {
    const pixel = Math.floor(i / 3);
    const row = Math.floor((Math.floor(pixel / width) * cells) / height);
    const column = Math.floor(((pixel % width) * cells) / width);
    return Number.isNaN(errors[row * cells + column]) ? value : heat[i];
  });
  return { width, height, data };
}
