/** @file Pictures of a fine-tuned model: what it predicts, and its features beside those that it began with. */

import { availableParallelism } from "node:os";
import { InputError } from "../core/errors.js";
import type { FeatureMap, Image, Size } from "../core/image.js";
import type { Reporter } from "../core/reporter.js";
import type { TensorData } from "../core/tensor-data.js";
import { decodeImage } from "../data/source.js";
import { type TestSize, testInput, testSize } from "../data/test-input.js";
import { type EncoderArchitecture, familyOf } from "../families/families.js";
import { startingWeights } from "../finetune/composition.js";
import type { FinetuneSettings } from "../finetune/settings.js";
import { loadSettings } from "../finetune/settings-resolution.js";
import { DRAWN_SCORE, drawnPart, drawOver, pictureOf } from "../predict/drawing.js";
import { listImages, noneReadable } from "../predict/folder/image-list.js";
import { MASK_STRIDE } from "../predict/network-output.js";
import { watchNothingKept } from "../predict/nothing-kept.js";
import { type LiveWeights, Predictor } from "../predict/predictor.js";
import { type LoadedModel, loadTrainedModel } from "../predict/trained-model.js";
import { cutOut, networkSize, windowsOf } from "../predict/windows.js";
import { createFeatureExtractor, encoderWeights, type FeatureExtractor } from "../run/feature-extractor.js";
import type { Runtime } from "../runtime/contract.js";
import { createRuntime } from "../runtime/create-runtime.js";
import { uploadTensors } from "../runtime/upload.js";
import { featureCells, READING_FEATURES } from "../viz/feature-cells.js";
import { cropFeatures } from "../viz/feature-map.js";
import type { GalleryRow } from "../viz/report.js";
import { addWindow } from "./stitch.js";
import type { Drawing, DrawingOptions } from "./visualization.js";

export async function drawFineTuned(
  checkpoint: string,
  settingsFile: string | undefined,
  { part, images, count, device, cores, gallery, reporter }: DrawingOptions,
): Promise<Drawing> {
  const model = await loadTrainedModel(checkpoint, { part, reporter });
  const settings = settingsFile === undefined ? undefined : loadSettings(settingsFile);
  const { inference, task, classes } = model;
  const white = { value: model.whiteLevel, setting: "white_level of the training data" };
  const list = await listImages(images, inference, { white, limit: count, reporter });
  const threads = (cores ?? settings?.run.cores) || availableParallelism();
  const runtime = await createRuntime({ device: device ?? settings?.run.device ?? "cpu", cores: threads });
  const encoder = familyOf(model.architecture).forInference(model.architecture);
  const before = settings && (await weightsBefore(settings, encoder, reporter));
  const features = await Features.create(runtime, model, encoder, before);
  const predictor = await Predictor.create(runtime, model, { weights: model.weights, concurrency: 1, programs: 1 });
  const nothingKept = watchNothingKept("evaluate", inference);
  const skipped = [...list.skipped];
  reporter.say("Compiling the model and its encoder");
  const drawing = reporter.begin("Drawing", list.images.length);
  try {
    let done = 0;
    for (const place of list.order) {
      const { index, file, stem } = list.images[place];
      try {
        const image = await decodeImage(list.source, index);
        const prediction = await predictor.predict(image, new Set([task]));
        nothingKept.add(prediction);
        const photo = pictureOf(image);
        const cells: GalleryRow<Image>["cells"] = [
          { label: "photo", picture: photo },
          { label: "prediction", picture: drawOver(photo, drawnPart(prediction, task, image), classes) },
          ...featureCells(...(await features.of(image))),
        ];
        await gallery.add(place, { file, stem, row: { caption: file.split(/[\\/]/).slice(-2).join("/"), cells } });
      } catch (error) {
        if (!(error instanceof InputError) || error.problem.where !== file) throw error;
        skipped.push({ file, reason: error.problem.found });
      }
      drawing.update(++done);
    }
  } finally {
    drawing.end();
    features.dispose();
    await predictor.dispose();
    runtime.dispose();
  }
  if (gallery.images.length === 0) throw noneReadable(images, skipped);
  return {
    kind: "fine-tuned model",
    step: model.step,
    skipped,
    title: `A fine-tuned model: ${task} segmentation`,
    reading: readingOf(model, before),
    facts: [["Classes", String(classes.length)]],
    warnings: nothingKept.warnings(),
  };
}

/** The weights of the encoder before fine-tuning, and where they came from. */
interface Before {
  readonly weights: ReadonlyMap<string, TensorData>;
  readonly origin: string;
}

/** Undefined, with a warning, where they cannot be had any more. */
async function weightsBefore(
  settings: FinetuneSettings,
  encoder: EncoderArchitecture,
  reporter: Reporter,
): Promise<Before | undefined> {
  try {
    const { weights } = await startingWeights(settings, encoderWeights(encoder), { reporter });
    return { weights, origin: settings.from.run ?? "random ones of its seed" };
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    reporter.warn(`Drawn without the features before fine-tuning. ${error.message}`);
    return undefined;
  }
}

function readingOf({ task }: LoadedModel, before: Before | undefined): string {
  const drawn =
    task === "instance" ? `the objects with a score of ${DRAWN_SCORE} or more` : "what its thresholds leave";
  const features = before
    ? `${READING_FEATURES}, under the weights that fine-tuning began with (${before.origin}) and after it; ` +
      "clusters keep the colour of what they overlap before."
    : `${READING_FEATURES}.`;
  return `The prediction: ${drawn}. ${features}`;
}

/** F_last of whole images, after fine-tuning and before. One size is compiled at a time. */
class Features {
  private extractor: FeatureExtractor | undefined;
  private size = "";

  private constructor(
    private readonly runtime: Runtime,
    private readonly model: LoadedModel,
    private readonly encoder: EncoderArchitecture,
    private readonly after: LiveWeights,
    private readonly before: LiveWeights | undefined,
  ) {}

  static async create(
    runtime: Runtime,
    model: LoadedModel,
    encoder: EncoderArchitecture,
    before: Before | undefined,
  ): Promise<Features> {
    const names = encoderWeights(encoder);
    const own = new Map([...model.weights].filter(([name]) => names.has(name)));
    const start = before && (await uploadTensors(runtime, before.weights));
    return new Features(runtime, model, encoder, await uploadTensors(runtime, own), start);
  }

  async of(image: Image): Promise<[after: FeatureMap, before?: FeatureMap]> {
    const after = await this.under(this.after, image);
    return this.before ? [after, await this.under(this.before, image)] : [after];
  }

  dispose(): void {
    this.extractor?.dispose();
    for (const weights of [this.after, this.before]) for (const tensor of weights?.values() ?? []) tensor.dispose();
  }

  private async under(weights: LiveWeights, image: Image): Promise<FeatureMap> {
    const { inference } = this.model;
    const size = networkSize(image, inference);
    const extractor = await this.extractorOf(size);
    const mapOf = async (part: Image) =>
      cropFeatures(await extractor.features(testInput(part, size).planes, weights), gridOf(size));
    const windows = windowsOf(image, inference);
    if (windows.length === 1) return mapOf(image);
    let whole: FeatureMap | undefined;
    for (const window of windows) {
      const part = await mapOf(cutOut(image, window));
      if (!whole) {
        const grid = gridOf(testSize(image, inference));
        whole = { ...grid, channels: part.channels, data: new Float32Array(part.channels * grid.width * grid.height) };
      }
      addWindow(whole, part, window, image);
    }
    return whole as FeatureMap;
  }

  private async extractorOf({ paddedWidth: width, paddedHeight: height }: TestSize): Promise<FeatureExtractor> {
    const size = `${width}x${height}`;
    if (!this.extractor || this.size !== size) {
      this.extractor?.dispose();
      this.extractor = await createFeatureExtractor(this.runtime, this.encoder, { width, height });
      this.size = size;
    }
    return this.extractor;
  }
}

/** Positions of F_last on an image of the network's input. */
const gridOf = ({ width, height }: Size): Size => ({
  width: Math.ceil(width / MASK_STRIDE),
  height: Math.ceil(height / MASK_STRIDE),
});
