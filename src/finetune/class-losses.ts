/** @file The classification losses of all supervised outputs, and their gradients. */

import { UNSUPERVISED } from "../families/training.js";
import * as g from "../graph/build.js";
import { gradients } from "../graph/differentiate.js";
import { Graph } from "../graph/graph.js";
import { weightedCrossEntropy } from "../losses/class-loss.js";
import type { Bindings, DeviceTensor, Program, Runtime } from "../runtime/contract.js";
import type { CriterionFrame, CriterionOptions } from "./criterion-options.js";
import { hostMemory, upload } from "./host-memory.js";

const logitsName = (output: number) => `logits ${output}`;
const weightsName = (output: number) => `weights ${output}`;
const gradientName = (output: number) => `gradient ${output}`;

/** Shape of the logits of an output with `queries` queries. */
const logitShape = ({ images, classes }: CriterionFrame, queries: number) => [images, queries, classes + 1];

/**
 * Logits and weights [N, Q, K+1] of each output, by its number of queries -> losses [outputs], gradients of their
 * weighted sum.
 */
export function buildClassLoss(
  frame: CriterionFrame,
  outputs: readonly number[],
  { weights }: CriterionOptions,
): Graph {
  const graph = new Graph("class loss");
  const shapes = outputs.map((queries) => logitShape(frame, queries));
  const logits = shapes.map((shape, i) => graph.input(logitsName(i), "float32", shape));
  const losses = shapes.map((shape, i) =>
    weightedCrossEntropy(logits[i], graph.input(weightsName(i), "float32", shape)),
  );
  const total = g.mul(
    losses.reduce((a, b) => g.add(a, b)),
    weights.class,
  );
  gradients(total, logits).forEach((gradient, i) => {
    graph.output(gradientName(i), gradient);
  });
  graph.output(
    "losses",
    g.concat(
      losses.map((loss) => g.reshape(loss, [1])),
      0,
    ),
  );
  return graph;
}

type Floats = DeviceTensor<"float32">;

export class ClassLosses {
  /** For each output: at each query's class its weight over the normaliser, zero elsewhere. */
  private readonly weights: readonly Floats[];
  private readonly losses: Floats;

  constructor(
    runtime: Runtime,
    private readonly program: Program,
    private readonly frame: CriterionFrame,
    outputs: readonly number[],
    private readonly options: CriterionOptions,
  ) {
    this.weights = outputs.map((queries) => runtime.allocate("float32", logitShape(frame, queries)));
    this.losses = runtime.allocate("float32", [outputs.length]);
  }

  /**
   * Says which class each query of an output should have: `classes` [images][queries], `frame.classes` for "no object",
   * UNSUPERVISED for any.
   */
  async expect(output: number, classes: readonly ArrayLike<number>[], normaliser: number): Promise<void> {
    const tensor = this.weights[output];
    const [, queries, width] = tensor.shape;
    const weights = hostMemory(tensor).fill(0);
    classes.forEach((labels, image) => {
      for (let query = 0; query < queries; query++) {
        const label = labels[query];
        if (label === UNSUPERVISED) continue;
        const weight = label === this.frame.classes ? this.options.noObject : 1;
        weights[(image * queries + query) * width + label] = weight / normaliser;
      }
    });
    await upload(tensor, weights);
  }

  /** The loss of each output; the gradients of their weighted sum go to `outputs[i].gradient`. */
  async compute(outputs: readonly { readonly logits: Floats; readonly gradient: Floats }[]): Promise<Float32Array> {
    const feeds = outputs.flatMap(({ logits }, i) => [
      [logitsName(i), logits] as const,
      [weightsName(i), this.weights[i]] as const,
    ]);
    const fetches = outputs.map(({ gradient }, i) => [gradientName(i), gradient] as const);
    const bound = (entries: readonly (readonly [string, Floats])[]): Bindings => Object.fromEntries(entries);
    await this.program.run(bound(feeds), bound([...fetches, ["losses", this.losses]]));
    return (await this.losses.read()).data;
  }

  dispose(): void {
    for (const tensor of [...this.weights, this.losses]) tensor.dispose();
  }
}
