import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { RandomStream } from "../../src/core/random.js";
import { sizeOf } from "../../src/core/tensor-data.js";
import type { Runtime } from "../../src/runtime/contract.js";
import { createRuntime } from "../../src/runtime/create-runtime.js";
import type { UpdatedTensor } from "../../src/train/adamw.js";
import { Optimizer, type OptimizerState } from "../../src/train/optimizer.js";
import { type ParameterLayout, type ParameterValues, parameterLayout } from "../../src/train/parameter-layout.js";
import { bitsOf } from "../support/bits.js";
import { compareTensors, reportDifferences } from "../support/tensor-comparison.js";
import { TOLERANCES } from "../support/tolerances.js";

type Values = Readonly<Record<string, readonly number[]>>;

/** Three steps of torch.optim.AdamW after clip_grad_norm_ (bench/peer/golden.py). */
interface Fixture {
  lr: number;
  clip: number;
  betas: [number, number];
  eps: number;
  tensors: Readonly<Record<string, { shape: readonly number[]; weight_decay: number; values: readonly number[] }>>;
  steps: readonly {
    norm: number;
    gradients: Values;
    parameters: Values;
    first_moments: Values;
    second_moments: Values;
  }[];
}

const fixture = JSON.parse(readFileSync(new URL("../fixtures/adamw.json", import.meta.url), "utf8")) as Fixture;
const decays = [...new Set(Object.values(fixture.tensors).map((t) => t.weight_decay))];
const groups = decays.map((weightDecay) => ({ learningRate: fixture.lr, weightDecay }));
const isAveraged = (name: string) => name.startsWith("linear.");
const TAU = 0.9;

let runtime: Runtime;
beforeAll(async () => {
  runtime = await createRuntime({ device: "cpu", cores: 2 });
});
afterAll(() => runtime.dispose());

/** On the CPU one stretch of memory in segments; on a GPU, as whose the runtime here passes, a tensor each. */
const LAYOUTS: readonly [string, (parameters: readonly UpdatedTensor[]) => ParameterLayout][] = [
  ["segments", (parameters) => parameterLayout(runtime, parameters)],
  ["separate tensors", (parameters) => parameterLayout({ ...runtime, device: "webgpu" }, parameters)],
];

async function open(layout: ParameterLayout): Promise<{ optimizer: Optimizer; state: OptimizerState }> {
  const state = {
    weights: layout.allocate(),
    means: layout.allocate(),
    squares: layout.allocate(),
    averages: layout.allocate({ averaged: true }),
  };
  return { optimizer: await Optimizer.create(runtime, layout, groups.length, fixture), state };
}

async function write({ tensors }: ParameterValues, values: Readonly<Record<string, ArrayLike<number>>>) {
  for (const [name, tensor] of tensors) {
    await tensor.write({ dtype: "float32", shape: tensor.shape, data: Float32Array.from(values[name]) });
  }
}

async function read({ tensors }: ParameterValues): Promise<Map<string, Float32Array>> {
  const entries = [...tensors].map(async ([name, tensor]) => [name, (await tensor.read()).data] as const);
  return new Map(await Promise.all(entries));
}

describe.each(LAYOUTS)("in %s", (_, layoutOf) => {
  const parameters = Object.entries(fixture.tensors).map(([name, { shape, weight_decay }]) => ({
    name,
    shape,
    group: decays.indexOf(weight_decay),
    averaged: isAveraged(name),
  }));

  test("three clipped steps equal PyTorch's, summed over micro-batches, and the target follows", async () => {
    const layout = layoutOf(parameters);
    const { optimizer, state } = await open(layout);
    const start = Object.fromEntries(Object.entries(fixture.tensors).map(([name, { values }]) => [name, values]));
    await write(state.weights, start);
    await write(state.averages, start);
    const [sum, addend] = [layout.allocate(), layout.allocate()];
    const expectedAverages = new Map(Object.entries(start).filter(([name]) => isAveraged(name)));

    for (const [i, step] of fixture.steps.entries()) {
      // Two micro-batches of which the mean is the gradient: 1.5 g and 0.5 g.
      const scaled = (by: number) =>
        Object.fromEntries(Object.entries(step.gradients).map(([name, g]) => [name, g.map((value) => by * value)]));
      await write(sum, scaled(1.5));
      await write(addend, scaled(0.5));
      await optimizer.accumulate(sum, addend);
      const norm = await optimizer.gradientNorm(sum, 2);
      await optimizer.update(state, sum, norm, { t: i + 1, groups, microBatches: 2, clip: fixture.clip, tau: TAU });

      const compare = async (kind: string, found: ParameterValues, expected: (name: string) => readonly number[]) =>
        [...(await read(found))].map(([name, data]) =>
          compareTensors(data, { name: `${kind} of ${name}`, shape: [data.length], values: expected(name) }),
        );
      for (const [name, average] of expectedAverages) {
        const weights = step.parameters[name];
        expectedAverages.set(
          name,
          average.map((value, j) => TAU * value + (1 - TAU) * weights[j]),
        );
      }
      const compared = [
        compareTensors([norm], { name: "norm", shape: [], values: [step.norm] }),
        ...(await compare("weight", state.weights, (name) => step.parameters[name])),
        ...(await compare("first moment", state.means, (name) => step.first_moments[name])),
        ...(await compare("second moment", state.squares, (name) => step.second_moments[name])),
        ...(await compare("average", state.averages, (name) => expectedAverages.get(name)!)),
      ];
      expect(compared).toHaveLength(1 + 3 * parameters.length + 2);
      expect(reportDifferences(compared, TOLERANCES.cpu.operator)).toBe("");
    }
    optimizer.dispose();
  });

  test("tau 1 keeps the target, bit for bit, and no clip takes the whole gradient", async () => {
    const layout = layoutOf(parameters);
    const { optimizer, state } = await open(layout);
    const start = Object.fromEntries(Object.entries(fixture.tensors).map(([name, { values }]) => [name, values]));
    await write(state.averages, start);
    const gradients = layout.allocate();
    await write(gradients, fixture.steps[0].gradients);
    const numbers = { t: 1, groups, microBatches: 1, clip: null, tau: 1 };
    await optimizer.update(state, gradients, await optimizer.gradientNorm(gradients, 1), numbers);
    for (const [name, data] of await read(state.averages)) expect(data).toEqual(Float32Array.from(start[name]));
    const found = (await read(state.means)).get("norm.weight")!;
    const expected = fixture.steps[0].gradients["norm.weight"].map((g) => 0.1 * g);
    expect([...found].map((value, i) => Math.abs(value - expected[i]) < 1e-7)).toEqual([true, true, true]);
    optimizer.dispose();
  });

  test.each([Number.NaN, Number.POSITIVE_INFINITY])("%f in any gradient shows in the norm", async (bad) => {
    const layout = layoutOf(parameters);
    const { optimizer } = await open(layout);
    const gradients = layout.allocate();
    for (const name of gradients.tensors.keys()) {
      await write(gradients, {
        ...fixture.steps[0].gradients,
        [name]: fixture.steps[0].gradients[name].map(() => bad),
      });
      expect(Number.isFinite(await optimizer.gradientNorm(gradients, 1))).toBe(false);
    }
    optimizer.dispose();
  });
});

test("both layouts give the same bits for parameters that span many segments", async () => {
  const parameters: UpdatedTensor[] = [
    { name: "wide", shape: [80, 32_768], group: 0, averaged: true },
    { name: "small", shape: [5], group: 0, averaged: true },
    { name: "long", shape: [70_001], group: 1, averaged: false },
  ];
  const drawn = (purpose: string) =>
    Object.fromEntries(
      parameters.map(({ name, shape }) => {
        const random = new RandomStream({ seed: 8, purpose: `${purpose} ${name}` });
        return [name, random.fillNormal(new Float32Array(sizeOf(shape)))];
      }),
    );
  const results = [];
  for (const [, layoutOf] of LAYOUTS) {
    const layout = layoutOf(parameters);
    const { optimizer, state } = await open(layout);
    await write(state.weights, drawn("weight"));
    await write(state.averages, drawn("weight"));
    const gradients = layout.allocate();
    const norms: number[] = [];
    for (let t = 1; t <= 2; t++) {
      await write(gradients, drawn(`gradient ${t}`));
      norms.push(await optimizer.gradientNorm(gradients, 1));
      // The norm's rounding depends on where segments end, so both layouts get the same one.
      await optimizer.update(state, gradients, 436, { t, groups, microBatches: 1, clip: 0.01, tau: TAU });
    }
    results.push({ norms, state: await Promise.all(Object.values(state).map(read)) });
    optimizer.dispose();
  }
  const [segments, separate] = results;
  // Apart by the rounding of a float32 sum over 2.6 M squares.
  expect(segments.norms.map((norm, i) => Math.abs(norm / separate.norms[i] - 1) < 1e-4)).toEqual([true, true]);
  segments.state.forEach((tensors, role) => {
    expect(bitsOf(tensors)).toEqual(bitsOf(separate.state[role]));
  });
});
