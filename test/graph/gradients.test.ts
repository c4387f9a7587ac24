import { describe, expect, test } from "vitest";
import { RandomStream } from "../../src/core/random.js";
import { sizeOf } from "../../src/core/tensor-data.js";
import { mul, reduceSum } from "../../src/graph/build.js";
import { GRADIENTS, gradients } from "../../src/graph/differentiate.js";
import { type GradientRule, ONLY_IN_GRADIENTS } from "../../src/graph/gradients/rule.js";
import { Graph, type Tensor } from "../../src/graph/graph.js";
import { interpret, type Value } from "../../src/graph/interpret.js";
import type { OpName } from "../../src/graph/operators.js";
import { verify } from "../../src/graph/verify.js";
import { buildCase, CASES, feedsOf, type OperatorCase } from "./operator-cases.js";
import { WITHOUT_GRADIENT } from "./without-gradient.js";

const OPS = Object.keys(GRADIENTS) as OpName[];
const SEEDS = [1, 2, 3];
const STEP = 1e-5;

const dot = (a: Float64Array, b: Float64Array) => a.reduce((sum, v, i) => sum + v * b[i], 0);

function direction(purpose: string, seed: number, size: number): Float64Array {
  const stream = new RandomStream({ seed, purpose });
  return Float64Array.from({ length: size }, () => stream.normal());
}

/** The operator's first output, weighed into a scalar: loss = <w, f(x)>, whose gradient is vjp(w). */
function weighedLoss(graph: Graph, y: Tensor): Tensor {
  return reduceSum(mul(y, graph.input("w", "float32", y.shape)));
}

/** <vjp(w), v> as the graph computes it, and <w, (f(x + h v) - f(x - h v)) / 2h>, for input k. */
function bothDerivatives(operatorCase: OperatorCase, k: number, seed: number): { vjp: number; difference: number } {
  const graph = new Graph("case");
  const { xs, ys } = buildCase(graph, operatorCase);
  const loss = weighedLoss(graph, ys[0]);
  const [gradient] = gradients(loss, [xs[k]]);
  verify(graph);
  expect(gradient).toMatchObject({ dtype: "float32", shape: xs[k].shape });

  const { inputs } = operatorCase;
  const w: Value = { dtype: "float32", shape: ys[0].shape, data: direction("w", seed, sizeOf(ys[0].shape)) };
  const v = direction("v", seed, inputs[k].data.length);
  const evaluate = (t: Tensor, step: number) => {
    const moved = inputs.map((x, i) => (i === k ? { ...x, data: x.data.map((value, j) => value + step * v[j]) } : x));
    return interpret([t], feedsOf(moved).set("w", w))[0].data;
  };
  return {
    vjp: dot(evaluate(gradient, 0), v),
    difference: (evaluate(loss, STEP)[0] - evaluate(loss, -STEP)[0]) / (2 * STEP),
  };
}

describe("gradients equal finite differences along random directions", () => {
  for (const operatorCase of CASES) {
    if (WITHOUT_GRADIENT[operatorCase.op]) continue;
    operatorCase.inputs.forEach(({ dtype }, k) => {
      if (dtype !== "float32") return;
      test.each(SEEDS)(`${operatorCase.name}, input ${k}, seed %i`, (seed) => {
        const { vjp, difference } = bothDerivatives(operatorCase, k, seed);
        // Constants of a gradient, such as 1 / count, are float32: 6e-8 of the result.
        expect(Math.abs(vjp - difference), `vjp ${vjp}, finite difference ${difference}`).toBeLessThan(
          1e-6 * (1 + Math.abs(difference)),
        );
      });
    });
  }
});

test.each(OPS)("%s has a case", (op) => {
  expect(CASES.filter((c) => c.op === op).length).toBeGreaterThan(0);
});

test("the operators without gradient are exactly those listed here", () => {
  const found = OPS.filter((op) => {
    const rule = GRADIENTS[op] as GradientRule<unknown> | typeof ONLY_IN_GRADIENTS;
    if (rule === ONLY_IN_GRADIENTS) return true;
    const graph = new Graph("case");
    const { ys } = buildCase(graph, CASES.find((c) => c.op === op)!);
    const { inputs, outputs, attributes } = graph.nodes.find((node) => node.op === op)!;
    return rule({ inputs, outputs, attributes, dy: ys[0] }).every((gradient) => gradient === null);
  });
  expect(found.sort()).toEqual(Object.keys(WITHOUT_GRADIENT).sort());
});

test("each case builds the operator it names", () => {
  for (const operatorCase of CASES) {
    const graph = new Graph("case");
    buildCase(graph, operatorCase);
    expect(graph.nodes.map((node) => node.op)).toContain(operatorCase.op);
  }
});
