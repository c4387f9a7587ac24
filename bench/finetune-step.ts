/** @file The fine-tuning step of a model: all weights, the criterion, every output matched anew. */

import { readSafetensors } from "../src/checkpoint/safetensors.js";
import { floats, sizeOf, type TensorData } from "../src/core/tensor-data.js";
import { COCO_CLASSES } from "../src/data/datasets/coco-classes.js";
import { finetunerOptions } from "../src/finetune/composition.js";
import { Finetuner, type StepReport } from "../src/finetune/finetuner.js";
import { buildTraining } from "../src/finetune/programs.js";
import { roomsOf } from "../src/finetune/rooms.js";
import { fittedTo } from "../src/finetune/segmentation.js";
import type { Target } from "../src/masks/segmentation.js";
import { createRuntime } from "../src/runtime/create-runtime.js";
import { cocoDeclarations, cocoModel, cocoSettings, sharpen } from "./coco-model.js";
import type { Job, Problem, Tensors } from "./job.js";
import { DRAWS_FOR_PEER, drawsForPeer } from "./peer-draws.js";
import { drawScene, type Scene } from "./scene.js";
import { perImage, workOf } from "./work.js";

/** Length of the run that the schedule sees: it is constant for most of it. */
const STEPS = 1000;

/** The segments of a scene. */
const segmentsOf = ({ labels, owner }: Scene): Target[] =>
  labels.map((label, segment) => ({ label, mask: Uint8Array.from(owner, (at) => (at === segment ? 1 : 0)) }));

async function batchOf(problem: Problem, step: number): Promise<Tensors> {
  const { size, images } = problem;
  const settings = cocoSettings(problem);
  const scenes = Array.from({ length: images }, (_, sample) => drawScene({ step, sample }, size, COCO_CLASSES.length));
  const objects = scenes.map(segmentsOf);
  const pixels = floats([images, 3, size, size], new Float32Array(3 * images * size * size));
  const batch = new Map<string, TensorData>([["images", pixels]]);
  scenes.forEach((scene, i) => {
    pixels.data.set(scene.pixels, i * scene.pixels.length);
    const { labels } = scene;
    const masks = Buffer.concat(objects[i].map(({ mask }) => mask));
    batch.set(`labels/${i}`, { dtype: "int64", shape: [labels.length], data: BigInt64Array.from(labels, BigInt) });
    batch.set(`masks/${i}`, { dtype: "uint8", shape: [labels.length, size, size], data: Uint8Array.from(masks) });
  });
  const { seed } = settings.run;
  const drawn = { seed, step, objects, classes: COCO_CLASSES, task: "panoptic", size: [size, size] } as const;
  const forPeer = await drawsForPeer(cocoModel(problem), drawn, settings.criterion);
  return new Map([...batch, ...forPeer]);
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
  forPeer: DRAWS_FOR_PEER,

  /** Forward and backward pass of the network, without the criterion. */
  async work(problem) {
    const plain = { ...problem, recompute: [] };
    const { microBatch } = cocoSettings(plain).run;
    const { architecture } = await fittedTo({ architecture: cocoModel(plain) }, COCO_CLASSES);
    const [usual] = roomsOf({ architecture, microBatch });
    const { forward, backward } = buildTraining(usual, microBatch, [problem.size, problem.size]);
    return perImage(workOf([forward, backward]), microBatch);
  },

  async start(problem) {
    const settings = cocoSettings(problem);
    const runtime = await createRuntime({ device: "cpu", cores: problem.cores });
    const finetuner = await Finetuner.create(runtime, finetunerOptions(settings, COCO_CLASSES, STEPS), async () => ({
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
