import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { TypedArray } from "../../src/core/tensor-data.js";
import { type Graph, inputName } from "../../src/graph/graph.js";
import { verify } from "../../src/graph/verify.js";
import { sinePositions } from "../../src/models/position-embedding.js";
import { toOnnx } from "../../src/onnx/emit.js";
import type { DeviceTensor, Runtime } from "../../src/runtime/contract.js";
import { createRuntime } from "../../src/runtime/create-runtime.js";
import { DEVICES, isTooSlow, missingDevices, TOO_SLOW } from "../support/devices.js";
import { reportDifferences } from "../support/tensor-comparison.js";
import { TOLERANCES } from "../support/tolerances.js";
import { type GoldenCase, loadCase, type Result } from "./case.js";
import { goldenGraph, MODELS, PLAIN } from "./models.js";

const missing = await missingDevices();

type Tensors = Record<string, DeviceTensor>;

/** Fills the inputs of a graph that are not there yet. */
async function feed(runtime: Runtime, golden: GoldenCase, graph: Graph, feeds: Tensors): Promise<Tensors> {
  for (const input of graph.inputs) {
    const name = inputName(input);
    if (feeds[name]) continue;
    feeds[name] = runtime.allocate("float32", input.shape);
    await feeds[name].write(golden.values(name, input.shape));
  }
  return feeds;
}

/** Compiles the graph, runs it once and reads its outputs. */
async function runOnce(runtime: Runtime, graph: Graph, feeds: Tensors): Promise<Map<string, TypedArray>> {
  const program = await runtime.compile(toOnnx(graph), { name: graph.name });
  const fetches = Object.fromEntries(
    [...graph.outputs].map(([name, { dtype, shape }]) => [name, runtime.allocate(dtype, shape)]),
  );
  await program.run(feeds, fetches);
  const found = new Map<string, TypedArray>();
  for (const [name, tensor] of Object.entries(fetches)) {
    found.set(name, (await tensor.read()).data);
    tensor.dispose();
  }
  program.dispose();
  return found;
}

/** L sums terms of either sign and may cancel; the root of their sum of squares is how far such sums spread. */
function lossScale(golden: GoldenCase, found: ReadonlyMap<string, TypedArray>): number {
  const squares = golden.lossOver.map((name) => {
    const output = found.get(name) as Float32Array;
    const weight = golden.values(`loss_weight/${name}`, [output.length]).data;
    return output.reduce((sum, value, i) => sum + (value * weight[i]) ** 2, 0);
  });
  return Math.sqrt(squares.reduce((a, b) => a + b));
}

describe.each(DEVICES)("golden numbers on %s", (device) => {
  let runtime: Runtime;
  beforeAll(async () => {
    if (!missing.has(device)) runtime = await createRuntime({ device, cores: 1 });
  });
  beforeEach(({ skip }) => skip(missing.has(device), missing.get(device)));
  afterAll(() => runtime?.dispose());

  describe.each(MODELS)("$name", (model) => {
    beforeEach(({ skip }) => skip(isTooSlow(device) && !model.quick, TOO_SLOW));
    let golden: GoldenCase;
    const feeds: Tensors = {};
    beforeAll(async () => {
      golden = await loadCase(model.name);
    });
    afterAll(() => {
      for (const tensor of Object.values(feeds)) tensor.dispose();
    });

    test.for(model.variants)("$name", async (variant, { annotate, skip }) => {
      skip(isTooSlow(device) && variant !== PLAIN, TOO_SLOW);
      const graph = goldenGraph(golden, model, variant);
      verify(graph);
      const inputs = graph.inputs.map(inputName).filter((name) => !name.startsWith("loss_weight/"));
      expect([...inputs, ...(model.unused ?? [])].sort()).toEqual([...golden.shapes.keys()].sort());
      expect([...graph.outputs.keys()].sort()).toEqual(golden.results.map(({ name }) => name).sort());
      if (variant !== PLAIN) expect(graph.nodes.length).toBeGreaterThan(goldenGraph(golden, model, PLAIN).nodes.length);

      const found = await runOnce(runtime, graph, await feed(runtime, golden, graph, feeds));
      const compare = (dtype: Result["dtype"]) =>
        golden.results
          .filter((result) => result.dtype === dtype)
          .flatMap((result) => {
            const scale = result.name === "L" ? lossScale(golden, found) : undefined;
            return golden.compare(result, found.get(result.name)!, { scale });
          });
      const [numbers, counts] = [compare("f32"), compare("i64")];
      const worst = numbers.reduce((a, b) => (b.relative > a.relative ? b : a));
      await annotate(`${worst.relative.toExponential(1)} of its scale: ${worst.name}`, "largest difference");
      expect(reportDifferences(numbers, TOLERANCES[device].parity) + reportDifferences(counts, 0)).toBe("");
    });
  });
});

interface PositionCase {
  output: string;
  input_shape: [n: number, channels: number, height: number, width: number];
  normalize: boolean;
  mask: string | null;
}

describe("11_position_encoding", async () => {
  const golden = await loadCase("11_position_encoding");
  const cases = golden.hyper.cases as PositionCase[];

  test.each(cases)("$output, normalised: $normalize, mask: $mask", ({ output, input_shape, normalize, mask }) => {
    const [n, channels, h, w] = input_shape;
    const found = new Float32Array(n * channels * h * w);
    for (let image = 0; image < n; image++) {
      // The mask of the case: the first image ends in two rows of padding, the last in three columns.
      const padded = (row: number, column: number) => (image === 0 ? row >= h - 2 : column >= w - 3);
      const padding = Array.from({ length: h * w }, (_, i) => mask !== null && padded(Math.floor(i / w), i % w));
      const { data } = sinePositions([h, w], channels, { normalize, padding });
      for (let i = 0; i < data.length; i++) {
        const [position, channel] = [Math.floor(i / channels), i % channels];
        found[(image * channels + channel) * h * w + position] = data[i];
      }
    }
    const result = golden.results.find(({ name }) => name === output)!;
    expect(reportDifferences(golden.compare(result, found), TOLERANCES.cpu.parity)).toBe("");
  });
});
