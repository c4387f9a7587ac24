import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { sizesOf } from "../../src/families/families.js";
import { Finetuner } from "../../src/finetune/finetuner.js";
import type { Runtime } from "../../src/runtime/contract.js";
import { createRuntime } from "../../src/runtime/create-runtime.js";
import { architectureOf } from "../golden/architecture.js";
import { type GoldenCase, loadCase } from "../golden/case.js";
import { drawsOf } from "../golden/criterion-case.js";
import { batchOf, type Config, criterionOf, scaleOf, WHOLE_MODELS, weightsOf } from "../golden/whole-model.js";
import { predictionsOf } from "../golden/whole-predictions.js";
import { type Comparison, reportDifferences } from "../support/tensor-comparison.js";
import { numberedClasses } from "../support/tiny-finetuning.js";
import { TOLERANCES } from "../support/tolerances.js";

const CPU = TOLERANCES.cpu.parity;

/** Runs of a case: a second one shows that images add up in one micro-batch as they do over several. */
const ONE_BY_ONE = { microBatch: 1, first: Number.POSITIVE_INFINITY, name: "all steps, one image a micro-batch" };
const TOGETHER = { microBatch: 2, first: Number.POSITIVE_INFINITY, name: "all steps, both images in one" };
const TOGETHER_ONCE = { microBatch: 2, first: 1, name: "one step, both images in one" };

const { mask2formerR50, mask2formerSwin, maskformer, maskformerCoco } = WHOLE_MODELS;

/**
 * How far an AdamW update may be off where gradients are as far off as parity allows, `CPU` of the tensor's largest:
 * lr m / (sqrt(v) + eps) turns an error of a gradient into lr / (sqrt(v) + eps) times as much, once through m and once
 * through v, and never moves by more than lr either way. `square`: exp_avg_sq after the step.
 */
function updateErrors(
  square: Float32Array,
  step: number,
  { lr, eps, betas }: Config["adamw"] & { lr: number },
): Float32Array {
  const sizes = square.map((v) => Math.sqrt(v / (1 - betas[1] ** (step + 1))));
  const error = CPU * sizes.reduce((a, b) => Math.max(a, b), 0);
  return sizes.map((size) => 2 * lr * Math.min(1, error / (size + eps)));
}

describe.each([
  { ...mask2formerR50, runs: [ONE_BY_ONE, TOGETHER_ONCE] },
  { ...mask2formerSwin, runs: [ONE_BY_ONE] },
  { ...maskformer, runs: [ONE_BY_ONE] },
  { ...maskformerCoco, runs: [TOGETHER] },
])("the first steps of a whole official model: $name", ({ name, backbone, size, runs }) => {
  let runtime: Runtime;
  let golden: GoldenCase;
  beforeAll(async () => {
    runtime = await createRuntime({ device: "cpu", cores: 2 });
    golden = await loadCase(name);
  });
  afterAll(() => runtime.dispose());

  test("predictions, and who is matched to whom", async () => {
    const config = golden.hyper.config as Config;
    const architecture = architectureOf(config, backbone);
    const { images, targets } = batchOf(golden, config, size);
    const criterion = criterionOf(config);
    const batch = { architecture, weights: weightsOf(golden), images, size, targets };
    const { values, matches } = await predictionsOf(runtime, batch, criterion, (outputs, pairs) =>
      drawsOf(golden, outputs, pairs),
    );
    const comparisons = golden.results
      .filter(({ name }) => name.startsWith("eval/"))
      .flatMap((result) => golden.compare(result, values.get(result.name.slice("eval/".length))!));
    expect(reportDifferences(comparisons, CPU)).toBe("");
    for (const [key, numbers] of matches) {
      expect(numbers, key).toEqual(Array.from(golden.stored(`step0/${key}`), Number));
    }
    expect(matches.size).toBe(golden.results.filter(({ name }) => /^step0\/match\//.test(name)).length);
  });

  test.each(runs)("losses, gradients, norm and parameters: $name", async ({ microBatch, first }) => {
    const all = golden.setting("steps");
    const steps = Math.min(all, first);
    const config = golden.hyper.config as Config;
    const architecture = architectureOf(config, backbone);
    const { images, targets } = batchOf(golden, config, size);
    const initial = { model: weightsOf(golden), target: new Map(), optimizer: new Map() };
    const before = new Map(
      [...initial.model].map(([name, { data }]) => [name, Float32Array.from(data as Float32Array)]),
    );
    const finetuner = await Finetuner.create(
      runtime,
      {
        architecture,
        classes: numberedClasses(sizesOf(architecture).classes),
        task: "panoptic",
        criterion: criterionOf(config),
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
        size,
      },
      async () => initial,
    );
    const outputs = config.DEC_LAYERS; // as many predictions in all of them
    const pairs = targets.map(({ length }) => Math.min(length, config.NUM_OBJECT_QUERIES));
    const found = new Map<string, ArrayLike<number>>();
    const errors = new Map<string, Float32Array>(); // of each parameter after the steps so far
    const slacks = new Map<string, Float32Array | undefined>();
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
      for (const [name] of deltas) {
        const square = optimizer.get(`exp_avg_sq.${name}`)?.data as Float32Array | undefined;
        if (!square) continue;
        const factor = name.startsWith("backbone.") ? config.BACKBONE_MULTIPLIER : 1;
        const added = updateErrors(square, step, { lr: factor * config.BASE_LR, ...config.adamw });
        errors.set(
          name,
          added.map((error, i) => error + (errors.get(name)?.[i] ?? 0)),
        );
      }
      const note = (kind: string, name: string, values: Float32Array) => {
        found.set(`${kind}/${name}`, values);
        slacks.set(`${kind}/${name}`, errors.get(name));
      };
      if (step === all - 1)
        for (const [name, delta] of deltas) note(`param_delta_total_after_${all}_steps`, name, delta);
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
          note("param_delta_step0", name, delta);
          note("param_after_step0", name, Float32Array.from(model.get(name)?.data as Float32Array));
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
      const slack = slacks.get(result.name);
      const [elements] = golden.compare(result, values, { scale: scaleOf(golden, result), slack });
      return [elements, ...golden.compare(result, values, { slack }).slice(1)];
    });
    expect(reportDifferences(comparisons, CPU)).toBe("");
  });
});
