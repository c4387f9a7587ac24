/** @file The Mask-JEPA pretraining step with a frozen backbone. */

import { readSafetensors } from "../src/checkpoint/safetensors.js";
import { RandomStream } from "../src/core/random.js";
import { floats, sizeOf, type TensorData } from "../src/core/tensor-data.js";
import { pretrainerOptions, stepOptions, weightsOptions } from "../src/pretrain/composition.js";
import { drawMask, maskStream, noiseStream, queryStream } from "../src/pretrain/draws.js";
import { Pretrainer } from "../src/pretrain/pretrainer.js";
import { buildFrozenBackbone, buildGradients, buildTarget, stepShapes } from "../src/pretrain/programs.js";
import type { PretrainSettings } from "../src/pretrain/settings.js";
import { resolveSettings } from "../src/pretrain/settings-resolution.js";
import { backboneDeclarations } from "../src/pretrain/starting-weights.js";
import { createRuntime } from "../src/runtime/create-runtime.js";
import type { Job, Problem } from "./job.js";
import { workOf, zerosFor } from "./work.js";

/** Length of the run that the schedules see; they are constant. */
const STEPS = 1000;
/** Part of the model of which the target has a copy. */

/** The paper's settings with a frozen backbone; learning rate and tau constant, as on the other side. */
function settingsOf({ backbone, size, images, cores, recompute, weights }: Problem): PretrainSettings {
  const sets = [
    `data.size=${size}`,
    `run.batch=${images}`,
    "run.microBatch=1",
    `run.cores=${cores}`,
    `backbone.weights=${JSON.stringify(weights)}`,
    "optim.warmup=0",
    "pretrain.emaEnd=0.996",
  ];
  if (recompute) sets.push(`run.recompute=${JSON.stringify(recompute)}`);
  return resolveSettings({ preset: backbone === "swin-t" ? "paper-swin-t" : "paper-r50", sets });
}

/** The batch of one step: images of N(0, 1), and what the step itself will draw for `step`. */
function batchOf(settings: PretrainSettings, step: number): Map<string, TensorData> {
  const { run } = settings;
  const options = stepOptions(settings);
  const shapes = stepShapes(options);
  const stacked = (shape: readonly number[], fill: (sample: number, out: Float32Array) => void) => {
    const each = sizeOf(shape.slice(1));
    const data = new Float32Array(run.batch * each);
    for (let i = 0; i < run.batch; i++) fill(i, data.subarray(i * each, (i + 1) * each));
    return floats([run.batch, ...shape.slice(1)], data);
  };
  const keyOf = (sample: number) => ({ seed: run.seed, step, sample });
  const masks = Array.from({ length: run.batch }, (_, i) => drawMask(maskStream(keyOf(i)), options.mask));
  return new Map<string, TensorData>([
    [
      "images",
      stacked(shapes.images, (i, out) => new RandomStream({ ...keyOf(i), purpose: "bench images" }).fillNormal(out)),
    ],
    ["noise", stacked(shapes.noise, (i, out) => noiseStream(keyOf(i)).fillNormal(out, options.noise.sigma))],
    ["queries", stacked(shapes.queries, (i, out) => queryStream(keyOf(i)).fillNormal(out))],
    [
      "masked",
      {
        dtype: "int64",
        shape: [run.batch, masks[0].length],
        data: BigInt64Array.from(masks.flatMap((m) => [...m])),
      },
    ],
  ]);
}

export const pretrainStep: Job = {
  title: "pretraining step",
  ofFamilies: false,
  tolerance: { first: 1e-4, later: 1e-3 },

  declarations(problem) {
    const settings = settingsOf(problem);
    const trained = buildGradients(stepOptions(settings)).declarations;
    return [...backboneDeclarations(weightsOptions(settings).encoder).values(), ...trained.values()];
  },

  batch: (problem, step) => batchOf(settingsOf(problem), step),

  /** Frozen backbone for the clean and the noisy image, target, online forward and backward pass. */
  work(problem) {
    const settings = settingsOf({ ...problem, recompute: [] });
    return workOf([
      buildFrozenBackbone(
        stepOptions(settings),
        zerosFor(backboneDeclarations(weightsOptions(settings).encoder).values()),
      ),
      buildTarget(stepOptions(settings)).graph,
      buildGradients(stepOptions(settings)).graph,
    ]);
  },

  async start(problem) {
    const settings = settingsOf(problem);
    const runtime = await createRuntime({ device: "cpu", cores: problem.cores });
    const pretrainer = await Pretrainer.create(runtime, pretrainerOptions(settings, STEPS), () =>
      readSafetensors(problem.weights),
    );
    let images: Float32Array;
    let number: number;
    let result: Awaited<ReturnType<Pretrainer["step"]>>;
    return {
      load(inputs, step) {
        images = inputs.get("images")?.data as Float32Array;
        number = step;
      },
      async run() {
        result = await pretrainer.step(number, images, false);
      },
      values() {
        const { loss, reconstruction, denoising } = result.losses;
        return { loss, recon: reconstruction, denoise: denoising };
      },
    };
  },
};
