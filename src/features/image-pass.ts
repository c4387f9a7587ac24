/** @file Images through an encoder under several weights, some at once, results in the order of the images. */

import { inOrder } from "../core/concurrency.js";
import type { TypedArray } from "../core/tensor-data.js";
import type { Runtime } from "../runtime/contract.js";
import type { MapName } from "./encoder-maps.js";
import { IMAGE, type MapGraph } from "./map-graphs.js";
import { type LiveWeights, OpenGraph } from "./open-graph.js";
import type { ProbeImage, ProbeImages, SizeGroup } from "./probe-images.js";

/** An encoder's weights, and which of its maps are looked at under them. */
export interface Variant {
  readonly wanted: readonly MapName[];
  readonly weights: LiveWeights;
}

export interface ImagePass {
  readonly images: ProbeImages;
  readonly variants: readonly Variant[];
  /** The graph for images of one size. */
  readonly graph: (size: SizeGroup, wanted: readonly MapName[]) => MapGraph;
  /** Of an image beside its pixels. */
  readonly inputs?: (image: ProbeImage) => ReadonlyMap<string, TypedArray>;
  readonly outputs: (wanted: readonly MapName[], image: ProbeImage) => readonly string[];
  /** Called in the order of the images, variant after variant; what was found is good until it returns. */
  readonly take: (image: ProbeImage, variant: number, found: ReadonlyMap<string, TypedArray>) => Promise<void> | void;
  /** Told how many images are done, the unusable ones too. */
  readonly progress?: (done: number) => void;
}

/**
 * Every graph is compiled once for each size of images and given back before the next size. @returns images that could
 * be used
 */
export async function passImages(runtime: Runtime, pass: ImagePass): Promise<number> {
  const { images, variants } = pass;
  let [done, used] = [0, 0];
  for (const size of images.groups) {
    const graphs = await openGraphs(runtime, pass, size);
    const graphOf = ({ wanted }: Variant) => graphs.get(wanted.join()) as OpenGraph;
    try {
      const results = inOrder(size.indices, runtime.cores + 1, async (index) => {
        const image = await images.load(index);
        if (!image) return undefined;
        const inputs = new Map([[IMAGE, image.input.planes as TypedArray], ...(pass.inputs?.(image) ?? [])]);
        const found = variants.map((variant) =>
          graphOf(variant).run(inputs, variant.weights, pass.outputs(variant.wanted, image)),
        );
        return { image, found: await Promise.all(found) };
      });
      for await (const { result } of results) {
        if (result) {
          used++;
          for (const [variant, found] of result.found.entries()) {
            await pass.take(result.image, variant, found.values);
            found.release();
          }
        }
        pass.progress?.(++done);
      }
    } finally {
      for (const graph of graphs.values()) graph.dispose();
    }
  }
  return used;
}

/** One for all variants that look at the same maps, by these. */
async function openGraphs(runtime: Runtime, { variants, graph }: ImagePass, size: SizeGroup) {
  const graphs = new Map<string, OpenGraph>();
  for (const { wanted } of variants) {
    const key = wanted.join();
    if (!graphs.has(key)) graphs.set(key, await OpenGraph.compile(runtime, graph(size, wanted)));
  }
  return graphs;
}
