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
import type { Expectation, Labels } from "./try-file.js";

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
  const asked = forms.size > 0 ? [...forms] : [task];
  const labels = (seen: Seen, image: Image) =>
    Promise.all(asked.map(async (form) => labelsOf(await predictor.interpret(seen, new Set([form])), image)));
  const look = async (image: Image) => {
    const seen = await predictor.look(image, task);
    return { seen, wanted: await labels(seen, image) };
  };
  const known = new WeakMap<Image, ReturnType<typeof look>>();
  const looked = (image: Image) => {
    const one = known.get(image) ?? look(image);
    known.set(image, one);
    return one;
  };
  return {
    async outputs(image) {
      const { output, sizes } = (await looked(image)).seen;
      const { queries, classes, logits, masks } = output;
      const grid = [sizes.padded.height / MASK_STRIDE, sizes.padded.width / MASK_STRIDE];
      return new Map([
        [CLASS_LOGITS, { shape: [1, queries, classes + 1], data: logits }],
        [MASK_LOGITS, { shape: [1, queries, ...grid], data: masks }],
      ]);
    },
    async labels(image, answer) {
      const { seen, wanted } = await looked(image);
      const { width, height } = seen.sizes.padded;
      const isWhole = width === image.width && height === image.height;
      if (forms.size === 0 && !isWhole) return []; // the file's masks end with the image
      const given = async (): Promise<readonly Labels[]> => {
        if (forms.size > 0) return asked.map((form) => labelsInAnswer(answer, form, image));
        const [logits, masks] = [CLASS_LOGITS, MASK_LOGITS].map((name) => answer.get(name)?.data as Float32Array);
        return labels({ ...seen, output: { ...seen.output, logits, masks } }, image);
      };
      return (await given()).map((found, i) => ({ wanted: wanted[i], found }));
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
