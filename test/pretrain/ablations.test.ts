import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { writeSafetensors } from "../../src/checkpoint/safetensors.js";
import type { TensorData } from "../../src/core/tensor-data.js";
import { RECOMPUTE_BLOCKS } from "../../src/families/settings.js";
import { weightsOptions } from "../../src/pretrain/composition.js";
import type { StepReport } from "../../src/pretrain/pretrainer.js";
import { startingWeights } from "../../src/pretrain/starting-weights.js";
import type { Runtime } from "../../src/runtime/contract.js";
import { createRuntime } from "../../src/runtime/create-runtime.js";
import type { TrainingState } from "../../src/train/training-state.js";
import { bitsOf } from "../support/bits.js";
import { temporaryDirectory } from "../support/temporary-directory.js";
import { createPretrainer, randomImages, smallestSettings } from "../support/tiny-pretraining.js";

let runtime: Runtime;
beforeAll(async () => {
  runtime = await createRuntime({ device: "cpu", cores: 2 });
});
afterAll(() => runtime.dispose());

interface Trained {
  report: StepReport;
  /** After the step, and the bits of the state before it. */
  state: TrainingState;
  before: Record<keyof TrainingState, Record<string, string>>;
}

/** Trains one step with `sets` over the smallest settings. */
async function trainOnce(...sets: readonly string[]): Promise<Trained> {
  const settings = smallestSettings(...sets);
  const pretrainer = await createPretrainer(runtime, settings, 4);
  onTestFinished(() => pretrainer.dispose());
  const state = await pretrainer.state();
  const before = { model: bitsOf(state.model), target: bitsOf(state.target), optimizer: bitsOf(state.optimizer) };
  const report = await pretrainer.step(0, randomImages(settings, 0), true);
  return { report, state: await pretrainer.state(), before };
}

const namesOf = (tensors: ReadonlyMap<string, unknown>, pattern: RegExp) =>
  [...tensors.keys()].filter((name) => pattern.test(name));
/** Names of the parameters that an optimiser step has changed. */
const learned = ({ state }: Trained) =>
  namesOf(state.optimizer, /^exp_avg\./).map((name) => name.slice("exp_avg.".length));

describe("every ablation trains all that its loss reaches, and nothing else", () => {
  const decoder = "sem_seg_head.predictor.transformer_cross_attention_layers.0.multihead_attn.in_proj_weight";
  const denoise = "mask_jepa.denoise.weight";
  const lastMap = "sem_seg_head.pixel_decoder.mask_features.weight";
  const block = (i: number) => `mask_jepa.blocks.${i}.linear1.weight`;
  test.each<{ sets: string[]; has?: string[]; lacks?: string[] }>([
    { sets: ["pretrain.selfAttentionBlocks=0"], has: [decoder, denoise, lastMap], lacks: [block(0)] },
    { sets: ["pretrain.selfAttentionBlocks=1"], has: [block(0)], lacks: [block(1)] },
    { sets: ["pretrain.selfAttentionBlocks=2"], has: [block(1)], lacks: [block(2)] },
    { sets: ["pretrain.selfAttentionBlocks=3"], has: [block(2)] },
    { sets: ["pretrain.featureStride=16"], has: [decoder, lastMap] },
    { sets: ["pretrain.featureStride=32", "pretrain.maskPatch=1"], has: [decoder, lastMap] },
    { sets: ["pretrain.denoiseTarget=image"], has: [denoise] },
    { sets: ["pretrain.noiseBlock=8"], has: [denoise] },
    { sets: ["pretrain.queries=all"], has: [decoder] },
    {
      sets: ["pretrain.reconstruction=false"],
      has: [denoise, lastMap],
      lacks: [decoder, block(0), "mask_jepa.mask_token"],
    },
    { sets: ["pretrain.denoising=false"], has: [decoder], lacks: [denoise, lastMap] },
  ])("$sets", async ({ sets, has = [], lacks = [] }) => {
    const trained = await trainOnce(...sets);
    const { report, state, before } = trained;
    const parts = ["reconstruction", "denoising"].filter((part) => !sets.includes(`pretrain.${part}=false`));
    const sum = parts.reduce((total, part) => total + report.losses[part], 0);
    expect(Object.keys(report.losses)).toEqual(["loss", ...parts]);
    expect(report.losses.loss).toBeCloseTo(sum, 5);
    expect(report.gradientNorm).toBeGreaterThan(0);
    expect(report.monitors?.explainedVariance === undefined).toBe(!parts.includes("reconstruction"));

    const names = learned(trained);
    expect(names).toEqual(expect.arrayContaining(has));
    expect(names.filter((name) => lacks.includes(name))).toEqual([]);
    const moved = (part: "model" | "target") =>
      Object.entries(bitsOf(state[part])).flatMap(([name, bits]) => (bits === before[part][name] ? [] : name));
    const isStatistic = (name: string) => /running_(mean|var)$/.test(name);
    expect(new Set(moved("model").filter((name) => !isStatistic(name)))).toEqual(new Set(names));
    expect(new Set(moved("target"))).toEqual(new Set(names.filter((name) => state.target.has(name))));
  });
});

describe("recomputation changes losses and gradients by rounding only", () => {
  let kept: StepReport;
  test("of nothing", async () => {
    kept = (await trainOnce()).report;
  });
  test.each([...RECOMPUTE_BLOCKS.map((name) => [name]), [...RECOMPUTE_BLOCKS]].map((blocks) => ({ blocks })))(
    "of $blocks",
    async ({ blocks }) => {
      const { report } = await trainOnce(`run.recompute=[${blocks}]`);
      for (const [part, loss] of Object.entries(kept.losses)) expect(report.losses[part]).toBeCloseTo(loss, 5);
      expect(report.gradientNorm / kept.gradientNorm).toBeCloseTo(1, 5);
    },
  );
});

describe("regimes of the backbone", () => {
  /** Writes a backbone whose statistics are not those of a fresh one; gives the path. */
  async function backboneFile(): Promise<{ file: string; weights: Map<string, TensorData> }> {
    const drawn = await startingWeights(weightsOptions(smallestSettings("run.seed=9")), new Map());
    const weights = new Map(
      [...drawn].map(([name, { shape, data }]): [string, TensorData] => {
        const shift = /running_mean$/.test(name) ? 0.1 : /running_var$/.test(name) ? 0.5 : 0;
        return [name, { dtype: "float32", shape, data: Float32Array.from(data as Float32Array, (v) => v + shift) }];
      }),
    );
    const file = join(temporaryDirectory(), "backbone.safetensors");
    await writeSafetensors(file, weights);
    return { file, weights };
  }
  const onlyBackbone = (bits: Record<string, string>) =>
    Object.fromEntries(Object.entries(bits).filter(([name]) => name.startsWith("backbone.")));

  test("a frozen backbone keeps the file's weights, has no moments and no target of its own", async () => {
    const { file, weights } = await backboneFile();
    const frozen = ["model.norm=frozen", "backbone.frozen=true", `backbone.weights=${file}`];
    const trained = await trainOnce(...frozen);
    const { state, report } = trained;
    expect(onlyBackbone(bitsOf(state.model))).toEqual(bitsOf(weights));
    expect(namesOf(state.target, /^backbone\./)).toEqual([]);
    expect(namesOf(state.optimizer, /\.backbone\./)).toEqual([]);
    expect(learned(trained).length).toBeGreaterThan(50);

    // One that trains starts from the same file with the same losses, and leaves it.
    const training = await trainOnce("model.norm=frozen", `backbone.weights=${file}`);
    expect(onlyBackbone(training.before.model)).toEqual(bitsOf(weights));
    for (const part of ["loss", "reconstruction", "denoising"]) {
      expect(training.report.losses[part]).toBeCloseTo(report.losses[part], 4);
    }
    const after = onlyBackbone(bitsOf(training.state.model));
    const kept = Object.keys(after).filter((name) => after[name] === training.before.model[name]);
    expect(kept.length).toBeGreaterThan(0);
    expect(kept.every((name) => /\.norm\.(weight|bias|running_mean|running_var)$/.test(name))).toBe(true);
  });

  test("with batch statistics the running ones move a tenth of the way, and the affine learns", async () => {
    const { state, before } = await trainOnce("model.norm=batch");
    const after = bitsOf(state.model);
    const norms = Object.keys(after).filter((name) => name.startsWith("backbone.") && name.includes(".norm."));
    expect(norms.length).toBeGreaterThan(50);
    expect(norms.filter((name) => after[name] === before.model[name])).toEqual([]);
    // From 1, with a batch variance of at least 0: at least 0.9.
    for (const name of norms.filter((n) => n.endsWith("running_var"))) {
      expect(Math.min(...(state.model.get(name)!.data as Float32Array))).toBeGreaterThanOrEqual(Math.fround(0.9));
    }
  });

  test.each([
    { part: "backbone", still: /^backbone\./ },
    { part: "pixelDecoder", still: /^sem_seg_head\.pixel_decoder\./ },
    { part: "transformerDecoder", still: /^(sem_seg_head\.predictor|mask_jepa)\./ },
  ])("a learning-rate factor of 0 holds the $part still while the rest learns", async ({ part, still }) => {
    const trained = await trainOnce("model.norm=frozen", `optim.${part}LrFactor=0`);
    const after = bitsOf(trained.state.model);
    const held = learned(trained).filter((name) => after[name] === trained.before.model[name]);
    expect(held).toEqual(learned(trained).filter((name) => still.test(name)));
    expect(held.length).toBeGreaterThan(10);
  });
});
