/** @file What a file should give: what the parts of this program give that predict. */

import type { Image } from "../../core/image.js";
import type { TensorData } from "../../core/tensor-data.js";
import { paddedSize, testInput } from "../../data/test-input.js";
import type { EncoderArchitecture } from "../../families/families.js";
import type { Task } from "../../masks/segmentation.js";
import { MASK_STRIDE } from "../../predict/network-output.js";
import { Predictor, type Seen } from "../../predict/predictor.js";
import { createFeatureExtractor, type FeatureExtractor } from "../../run/feature-extractor.js";
import type { Runtime } from "../../runtime/contract.js";
import { uploadTensors } from "../../runtime/upload.js";
import type { ModelDescription } from "../../weights/model-description.js";
import { labelsInAnswer, labelsOf } from "./labels.js";
import { CLASS_LOGITS, MASK_FEATURES, MASK_LOGITS } from "./network.js";
import type { Expectation, LabelMaps } from "./try-file.js";

type Weights = ReadonlyMap<string, TensorData>;

/** An expectation that holds memory of a runtime. */
export interface OpenExpectation extends Expectation {
  dispose(): Promise<void>;
}

export interface SegmentingOptions {
  /** The shorter side of the images, which are taken at the size that they have. */
  readonly edge: number;
  /** What the network is asked for, and the form of the labels where the file has no form of its own. */
  readonly task: Task;
  /** Forms of answer that the file gives. */
  readonly forms: ReadonlySet<Task>;
}

/** What `predict` makes of images under weights. */
export async function segmentingExpectation(
  runtime: Runtime,
  model: ModelDescription,
  weights: Weights,
  { edge, task, forms }: SegmentingOptions,
): Promise<OpenExpectation & Required<Expectation>> {
  const inference = { ...model.inference, shortEdge: edge, longEdge: Number.MAX_SAFE_INTEGER, window: undefined };
  // As inputs, so that a network of another size is compiled without another copy of them.
  const uploaded = await uploadTensors(runtime, weights);
  const predictor = await Predictor.create(runtime, { ...model, inference }, { weights: uploaded });
  const known = new WeakMap<Image, Promise<Seen>>();
  const look = (image: Image) => {
    const seen = known.get(image) ?? predictor.look(image, task);
    known.set(image, seen);
    return seen;
  };
  return {
    async outputs(image) {
      const { output, sizes } = await look(image);
      const { queries, classes, logits, masks } = output;
      const grid = [sizes.padded.height / MASK_STRIDE, sizes.padded.width / MASK_STRIDE];
      return new Map([
        [CLASS_LOGITS, { shape: [1, queries, classes + 1], data: logits }],
        [MASK_LOGITS, { shape: [1, queries, ...grid], data: masks }],
      ]);
    },
    async labels(image, answer) {
      const seen = await look(image);
      const { width, height } = seen.sizes.padded;
      const isWhole = width === image.width && height === image.height;
      const [logits, masks] = [CLASS_LOGITS, MASK_LOGITS].map((name) => answer.get(name)?.data as Float32Array);
      const given: Seen = { ...seen, output: { ...seen.output, logits, masks } };
      const maps: LabelMaps[] = [];
      for (const form of forms.size > 0 ? forms : [task]) {
        if (!forms.has(form) && !isWhole) continue; // the file's masks end with the image
        const labels = async (of: Seen) => labelsOf(await predictor.interpret(of, new Set([form])), image);
        const found = forms.has(form) ? labelsInAnswer(answer, form, image) : await labels(given);
        maps.push({ wanted: await labels(seen), found });
      }
      return maps;
    },
    async dispose() {
      await predictor.dispose();
      for (const tensor of uploaded.values()) tensor.dispose();
    },
  };
}

/** F_last of padded images, under the weights of an encoder. */
export async function encodingExpectation(
  runtime: Runtime,
  encoder: EncoderArchitecture,
  weights: Weights,
): Promise<OpenExpectation> {
  const uploaded = await uploadTensors(runtime, weights);
  const extractors = new Map<string, FeatureExtractor>();
  return {
    async outputs(image) {
      const size = paddedSize(image);
      const { paddedWidth: width, paddedHeight: height } = size;
      const key = `${width}x${height}`;
      const extractor = extractors.get(key) ?? (await createFeatureExtractor(runtime, encoder, { width, height }));
      extractors.set(key, extractor);
      const { planes } = testInput(image, size);
      const { data, channels, ...map } = await extractor.features(planes, uploaded);
      return new Map([[MASK_FEATURES, { shape: [1, channels, map.height, map.width], data }]]);
    },
    async dispose() {
      for (const extractor of extractors.values()) extractor.dispose();
      for (const tensor of uploaded.values()) tensor.dispose();
    },
  };
}
