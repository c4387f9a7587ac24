/** @file The fine-tuning step of a model: all weights, the criterion, every output matched anew. */

import { readSafetensors } from "../src/checkpoint/safetensors.js";
import { floats, sizeOf, type TensorData } from "../src/core/tensor-data.js";
import { familyOf } from "../src/families/families.js";
import { architectureOf, finetunerOptions } from "../src/finetune/composition.js";
import { pointDraws } from "../src/finetune/draws.js";
import { Finetuner, type StepReport } from "../src/finetune/finetuner.js";
import { buildTraining } from "../src/finetune/programs.js";
import { pointCounts } from "../src/losses/points.js";
import type { Target } from "../src/masks/segmentation.js";
import { createRuntime } from "../src/runtime/create-runtime.js";
import { CLASSES, cocoDeclarations, cocoSettings, sharpen } from "./coco-model.js";
import type { Job, Problem, Tensors } from "./job.js";
import { drawScene, type Scene } from "./scene.js";
import { workOf } from "./work.js";

/** Length of the run that the schedule sees: it is constant for most of it. */
const NUMBERED = Array.from({ length: CLASSES }, (_, i) => ({ name: String(i), isThing: true }));
const STEPS = 1000;

const scenesOf = ({ size, images }: Problem, step: number): Scene[] =>
  Array.from({ length: images }, (_, sample) => drawScene({ step, sample }, size, CLASSES));

/** Masks of the segments of a scene, one after another. */
function masksOf({ labels, owner }: Scene): Uint8Array {
  const masks = new Uint8Array(labels.length * owner.length);
  owner.forEach((segment, at) => {
    masks[segment * owner.length + at] = 1;
  });
  return masks;
}

/**
 * All random points of a step in the order in which the authors' criterion draws them: for every output, the last one
 * first, those of the matching of each image, then the candidates of all pairs, then the unconditional ones of all
 * pairs.
 */
function* pointsOf(problem: Problem, step: number, scenes: readonly Scene[]): Generator<TensorData<"float32">> {
  const settings = cocoSettings(problem);
  const { points } = settings.criterion;
  const { candidates, uniform } = pointCounts(settings.criterion);
  const { queries, layers } = architectureOf(settings, CLASSES).transformerDecoder;
  const draws = scenes.map((_, image) => pointDraws(settings.run.seed, step, image));
  const pairs = scenes.flatMap(({ labels }, image) =>
    Array.from({ length: Math.min(labels.length, queries) }, (_, pair) => ({ image, pair })),
  );
  const drawn = (sets: number, count: number, fill: (set: number, out: Float32Array) => void) => {
    const all = floats([sets, count, 2], new Float32Array(sets * count * 2));
    for (let set = 0; set < sets; set++) fill(set, all.data.subarray(set * count * 2, (set + 1) * count * 2));
    return all;
  };
  for (const output of [layers, ...Array.from({ length: layers }, (_, i) => i)]) {
    for (const { matching } of draws) yield drawn(1, points, (_, out) => matching(output, 0, out));
    for (const [kind, count] of [
      ["candidates", candidates],
      ["uniform", uniform],
    ] as const) {
      yield drawn(pairs.length, count, (set, out) => {
        const { image, pair } = pairs[set];
        draws[image][kind](output, 0, pair, out);
      });
    }
  }
}

function batchOf(problem: Problem, step: number): Tensors {
  const { size, images } = problem;
  const scenes = scenesOf(problem, step);
  const pixels = floats([images, 3, size, size], new Float32Array(3 * images * size * size));
  const batch = new Map<string, TensorData>([["images", pixels]]);
  scenes.forEach((scene, i) => {
    const { labels } = scene;
    pixels.data.set(scene.pixels, i * scene.pixels.length);
    batch.set(`labels/${i}`, { dtype: "int64", shape: [labels.length], data: BigInt64Array.from(labels, BigInt) });
    batch.set(`masks/${i}`, { dtype: "uint8", shape: [labels.length, size, size], data: masksOf(scene) });
  });
  if (familyOf(problem).comparison.at === "pixels") return batch;
  let number = 0;
  for (const points of pointsOf(problem, step, scenes)) batch.set(`points/${number++}`, points);
  return batch;
}

function targetsOf(inputs: Tensors, images: number): Target[][] {
  return Array.from({ length: images }, (_, i) => {
    const labels = inputs.get(`labels/${i}`) as TensorData<"int64">;
    const masks = inputs.get(`masks/${i}`) as TensorData<"uint8">;
    const area = sizeOf(masks.shape.slice(1));
    return Array.from(labels.data, (label, k) => ({
      label: Number(label),
      mask: masks.data.subarray(k * area, (k + 1) * area),
    }));
  });
}

export const finetuneStep: Job = {
  title: "fine-tuning step",
  ofFamilies: true,
  // Attention masks, matches and choices of points are decisions: where rounding tips one, its terms of the loss jump.
  tolerance: { first: 1e-4, later: 1e-2, laterOnly: ["loss"] },

  declarations: cocoDeclarations,
  adjust: sharpen,
  batch: batchOf,
  forPeer: /^points\//,

  /** Forward and backward pass of the network, without the criterion. */
  work(problem) {
    const architecture = architectureOf(cocoSettings({ ...problem, recompute: [] }), CLASSES);
    const { forward, backward } = buildTraining(architecture, 1, [problem.size, problem.size]);
    return workOf([forward, backward]);
  },

  async start(problem) {
    const settings = cocoSettings(problem);
    const runtime = await createRuntime({ device: "cpu", cores: problem.cores });
    const finetuner = await Finetuner.create(runtime, finetunerOptions(settings, NUMBERED, STEPS), async () => ({
      model: await readSafetensors(problem.weights),
      target: new Map(),
      optimizer: new Map(),
    }));
    let number: number;
    let images: Float32Array;
    let targets: Target[][];
    let report: StepReport;
    return {
      load(inputs, step) {
        number = step;
        images = inputs.get("images")?.data as Float32Array;
        targets = targetsOf(inputs, problem.images);
      },
      async run() {
        report = await finetuner.step(number, images, targets);
      },
      values: () => report.losses,
    };
  },
};
