/** @file The classification losses of all supervised outputs, and their gradients (reference, 4.4). */

import * as g from "../graph/build.js";
import { gradients } from "../graph/differentiate.js";
import { Graph } from "../graph/graph.js";
import { weightedCrossEntropy } from "../losses/class-loss.js";
import type { Bindings, DeviceTensor, Program, Runtime } from "../runtime/contract.js";
import type { CriterionOptions, CriterionShape } from "./criterion-options.js";
import { hostMemory, upload } from "./host-memory.js";

const logitsName = (output: number) => `logits ${output}`;
const weightsName = (output: number) => `weights ${output}`;
const gradientName = (output: number) => `gradient ${output}`;

/** Logits and weights [N, Q, K+1] of `outputs` outputs -> losses [outputs] and the gradients of their weighted sum. */
export function buildClassLoss(shape: CriterionShape, outputs: number, { weights }: CriterionOptions): Graph {
  const graph = new Graph("class loss");
  const dims = [shape.images, shape.queries, shape.classes + 1];
  const numbers = Array.from({ length: outputs }, (_, i) => i);
  const logits = numbers.map((i) => graph.input(logitsName(i), "float32", dims));
  const losses = numbers.map((i) => weightedCrossEntropy(logits[i], graph.input(weightsName(i), "float32", dims)));
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
    private readonly shape: CriterionShape,
    outputs: number,
    private readonly options: CriterionOptions,
  ) {
    const dims = [shape.images, shape.queries, shape.classes + 1];
    this.weights = Array.from({ length: outputs }, () => runtime.allocate("float32", dims));
    this.losses = runtime.allocate("float32", [outputs]);
  }

  /** Says which class each query of an output should have: `classes` [images][queries], `shape.classes` for "no object". */
  async expect(output: number, classes: readonly (readonly number[])[], normaliser: number): Promise<void> {
    const width = this.shape.classes + 1;
    const weights = hostMemory(this.weights[output]).fill(0);
    classes.forEach((queries, image) => {
      queries.forEach((label, query) => {
        const weight = label === this.shape.classes ? this.options.noObject : 1;
        weights[(image * this.shape.queries + query) * width + label] = weight / normaliser;
      });
    });
    await upload(this.weights[output], weights);
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
