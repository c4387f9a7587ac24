/** @file Images through an encoder under several weights, some at once, results in the order of the images. */

import { inOrder } from "../core/concurrency.js";
import type { TypedArray } from "../core/tensor-data.js";
import type { Runtime } from "../runtime/contract.js";
import type { MapName } from "./encoder-maps.js";
import { IMAGE, type MapGraph, variantPrefix } from "./map-graphs.js";
import { type LiveWeights, OpenGraph, underWay } from "./open-graph.js";
import type { ProbeImage, ProbeImages, SizeGroup } from "./probe-images.js";

/** An encoder's weights, and which of its maps are looked at under them. */
export interface Variant {
  readonly wanted: readonly MapName[];
  readonly weights: LiveWeights;
}

/** Where compiled graphs come from, and what becomes of them when the images of their size are through. */
export interface GraphStore {
  open(size: SizeGroup, build: () => MapGraph): Promise<OpenGraph>;
  close(graph: OpenGraph): void;
}

/** Graphs that are given back at once. */
const passing = (runtime: Runtime): GraphStore => ({
  open: (_, build) => OpenGraph.compile(runtime, build()),
  close: (graph) => graph.dispose(),
});

/** Graphs that stay compiled, for passes over the same images again and again. */
export class KeptGraphs implements GraphStore {
  private readonly graphs = new Map<string, Promise<OpenGraph>>();

  constructor(private readonly runtime: Runtime) {}

  open({ paddedWidth, paddedHeight }: SizeGroup, build: () => MapGraph): Promise<OpenGraph> {
    const key = `${paddedWidth}x${paddedHeight}`;
    const graph = this.graphs.get(key) ?? OpenGraph.compile(this.runtime, build());
    this.graphs.set(key, graph);
    return graph;
  }

  close(): void {}

  async dispose(): Promise<void> {
    for (const graph of this.graphs.values()) (await graph).dispose();
    this.graphs.clear();
  }
}

export interface ImagePass {
  readonly images: ProbeImages;
  /** By default a graph is compiled for each size of images, and given back before the next size. */
  readonly graphs?: GraphStore;
  readonly variants: readonly Variant[];
  /** Further weights, by the names that the graph gives them. */
  readonly classifiers?: LiveWeights;
  /** The graph for images of one size. */
  readonly graph: (size: SizeGroup) => MapGraph;
  /** Of an image beside its pixels. */
  readonly inputs?: (image: ProbeImage) => ReadonlyMap<string, TypedArray>;
  readonly outputs: (image: ProbeImage) => readonly string[];
  /** Called in the order of the images; what was found is good until it returns. */
  readonly take: (image: ProbeImage, found: ReadonlyMap<string, TypedArray>) => Promise<void> | void;
  /** Told how many images are done, the unusable ones too. */
  readonly progress?: (done: number) => void;
}

export async function passImages(runtime: Runtime, pass: ImagePass): Promise<void> {
  const { images, variants, classifiers = new Map(), graphs = passing(runtime) } = pass;
  const encoders = variants.flatMap(({ weights }, v) =>
    [...weights].map(([name, tensor]) => [variantPrefix(v) + name, tensor] as const),
  );
  const weights: LiveWeights = new Map([...encoders, ...classifiers]);
  let done = 0;
  for (const size of images.groups) {
    const graph = await graphs.open(size, () => pass.graph(size));
    try {
      const results = inOrder(size.indices, underWay(runtime), async (index) => {
        const image = await images.load(index);
        if (!image) return undefined;
        const inputs = new Map([[IMAGE, image.input.planes as TypedArray], ...(pass.inputs?.(image) ?? [])]);
        return { image, found: await graph.run(inputs, weights, pass.outputs(image)) };
      });
      for await (const { result } of results) {
        if (result) {
          await pass.take(result.image, result.found.values);
          result.found.release();
        }
        pass.progress?.(++done);
      }
    } finally {
      graphs.close(graph);
    }
  }
}
