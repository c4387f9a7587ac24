import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { TensorData } from "../../src/core/tensor-data.js";
import { Finetuner } from "../../src/finetune/finetuner.js";
import type { BackboneOptions } from "../../src/models/backbone.js";
import type { Runtime } from "../../src/runtime/contract.js";
import { createRuntime } from "../../src/runtime/create-runtime.js";
import { architectureOf, type DecoderConfig } from "../golden/architecture.js";
import { type GoldenCase, loadCase, type Result } from "../golden/case.js";
import { drawsOf, type Scene, targetsOf } from "../golden/criterion-case.js";
import { type Comparison, reportDifferences } from "../support/tensor-comparison.js";
import { TOLERANCES } from "../support/tolerances.js";

const CPU = TOLERANCES.cpu.parity;

interface Config extends DecoderConfig {
  TRAIN_NUM_POINTS: number;
  OVERSAMPLE_RATIO: number;
  IMPORTANCE_SAMPLE_RATIO: number;
  NO_OBJECT_WEIGHT: number;
  CLASS_WEIGHT: number;
  MASK_WEIGHT: number;
  DICE_WEIGHT: number;
  PIXEL_MEAN: number[];
  PIXEL_STD: number[];
  BASE_LR: number;
  WEIGHT_DECAY: number;
  BACKBONE_MULTIPLIER: number;
  CLIP_FULL_MODEL_NORM: number;
  adamw: { betas: [number, number]; eps: number };
}

const SIZE = [64, 96] as const;

const BACKBONES: Record<string, BackboneOptions> = {
  "07_full_mask2former_r50": {
    kind: "resnet50",
    stemChannels: 64,
    stageBlocks: [3, 4, 6, 3],
    stageChannels: [256, 512, 1024, 2048],
    norm: "frozen",
  },
  "07_full_mask2former_swin": {
    kind: "swin",
    embedDim: 48,
    depths: [2, 2, 2, 2],
    heads: [2, 4, 8, 16],
    window: 7,
    dropPath: 0,
  },
};

/** Images normalised and padded with zeros on the right and below, and their objects. */
function batchOf(golden: GoldenCase, { PIXEL_MEAN, PIXEL_STD }: Config) {
  const [height, width] = SIZE;
  const images = new Float32Array(2 * 3 * height * width);
  const targets = [0, 1].map((image) => {
    const shape = golden.shapes.get(`image.${image}`)!;
    const [, h, w] = shape;
    const { data } = golden.values(`image.${image}`, shape);
    for (let c = 0; c < 3; c++) {
      for (let y = 0; y < h; y++) {
        for (let x = 0; x < w; x++) {
          const value = (data[(c * h + y) * w + x] - PIXEL_MEAN[c]) / PIXEL_STD[c];
          images[((image * 3 + c) * height + y) * width + x] = value;
        }
      }
    }
    return targetsOf(golden.explicit<Scene>(`targets.${image}`), height, width)[0];
  });
  return { images, targets };
}

/** The weights before the first step, by name. */
function weightsOf(golden: GoldenCase): Map<string, TensorData> {
  const names = [...golden.shapes].filter(([name]) => /^(backbone|sem_seg_head)\./.test(name));
  return new Map(names.map(([name, shape]) => [name, golden.values(name, shape)]));
}

/** What a difference is measured against: deltas of parameters are quantised by the parameter's own precision. */
function scaleOf(golden: GoldenCase, { name, alt_max_abs_diff = 0, f64_max_abs_diff = 0, ...result }: Result): number {
  const largest = Math.max(...Array.from(golden.stored(name) as Float32Array, Math.abs));
  const noise = 20 * Math.max(alt_max_abs_diff, f64_max_abs_diff);
  return Math.max(largest, result.shape.length === 0 ? result.abs_sum : 0, noise / CPU);
}

describe.each(Object.entries(BACKBONES))("the first steps of the whole official Mask2Former: %s", (name, backbone) => {
  let runtime: Runtime;
  let golden: GoldenCase;
  beforeAll(async () => {
    runtime = await createRuntime({ device: "cpu", cores: 2 });
    golden = await loadCase(name);
  });
  afterAll(() => runtime.dispose());

  test.each([
    { microBatch: 1, name: "all steps, one image a micro-batch" },
    { microBatch: 2, name: "one step, both images in one" },
  ])("losses, gradients, norm and parameters: $name", async ({ microBatch }) => {
    const all = golden.setting("steps");
    const steps = microBatch === 1 ? all : 1;
    const config = golden.hyper.config as Config;
    const architecture = architectureOf(config, backbone);
    const { images, targets } = batchOf(golden, config);
    const initial = { model: weightsOf(golden), target: new Map(), optimizer: new Map() };
    const before = new Map(
      [...initial.model].map(([name, { data }]) => [name, Float32Array.from(data as Float32Array)]),
    );
    const finetuner = await Finetuner.create(
      runtime,
      {
        architecture,
        criterion: {
          points: config.TRAIN_NUM_POINTS,
          oversampling: config.OVERSAMPLE_RATIO,
          importance: config.IMPORTANCE_SAMPLE_RATIO,
          noObject: config.NO_OBJECT_WEIGHT,
          weights: { class: config.CLASS_WEIGHT, mask: config.MASK_WEIGHT, dice: config.DICE_WEIGHT },
        },
        optim: {
          lr: config.BASE_LR,
          weightDecay: config.WEIGHT_DECAY,
          clip: config.CLIP_FULL_MODEL_NORM,
          betas: config.adamw.betas,
          eps: config.adamw.eps,
          schedule: "constant",
          warmup: 0,
          polyPower: 1,
          milestones: [],
          gamma: 1,
          rates: [{ prefixes: ["backbone."], factor: config.BACKBONE_MULTIPLIER }],
        },
        steps: all,
        seed: 0,
        batch: 2,
        microBatch,
        size: SIZE,
      },
      async () => initial,
    );
    const outputs = config.DEC_LAYERS;
    const pairs = targets.map(({ length }) => Math.min(length, config.NUM_OBJECT_QUERIES));
    const found = new Map<string, ArrayLike<number>>();
    for (let step = 0; step < steps; step++) {
      const draws = drawsOf(golden, outputs, pairs, step * outputs * (pairs.length + 2));
      // The case's images are those of the whole batch.
      const shifted = (first: number) => ({
        matching: (output: number, image: number, out: Float32Array) => draws.matching(output, first + image, out),
        candidates: (output: number, image: number, pair: number, out: Float32Array) =>
          draws.candidates(output, first + image, pair, out),
        uniform: (output: number, image: number, pair: number, out: Float32Array) =>
          draws.uniform(output, first + image, pair, out),
      });
      const { losses, gradientNorm } = await finetuner.step(step, images, targets, shifted);
      found.set(`step${step}/total_loss`, [losses.loss]);
      const { model, optimizer } = await finetuner.state();
      const deltas = [...before].map(([name, start]) => {
        const now = model.get(name)?.data as Float32Array;
        return [name, now.map((value, i) => value - start[i])] as const;
      });
      const moved = deltas.reduce((sum, [, delta]) => sum + delta.reduce((a, b) => a + Math.abs(b), 0), 0);
      found.set(`step${step}/param_delta_abs_sum`, [moved]);
      if (step === all - 1)
        for (const [name, delta] of deltas) found.set(`param_delta_total_after_${all}_steps/${name}`, delta);
      if (step === 0) {
        found.set("grad_norm_before_clip", [gradientNorm]);
        for (const [name, value] of Object.entries(losses)) {
          const weight = { ce: config.CLASS_WEIGHT, mask: config.MASK_WEIGHT, dice: config.DICE_WEIGHT }[
            name.split("_")[1]
          ];
          if (weight) found.set(`step0/weighted/${name}`, [weight * value]);
        }
        // The first moment after one step is (1 - beta1) times the clipped gradient.
        const clipping = Math.min(1, config.CLIP_FULL_MODEL_NORM / (gradientNorm + 1e-6));
        for (const [name, { data }] of optimizer) {
          const gradient = (data as Float32Array).map((m) => m / ((1 - config.adamw.betas[0]) * clipping));
          if (name.startsWith("exp_avg.")) found.set(name.replace("exp_avg.", "grad/"), gradient);
        }
        for (const [name, delta] of deltas) {
          found.set(`param_delta_step0/${name}`, delta);
          found.set(`param_after_step0/${name}`, Float32Array.from(model.get(name)?.data as Float32Array));
        }
      }
    }
    finetuner.dispose();
    const wanted = golden.results.filter(({ name }) => {
      const step = name.startsWith("param_delta_total_after_") ? all - 1 : Number(/^step(\d)\//.exec(name)?.[1] ?? 0);
      return !/^eval\/|\/match\//.test(name) && step < steps;
    });
    expect(wanted.map(({ name }) => name).filter((name) => !found.has(name))).toEqual([]);
    const comparisons: Comparison[] = wanted.flatMap((result) => {
      const values = Float32Array.from(found.get(result.name)!);
      const [elements] = golden.compare(result, values, scaleOf(golden, result));
      return [elements, ...golden.compare(result, values).slice(1)];
    });
    expect(reportDifferences(comparisons, CPU)).toBe("");
  });
});
