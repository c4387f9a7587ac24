/** @file Every operator case, and its gradients, on every device against the interpreter. */

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { sizeOf, type TensorData, viewAs } from "../../src/core/tensor-data.js";
import { mul, reduceSum } from "../../src/graph/build.js";
import { gradients } from "../../src/graph/differentiate.js";
import { Graph } from "../../src/graph/graph.js";
import { interpret, type Value } from "../../src/graph/interpret.js";
import { compileGraph } from "../../src/runtime/compile-graph.js";
import type { DeviceTensor, Runtime } from "../../src/runtime/contract.js";
import { createRuntime } from "../../src/runtime/create-runtime.js";
import { DEVICES, missingDevices } from "../support/devices.js";
import { compareTensors, reportDifferences } from "../support/tensor-comparison.js";
import { TOLERANCES } from "../support/tolerances.js";
import { buildCase, CASES, feedsOf, type OperatorCase } from "./operator-cases.js";
import { WITHOUT_GRADIENT } from "./without-gradient.js";

const missing = await missingDevices();

/**
 * The outputs y0, y1, .. and, where the operator has one, the gradient dx_k of the sum of squares of y0 for every float
 * input.
 */
function caseGraph(operatorCase: OperatorCase): Graph {
  const graph = new Graph(operatorCase.name);
  const { xs, ys } = buildCase(graph, operatorCase);
  ys.forEach((y, i) => {
    graph.output(`y${i}`, y);
  });
  if (WITHOUT_GRADIENT[operatorCase.op]) return graph;
  const floats = xs.filter((x) => x.dtype === "float32");
  gradients(reduceSum(mul(ys[0], ys[0])), floats).forEach((dx, k) => {
    graph.output(`dx${k}`, dx);
  });
  return graph;
}

/** An interpreter's value in the memory format of its type. */
function toTensorData({ dtype, shape, data }: Value): TensorData {
  const target = viewAs(dtype, new ArrayBuffer(data.length * 8), 0, data.length);
  if (target instanceof BigInt64Array) target.set(Array.from(data, BigInt));
  else target.set(data);
  return { dtype, shape, data: target };
}

/** A tensor on the device that holds `value`. */
async function upload(runtime: Runtime, value: Value): Promise<DeviceTensor> {
  const tensor = runtime.allocate(value.dtype, value.shape);
  await tensor.write(toTensorData(value));
  return tensor;
}

async function runOn(runtime: Runtime, graph: Graph, feeds: ReadonlyMap<string, Value>): Promise<TensorData[]> {
  const program = await compileGraph(runtime, graph);
  // Products are most of a network's work: no device may leave one to the host.
  if (runtime.device !== "cpu") expect([...program.hostOperators.keys()]).not.toContain("FusedMatMul");
  const inputs: Record<string, DeviceTensor> = {};
  for (const [name, value] of feeds) inputs[name] = await upload(runtime, value);
  const outputs: Record<string, DeviceTensor> = {};
  for (const [name, { dtype, shape }] of graph.outputs) {
    // Not zeros: an element that the run leaves out shows.
    const garbage = new Float64Array(sizeOf(shape)).fill(77);
    outputs[name] = await upload(runtime, { dtype, shape, data: garbage });
  }
  await program.run(inputs, outputs);
  const results: TensorData[] = [];
  for (const tensor of Object.values(outputs)) results.push(await tensor.read());
  for (const tensor of [...Object.values(inputs), ...Object.values(outputs)]) tensor.dispose();
  program.dispose();
  return results;
}

describe.each(DEVICES)("operators on %s", (device) => {
  let runtime: Runtime;
  beforeAll(async () => {
    if (!missing.has(device)) runtime = await createRuntime({ device, cores: 1 });
  });
  beforeEach(({ skip }) => skip(missing.has(device), missing.get(device)));
  afterAll(() => runtime?.dispose());

  test.each(CASES)("$name", async (operatorCase) => {
    const graph = caseGraph(operatorCase);
    const feeds = feedsOf(operatorCase.inputs);
    const found = await runOn(runtime, graph, feeds);
    const expected = interpret([...graph.outputs.values()], feeds);
    const comparisons = [...graph.outputs.keys()].map((name, i) => {
      const { dtype, shape, data: values } = expected[i];
      // Whole numbers and truth values have to agree: any difference is infinite on their scale.
      return compareTensors(found[i].data, { name, shape, values, scale: dtype === "float32" ? undefined : 0 });
    });
    expect(reportDifferences(comparisons, TOLERANCES[device].operator)).toBe("");
  });
});
