import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { writeSafetensors } from "../../src/checkpoint/safetensors.js";
import { inputName } from "../../src/graph/graph.js";
import { stepOptions, weightsOptions } from "../../src/pretrain/composition.js";
import type { StepReport } from "../../src/pretrain/pretrainer.js";
import { buildEvaluation, buildGradients, buildTarget } from "../../src/pretrain/programs.js";
import type { PretrainSettings } from "../../src/pretrain/settings.js";
import { backboneDeclarations, startingWeights } from "../../src/pretrain/starting-weights.js";
import type { Runtime } from "../../src/runtime/contract.js";
import { createRuntime } from "../../src/runtime/create-runtime.js";
import type { TrainingState } from "../../src/train/training-state.js";
import { bitsOf } from "../support/bits.js";
import { temporaryDirectory } from "../support/temporary-directory.js";
import { createPretrainer, randomImages, smallestSwinSettings } from "../support/tiny-pretraining.js";

const STEPS = 3;
let runtime: Runtime;
beforeAll(async () => {
  runtime = await createRuntime({ device: "cpu", cores: 2 });
});
afterAll(() => runtime.dispose());

const bitsOfState = (state: TrainingState) => Object.entries(state).map(([part, tensors]) => [part, bitsOf(tensors)]);

interface Trained {
  reports: StepReport[];
  state: TrainingState;
  /** Of the state, which lives in memory that the pretrainer frees. */
  bits: unknown;
}

/** Steps [from, to) from `state`, or from the seed. */
async function train(settings: PretrainSettings, from = 0, to = STEPS, state?: TrainingState): Promise<Trained> {
  const pretrainer = await createPretrainer(runtime, settings, STEPS, state);
  onTestFinished(() => pretrainer.dispose());
  const reports: StepReport[] = [];
  for (let step = from; step < to; step++) {
    reports.push(await pretrainer.step(step, randomImages(settings, step), false));
  }
  const found = await pretrainer.state();
  return { reports, state: found, bits: bitsOfState(found) };
}

describe("pretraining with a Swin Transformer", () => {
  const settings = smallestSwinSettings("run.microBatch=1");

  test("stopped after a step and resumed equals the unbroken run bit for bit, drop path included", async () => {
    const unbroken = await train(settings);
    const first = await train(settings, 0, 1);
    const second = await train(settings, 1, STEPS, first.state);
    expect([...first.reports, ...second.reports]).toEqual(unbroken.reports);
    expect(second.bits).toEqual(unbroken.bits);
  });

  test("drop path changes what a step computes", async () => {
    const losses = async (...sets: string[]) =>
      (await train(smallestSwinSettings("run.microBatch=1", ...sets), 0, 1)).reports[0].losses.loss;
    expect(await losses()).not.toBe(await losses("model.dropPath=0"));
  });

  test("every parameter of the backbone learns, and none is missing", async () => {
    const { state } = await train(smallestSwinSettings("model.dropPath=0"), 0, 1);
    const learned = [...state.optimizer.keys()].filter((name) => name.startsWith("exp_avg.backbone."));
    const declared = [...backboneDeclarations(weightsOptions(settings).encoder).keys()].map(
      (name) => `exp_avg.${name}`,
    );
    expect(learned.sort()).toEqual(declared.sort());
    const still = learned.filter((name) => (state.optimizer.get(name)!.data as Float32Array).every((v) => v === 0));
    expect(still).toEqual([]);
  });

  test("weight decay spares norms and relative position biases", () => {
    const spared = [...backboneDeclarations(weightsOptions(settings).encoder).values()]
      .filter(({ decay }) => !decay)
      .map(({ name }) => name);
    expect(spared.filter((name) => !/norm\d?\.(weight|bias)$/.test(name))).toEqual(
      [0, 1, 2, 2, 3].map(
        (stage, i) => `backbone.layers.${stage}.blocks.${i === 3 ? 1 : 0}.attn.relative_position_bias_table`,
      ),
    );
    expect(spared.filter((name) => name.includes("norm")).length).toBe(2 * (1 + 4 + 3 + 2 * 5));
  });

  test("only what trains the backbone takes factors of drop path", () => {
    const takesFactors = (graph: { inputs: readonly Parameters<typeof inputName>[0][] }) =>
      graph.inputs.map(inputName).includes("keep");
    expect(takesFactors(buildGradients(stepOptions(settings)).graph)).toBe(true);
    expect(takesFactors(buildTarget(stepOptions(settings)).graph)).toBe(false);
    expect(takesFactors(buildEvaluation(stepOptions(settings)).graph)).toBe(false);
    expect(takesFactors(buildGradients(stepOptions(smallestSwinSettings("model.dropPath=0"))).graph)).toBe(false);
  });

  test("frozen, it keeps the file's weights and drops nothing; the losses are those of one that trains undropped", async () => {
    const weights = await startingWeights(weightsOptions(smallestSwinSettings("run.seed=3")), new Map());
    const file = join(temporaryDirectory(), "swin.safetensors");
    // As ImageNet weights are: without the norms of the maps, with what a classifier and the windows need.
    const stored = new Map([...weights].filter(([name]) => !/^backbone\.norm\d\./.test(name)));
    const some = stored.get("backbone.patch_embed.norm.bias")!;
    for (const extra of ["norm.weight", "head.bias", "layers.0.blocks.0.attn.relative_position_index"]) {
      stored.set(`backbone.${extra}`, some);
    }
    await writeSafetensors(file, stored);
    const frozen = smallestSwinSettings("backbone.frozen=true", `backbone.weights=${file}`);
    const { state, reports } = await train(frozen, 0, 1);
    const kept = new Map([...state.model].filter(([name]) => name.startsWith("backbone.")));
    expect(bitsOf(kept)).toEqual(bitsOf(weights));
    expect([...state.optimizer.keys()].filter((name) => name.includes("backbone."))).toEqual([]);

    const training = await train(smallestSwinSettings(`backbone.weights=${file}`, "model.dropPath=0"), 0, 1);
    expect(training.reports[0].losses.loss).toBeCloseTo(reports[0].losses.loss, 4);
  });

  test("blocks computed again for the gradient change the result by rounding only", async () => {
    const again = smallestSwinSettings("run.microBatch=1", "run.recompute=[backbone]");
    const [kept, recomputed] = [await train(settings, 0, 1), await train(again, 0, 1)];
    expect(recomputed.reports[0].losses.loss).toBeCloseTo(kept.reports[0].losses.loss, 5);
    expect(recomputed.reports[0].gradientNorm / kept.reports[0].gradientNorm).toBeCloseTo(1, 4);
  });
});
