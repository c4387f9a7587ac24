/** @file The arithmetic of a job, from the graphs that it runs. */

import { floats, sizeOf } from "../src/core/tensor-data.js";
import { costOf } from "../src/graph/cost.js";
import { ancestors, type Graph } from "../src/graph/graph.js";
import type { Declaration } from "../src/nn/scope.js";
import type { Work } from "./job.js";

/** The work of the nodes that the outputs of these graphs need. */
export function workOf(graphs: readonly Graph[]): Work {
  const costs = graphs.map((graph) => {
    const needed = ancestors(graph.outputs.values());
    return costOf(graph.nodes.filter(({ outputs }) => outputs.some((t) => needed.has(t))));
  });
  const total = (quantity: "products" | "traffic") => costs.reduce((sum, cost) => sum + cost[quantity], 0) / 1e9;
  return { gigaFlop: total("products"), gigaByte: total("traffic") };
}

/** The share of one of so many images. */
export const perImage = ({ gigaFlop, gigaByte }: Work, images: number): Work => ({
  gigaFlop: gigaFlop / images,
  gigaByte: gigaByte / images,
});

/** Values of the right shapes, for graphs that hold their weights. */
export const zerosFor = (declarations: Iterable<Declaration>) =>
  new Map(Array.from(declarations, ({ name, shape }) => [name, floats(shape, new Float32Array(sizeOf(shape)))]));
