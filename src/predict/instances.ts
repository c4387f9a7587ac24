/**
 * @file Instance inference (instance_inference in Mask2Former's maskformer_model.py): the most probable pairs of query
 * and class, each a mask.
 */

import { encodeMask, type RunLengths } from "../masks/run-lengths.js";
import type { ScoredInstance, SegmentationClass } from "../masks/segmentation.js";
import { copyPatch, type MaskEnlarger, type MaskJob, TILE, type Tile, tilesAtOriginalSize } from "./mask-tiles.js";
import { classProbabilities, type ImageSizes, maskGrid, type NetworkOutput } from "./network-output.js";

export interface InstanceOptions {
  /** Pairs of query and class that are kept. */
  readonly topK: number;
  /** Drop stuff from those afterwards, as panoptic models do. */
  readonly thingsOnly: boolean;
}

interface Pair {
  readonly query: number;
  readonly label: number;
  readonly probability: number;
}

/** The `topK` most probable pairs, of equals the earlier ones; "no object" is none of the classes. */
function bestPairs(output: NetworkOutput, topK: number): Pair[] {
  const { classes } = output;
  const probabilities = classProbabilities(output);
  const pairs = Array.from({ length: output.queries * classes }, (_, i) => {
    const [query, label] = [Math.floor(i / classes), i % classes];
    return { query, label, probability: probabilities[query * (classes + 1) + label] };
  });
  return pairs.sort((a, b) => b.probability - a.probability).slice(0, topK);
}

interface QueryMask {
  readonly mask: RunLengths;
  /** Mean sigmoid over the mask: sum / (area + 1e-6). */
  readonly confidence: number;
}

/** Bytes of row-major masks that are held at once. */
const HELD = 64e6;

/** The masks X > 0 of some queries. */
async function masksOf(
  enlarger: MaskEnlarger,
  output: NetworkOutput,
  sizes: ImageSizes,
  queries: readonly number[],
): Promise<Map<number, QueryMask>> {
  const { width, height } = sizes.original;
  const tiles = tilesAtOriginalSize(sizes);
  const masks = new Map<number, QueryMask>();
  const atOnce = Math.max(1, Math.floor(HELD / (width * height)));
  for (let start = 0; start < queries.length; start += atOnce) {
    const group = queries.slice(start, start + atOnce);
    const pixels = new Map(group.map((query) => [query, new Uint8Array(width * height)]));
    const jobs = group.flatMap((query) => jobsOf(output, sizes, query, tiles));
    // Runs end in any order; sums are added up in the order of the jobs, so that the result is the same each time.
    const sums = new Map<MaskJob, { sum: number; area: number }>();
    await enlarger.run(output, maskGrid(sizes), jobs, (job, logits, probabilities) => {
      sums.set(job, drawTile(pixels.get(job.query) as Uint8Array, width, job.tile, logits, probabilities));
    });
    for (const query of group) {
      let [sum, area] = [0, 0];
      for (const job of jobs) {
        if (job.query !== query) continue;
        sum += sums.get(job)?.sum ?? 0;
        area += sums.get(job)?.area ?? 0;
      }
      const mask = encodeMask(pixels.get(query) as Uint8Array, width, height);
      masks.set(query, { mask, confidence: sum / (area + 1e-6) });
    }
  }
  return masks;
}

/**
 * The tiles that a query's mask can reach: resampling is an average, so one without a positive logit has no pixel of
 * it.
 */
function jobsOf({ masks }: NetworkOutput, sizes: ImageSizes, query: number, tiles: readonly Tile[]): MaskJob[] {
  const grid = maskGrid(sizes);
  const patch = new Float32Array(TILE.inputs ** 2);
  return tiles.filter((tile) => copyPatch(masks, grid, query, tile, patch) > 0).map((tile) => ({ query, tile }));
}

function drawTile(
  pixels: Uint8Array,
  width: number,
  { rows, columns }: Tile,
  logits: Float32Array,
  probabilities: Float32Array,
): { sum: number; area: number } {
  let [sum, area] = [0, 0];
  for (let y = 0; y < rows.count; y++) {
    const line = (rows.start + y) * width + columns.start;
    for (let x = 0; x < columns.count; x++) {
      const i = y * TILE.outputs + x;
      if (!(logits[i] > 0)) continue;
      pixels[line + x] = 1;
      sum += probabilities[i];
      area++;
    }
  }
  return { sum, area };
}

/** Scored instances, best first; a query appears once for each of its classes among the best pairs. */
export async function scoredInstances(
  enlarger: MaskEnlarger,
  output: NetworkOutput,
  sizes: ImageSizes,
  classes: readonly SegmentationClass[],
  { topK, thingsOnly }: InstanceOptions,
): Promise<ScoredInstance[]> {
  const pairs = bestPairs(output, topK).filter(({ label }) => !thingsOnly || classes[label].isThing);
  const masks = await masksOf(enlarger, output, sizes, [...new Set(pairs.map(({ query }) => query))]);
  return pairs
    .map(({ query, label, probability }) => {
      const { mask, confidence } = masks.get(query) as QueryMask;
      return { label, score: probability * confidence, mask };
    })
    .sort((a, b) => b.score - a.score);
}
