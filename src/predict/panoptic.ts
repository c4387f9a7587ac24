/**
 * @file Panoptic inference (panoptic_inference in Mask2Former's maskformer_model.py): confident queries share the
 * pixels out among them.
 */

import type { PanopticMap, Segment, SegmentationClass } from "../masks/segmentation.js";
import { type MaskEnlarger, TILE, tilesAtOriginalSize } from "./mask-tiles.js";
import { classProbabilities, type ImageSizes, maskGrid, type NetworkOutput } from "./network-output.js";

export interface PanopticOptions {
  /** Pixels of a segment: all that its query wins, or of these the ones where the query's own mask is at least 0.5. */
  readonly pixels: "won" | "won-and-claimed";
  /** A query stays when its score is above this. */
  readonly objectThreshold: number;
  /** A query stays when it owns at least this share of the pixels that it claims. */
  readonly overlapThreshold: number;
}

interface Candidate {
  readonly query: number;
  readonly label: number;
  readonly score: number;
}

/** Queries whose most probable class is no "no object" and above the threshold, in their order. */
function candidatesOf(output: NetworkOutput, threshold: number): Candidate[] {
  const probabilities = classProbabilities(output);
  const width = output.classes + 1;
  return Array.from({ length: output.queries }, (_, query) => {
    const row = probabilities.subarray(query * width, (query + 1) * width);
    const label = row.indexOf(row.reduce((a, b) => Math.max(a, b)));
    return { query, label, score: row[label] };
  }).filter(({ label, score }) => label !== output.classes && score > threshold);
}

/** The highest score of a query for any class: what the threshold is compared with. */
export function highestObjectScore(output: NetworkOutput): number {
  return candidatesOf(output, 0).reduce((highest, { score }) => Math.max(highest, score), 0);
}

/** Which candidate owns each pixel, and what each one claims. */
interface Ownership {
  /** Index of the candidate with the largest score * sigmoid(X), row-major. */
  readonly owner: Uint16Array;
  /** 1 where the owner's sigmoid is at least 0.5. */
  readonly inside: Uint8Array;
  /** Pixels of each candidate at 0.5 or more, owned or not. */
  readonly claimed: Float64Array;
}

async function shareOut(
  enlarger: MaskEnlarger,
  output: NetworkOutput,
  sizes: ImageSizes,
  candidates: readonly Candidate[],
): Promise<Ownership> {
  const { width, height } = sizes.original;
  const best = new Float32Array(width * height).fill(-1);
  const owner = new Uint16Array(width * height);
  const inside = new Uint8Array(width * height);
  const claimed = new Float64Array(candidates.length);
  const indexOf = new Map(candidates.map(({ query }, i) => [query, i]));
  const jobs = tilesAtOriginalSize(sizes).flatMap((tile) => candidates.map(({ query }) => ({ query, tile })));
  await enlarger.run(output, maskGrid(sizes), jobs, ({ query, tile: { rows, columns } }, _, probabilities) => {
    const k = indexOf.get(query) as number;
    const { score } = candidates[k];
    for (let y = 0; y < rows.count; y++) {
      const line = (rows.start + y) * width + columns.start;
      for (let x = 0; x < columns.count; x++) {
        const probability = probabilities[y * TILE.outputs + x];
        const claims = probability >= 0.5;
        if (claims) claimed[k]++;
        const value = Math.fround(score * probability);
        const at = line + x;
        // Runs end in any order: of equals the first candidate wins.
        if (value > best[at] || (value === best[at] && k < owner[at])) {
          best[at] = value;
          owner[at] = k;
          inside[at] = claims ? 1 : 0;
        }
      }
    }
  });
  return { owner, inside, claimed };
}

export interface PanopticPrediction {
  /**
   * Segments 1, 2, ... in the order of the queries; all stuff of a class is one segment, of the best of its scores; 0
   * is void.
   */
  readonly map: PanopticMap;
  /**
   * Of the queries above the threshold the largest share of claimed pixels that one owns, what the overlap threshold is
   * compared with; 0 when none of them has a pixel, undefined when there is no such query.
   */
  readonly keptShare?: number;
}

/** Confident queries share the pixels out; those that are left too little of what they claim are dropped. */
export async function panopticMap(
  enlarger: MaskEnlarger,
  output: NetworkOutput,
  sizes: ImageSizes,
  classes: readonly SegmentationClass[],
  { pixels, objectThreshold, overlapThreshold }: PanopticOptions,
): Promise<PanopticPrediction> {
  const { width, height } = sizes.original;
  const ids = new Uint32Array(width * height);
  const candidates = candidatesOf(output, objectThreshold);
  if (candidates.length === 0) return { map: { width, height, ids, segments: [] } };
  const { owner, inside, claimed } = await shareOut(enlarger, output, sizes, candidates);
  if (pixels === "won") inside.fill(1);
  const owned = new Float64Array(candidates.length);
  const kept = new Float64Array(candidates.length);
  for (let p = 0; p < owner.length; p++) {
    owned[owner[p]]++;
    kept[owner[p]] += inside[p];
  }
  const segments: { -readonly [K in keyof Segment]: Segment[K] }[] = [];
  const stuff = new Map<number, number>();
  const shares = candidates.map((_, k) => (kept[k] === 0 || claimed[k] === 0 ? 0 : owned[k] / claimed[k]));
  const idOf = candidates.map(({ label, score }, k) => {
    if (shares[k] === 0 || shares[k] < overlapThreshold) return 0;
    const known = stuff.get(label);
    if (known !== undefined) {
      const segment = segments[known - 1];
      segment.area += kept[k];
      segment.score = Math.max(segment.score ?? 0, score);
      return known;
    }
    const id = segments.length + 1;
    segments.push({ id, label, area: kept[k], crowd: false, score });
    if (!classes[label].isThing) stuff.set(label, id);
    return id;
  });
  for (let p = 0; p < ids.length; p++) if (inside[p] === 1) ids[p] = idOf[owner[p]];
  return { map: { width, height, ids, segments }, keptShare: Math.min(1, Math.max(...shares)) };
}
