/** @file Panoptic inference on one image, from its pixels to the map at its own size. */

import { readSafetensors } from "../src/checkpoint/safetensors.js";
import type { TensorData } from "../src/core/tensor-data.js";
import { COCO_CLASSES } from "../src/data/datasets/coco-classes.js";
import { describeModel } from "../src/finetune/composition.js";
import type { PanopticMap } from "../src/masks/segmentation.js";
import { asConstants } from "../src/nn/scope.js";
import { inferenceGraph } from "../src/predict/model-graph.js";
import { Predictor } from "../src/predict/predictor.js";
import { createRuntime } from "../src/runtime/create-runtime.js";
import { cocoDeclarations, cocoModel, cocoSettings, sharpen } from "./coco-model.js";
import type { Job, Problem, Values } from "./job.js";
import { drawScene } from "./scene.js";
import { workOf, zerosFor } from "./work.js";

/** Side of an image as it comes, of its side in the network: COCO images of 480 pixels are resized to 800. */
const ORIGINAL = 480 / 800;
/** Mean and standard deviation of pixels. */
const GREY = { mean: 120, spread: 50 };

/** The image of a step as bytes, [side, side, 3]. */
function imageOf({ size }: Problem, step: number): TensorData<"uint8"> {
  const side = Math.round(ORIGINAL * size);
  const { pixels } = drawScene({ step, sample: 0 }, side, COCO_CLASSES.length);
  const data = new Uint8Array(pixels.length);
  pixels.forEach((value, i) => {
    const [channel, at] = [Math.floor(i / (side * side)), i % (side * side)];
    data[3 * at + channel] = Math.min(255, Math.max(0, GREY.mean + GREY.spread * value));
  });
  return { dtype: "uint8", shape: [side, side, 3], data };
}

/** Label of every segment, its area and mean position as shares of the image's; its number is its id. */
function valuesOf({ segments, ids, width, height }: PanopticMap): Values {
  const sums = new Map(segments.map(({ id }) => [id, { area: 0, x: 0, y: 0 }]));
  ids.forEach((id, at) => {
    const sum = sums.get(id);
    if (!sum) return;
    sum.area++;
    sum.x += at % width;
    sum.y += Math.floor(at / width);
  });
  const described = segments.flatMap(({ id, label }) => {
    const { area, x, y } = sums.get(id) as { area: number; x: number; y: number };
    const values = { label, area: area / ids.length, x: x / area / width, y: y / area / height };
    return Object.entries(values).map(([name, value]) => [`${name}_${id}`, value]);
  });
  return { segments: segments.length, ...Object.fromEntries(described) };
}

export const inference: Job = {
  title: "panoptic inference",
  ofFamilies: true,
  images: 1,
  // A pixel on an edge may fall to either side.
  tolerance: { first: 2e-3, later: 2e-3 },

  declarations: cocoDeclarations,
  adjust: sharpen,

  batch: (problem, step) => new Map([["image", imageOf(problem, step)]]),

  work(problem) {
    const { size } = problem;
    const weights = zerosFor(cocoDeclarations(problem));
    const architecture = cocoModel(problem);
    return workOf([
      inferenceGraph(architecture, { width: size, height: size }, (graph) => asConstants(graph, weights)),
    ]);
  },

  async start(problem) {
    const runtime = await createRuntime({ device: "cpu", cores: problem.cores });
    const weights = await readSafetensors(problem.weights);
    const predictor = await Predictor.create(
      runtime,
      describeModel(cocoSettings(problem), { task: "panoptic", classes: COCO_CLASSES }),
      {
        weights,
        concurrency: 1,
      },
    );
    let image: { width: number; height: number; data: Uint8Array };
    let panoptic: PanopticMap;
    return {
      load(inputs) {
        const { shape, data } = inputs.get("image") as TensorData<"uint8">;
        image = { height: shape[0], width: shape[1], data };
      },
      async run() {
        const prediction = await predictor.predict(image, new Set(["panoptic"]));
        panoptic = prediction.panoptic as PanopticMap;
      },
      values: () => valuesOf(panoptic),
    };
  },
};
