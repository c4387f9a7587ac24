/** @file Images through an encoder under several weights, some at once, results in the order of the images. */

import { inOrder } from "../core/concurrency.js";
import type { TypedArray } from "../core/tensor-data.js";
import type { Runtime } from "../runtime/contract.js";
import type { MapName } from "./encoder-maps.js";
import { IMAGE, type MapGraph, variantPrefix } from "./map-graphs.js";
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

/** A graph is compiled once for each size of images and given back before the next size. */
export async function passImages(runtime: Runtime, pass: ImagePass): Promise<void> {
  const { images, variants, classifiers = new Map() } = pass;
  const encoders = variants.flatMap(({ weights }, v) =>
    [...weights].map(([name, tensor]) => [variantPrefix(v) + name, tensor] as const),
  );
  const weights: LiveWeights = new Map([...encoders, ...classifiers]);
  let done = 0;
  for (const size of images.groups) {
    const graph = await OpenGraph.compile(runtime, pass.graph(size));
    try {
      const results = inOrder(size.indices, runtime.cores + 1, async (index) => {
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
      graph.dispose();
    }
  }
}
