/** @file Reverse-mode differentiation of a graph, and the two ways to give a stretch of it a gradient of its own. */

import { ShapeError } from "../core/errors.js";
import { add, reduceSum, reshape } from "./build.js";
import { ELEMENTWISE } from "./gradients/elementwise.js";
import { LAYOUT } from "./gradients/layout.js";
import { LINEAR } from "./gradients/linear.js";
import { type GradientRule, ONLY_IN_GRADIENTS } from "./gradients/rule.js";
import {
  ancestors,
  type Gradients,
  type Graph,
  type Node,
  type Region,
  type RegionGradient,
  type Tensor,
} from "./graph.js";
import type { Operators } from "./operators.js";
import { verify } from "./verify.js";

/** Complete by type: a new operator does not compile without a row in one of the families. */
export const GRADIENTS: { readonly [K in keyof Operators]: GradientRule<Operators[K]> | typeof ONLY_IN_GRADIENTS } = {
  ...ELEMENTWISE,
  ...LINEAR,
  ...LAYOUT,
};

/** Sums a gradient over the axes along which its tensor was broadcast. */
function sumToShape(gradient: Tensor, { shape }: Tensor): Tensor {
  if (gradient.shape.join() === shape.join()) return gradient;
  const lead = gradient.shape.length - shape.length;
  const axes = gradient.shape.flatMap((d, i) => (i < lead || (shape[i - lead] === 1 && d !== 1) ? [i] : []));
  return reshape(axes.length ? reduceSum(gradient, axes) : gradient, shape);
}

class ReverseWalk implements Gradients {
  private readonly found = new Map<Tensor, Tensor>();
  constructor(
    private readonly graph: Graph,
    readonly needed: (tensor: Tensor) => boolean,
  ) {}

  accumulate(tensor: Tensor, gradient: Tensor): void {
    if (!this.needed(tensor)) return;
    const summed = sumToShape(gradient, tensor);
    const before = this.found.get(tensor);
    this.found.set(tensor, before ? add(before, summed) : summed);
  }

  gradient(tensor: Tensor): Tensor | undefined {
    return this.found.get(tensor);
  }

  /** Visits nodes [start, end) backwards; regions that lie in it as single steps. */
  visit(start: number, end: number): void {
    const regions = this.graph.regions.filter((r) => r.start >= start && r.end <= end);
    for (let i = end - 1; i >= start; i--) {
      const region = outermost(regions, i);
      if (region) {
        this.stepOver(region);
        i = region.start;
      } else {
        this.step(this.graph.nodes[i]);
      }
    }
  }

  private stepOver({ start, end, outputs, backward }: Region): void {
    const made = new Set(this.graph.nodes.slice(start, end).flatMap((node) => node.outputs));
    for (const t of made) {
      if (this.found.has(t) && !outputs.includes(t)) {
        throw new ShapeError("region", "gradients of its outputs only", `one of tensor ${t.id}, made inside`);
      }
    }
    // The gradient of a tensor that was only passed through has already reached it.
    const dys = outputs.map((t) => (made.has(t) ? this.found.get(t) : undefined));
    if (dys.some(Boolean)) backward(dys, this);
  }

  private step(node: Node): void {
    if (node.outputs.slice(1).some((t) => this.found.has(t))) {
      throw new ShapeError(node.op, "a gradient of its first output only", "one of another output");
    }
    const dy = this.found.get(node.outputs[0]);
    if (!dy) return;
    const rule = GRADIENTS[node.op] as GradientRule<unknown> | typeof ONLY_IN_GRADIENTS;
    if (rule === ONLY_IN_GRADIENTS)
      throw new ShapeError(node.op, "to stand outside what is differentiated", "a gradient");
    if (!node.inputs.some(this.needed)) return;
    const { inputs, outputs, attributes } = node;
    rule({ inputs, outputs, attributes, dy }).forEach((build, k) => {
      if (build && this.needed(inputs[k])) this.accumulate(inputs[k], build());
    });
  }
}

/** The widest region whose last node is number i. */
function outermost<R extends { start: number; end: number }>(regions: readonly R[], i: number): R | undefined {
  let widest: R | undefined;
  for (const r of regions) if (r.end === i + 1 && (!widest || r.start < widest.start)) widest = r;
  return widest;
}

/** Outputs of `nodes` that depend on a tensor for which `isSource` holds. */
function dependents(nodes: readonly Node[], isSource: (tensor: Tensor) => boolean): Set<Tensor> {
  const found = new Set<Tensor>();
  for (const { inputs, outputs } of nodes) {
    if (inputs.some((t) => isSource(t) || found.has(t))) for (const t of outputs) found.add(t);
  }
  return found;
}

/**
 * Gradients of the scalar `loss` with respect to `wrt`, in its order; the nodes are appended to the graph.
 * Throws ShapeError when the loss is no scalar or does not depend on one of them.
 */
export function gradients(loss: Tensor, wrt: readonly Tensor[]): Tensor[] {
  if (loss.shape.length !== 0) throw new ShapeError("gradients", "a scalar loss", `shape [${loss.shape}]`);
  return vectorJacobian([loss], [loss.graph.scalar(1)], wrt);
}

/**
 * Gradients with respect to `wrt`, in its order, of sum over i of <outputs[i], seeds[i]>: the reverse walk for a loss
 * that is computed elsewhere, whose gradients with respect to the outputs come in as `seeds`, of the outputs' shapes.
 * Throws ShapeError when the outputs do not depend on one of `wrt`.
 */
export function vectorJacobian(outputs: readonly Tensor[], seeds: readonly Tensor[], wrt: readonly Tensor[]): Tensor[] {
  const { graph } = outputs[0];
  outputs.forEach(({ shape }, i) => {
    if (seeds[i]?.shape.join() === shape.join()) return;
    throw new ShapeError("vectorJacobian", `seed ${i} of shape [${shape}]`, `[${seeds[i]?.shape}]`);
  });
  const active = ancestors(outputs);
  const unreached = wrt.filter((t) => !active.has(t));
  if (unreached.length > 0) {
    const names = unreached.map((t) => (t.source.kind === "input" ? t.source.name : `tensor ${t.id}`));
    throw new ShapeError("gradients", "a loss that depends on every parameter", `no path to ${names.join(", ")}`);
  }
  const sources = new Set(wrt);
  const between = dependents(graph.nodes, (t) => sources.has(t));
  const walk = new ReverseWalk(graph, (t) => sources.has(t) || between.has(t));
  const forwardCount = graph.nodes.length;
  graph.during("backward", () => {
    outputs.forEach((output, i) => {
      walk.accumulate(output, seeds[i]);
    });
    walk.visit(0, forwardCount);
  });
  verify(graph);
  return wrt.map((t) => {
    const gradient = walk.gradient(t);
    if (!gradient)
      throw new ShapeError("gradients", "a differentiable path to every parameter", `none to tensor ${t.id}`);
    return gradient;
  });
}

/** Builds `forward` as usual, but with `backward` for its gradient. */
export function withGradient(
  graph: Graph,
  forward: () => readonly Tensor[],
  backward: RegionGradient,
): readonly Tensor[] {
  const start = graph.nodes.length;
  const outputs = forward();
  if (graph.nodes.length > start) graph.regions.push({ start, end: graph.nodes.length, outputs, backward });
  return outputs;
}

/**
 * Builds `forward` so that its activations are computed again for the gradient instead of being kept
 * (Chen et al. 2016, "Training deep nets with sublinear memory cost"). `forward` must be free of side effects.
 */
export function recompute(graph: Graph, forward: () => readonly Tensor[]): readonly Tensor[] {
  return withGradient(graph, forward, (dys, into) => {
    const start = graph.nodes.length;
    const again = graph.during("recompute", forward);
    const nodes = graph.nodes.slice(start);
    const inner = dependents(nodes, (t) => into.needed(t));
    const walk = new ReverseWalk(graph, (t) => inner.has(t) || into.needed(t));
    again.forEach((t, i) => {
      const dy = dys[i];
      if (dy) walk.accumulate(t, dy);
    });
    walk.visit(start, start + nodes.length);
    for (const t of new Set(nodes.flatMap((n) => n.inputs))) {
      const gradient = inner.has(t) ? undefined : walk.gradient(t);
      if (gradient) into.accumulate(t, gradient);
    }
  });
}
