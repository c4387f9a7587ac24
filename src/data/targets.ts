/**
 * @file From labels to what the network is to predict of a view: a label and a mask each (Mask2Former's
 * dataset_mappers/).
 */
import type { Size } from "../core/image.js";
import { type Axis, legacyNearestPixels, nearestPixels } from "../core/resample.js";
import { encodePolygons } from "../masks/polygons.js";
import { paintMask, type RunLengths } from "../masks/run-lengths.js";
import {
  IGNORED,
  type Instance,
  type InstanceSet,
  type PanopticMap,
  type Polygons,
  type SemanticMap,
  type Target,
} from "../masks/segmentation.js";
import { clipPolygon } from "./clip-polygon.js";
import { type LabelledView, viewAxes } from "./labelled-view.js";

/** A view of labels, the size it is padded to, and the memory for its masks. */
export interface TargetView {
  readonly view: LabelledView;
  readonly size: Size;
  /** Whether segments of which the view shows nothing remain targets, with empty masks. */
  readonly keepEmpty: boolean;
  /** `count` masks of `size` one after another, all zero. */
  takeMasks(count: number): Uint8Array;
}

/** For each output row and column the source's. */
interface Pixels {
  readonly rows: Int32Array;
  readonly columns: Int32Array;
}

function pixelsOf(labels: Size, view: LabelledView, nearest: (axis: Axis) => Int32Array): Pixels {
  const { x, y } = viewAxes(labels, view);
  return { rows: nearest(y), columns: nearest(x) };
}

function cut(masks: Uint8Array, labels: readonly number[], pixels: number): Target[] {
  return labels.map((label, i) => ({ label, mask: masks.subarray(i * pixels, (i + 1) * pixels) }));
}

const hasPixels = ({ mask }: Target) => mask.includes(1);

/** Values of a map within a view, each once. */
function distinctValues(map: Uint16Array, width: number, { rows, columns }: Pixels): Set<number> {
  const values = new Set<number>();
  let last = -1;
  for (const row of rows) {
    for (let x = 0; x < columns.length; x++) {
      const value = map[row * width + columns[x]];
      if (value !== last) values.add(value);
      last = value;
    }
  }
  return values;
}

/**
 * Sets, for each pixel of the view, the mask that its value in the map belongs to: the i-th mask to the i-th of
 * `values`.
 */
function scatter(
  map: { values: Uint16Array | Uint32Array; width: number },
  { rows, columns }: Pixels,
  values: readonly number[],
  size: Size,
  masks: Uint8Array,
): void {
  const pixels = size.width * size.height;
  const starts = new Map(values.map((value, i) => [value, i * pixels]));
  let last = -1;
  let start: number | undefined;
  for (let y = 0; y < rows.length; y++) {
    const from = rows[y] * map.width;
    const to = y * size.width;
    for (let x = 0; x < columns.length; x++) {
      const value = map.values[from + columns[x]];
      if (value !== last) {
        start = starts.get(value);
        last = value;
      }
      if (start !== undefined) masks[start + to + x] = 1;
    }
  }
}

/**
 * One target for each label in the view, in rising order. Resampled by torch's "nearest", as the official code does.
 */
export function semanticTargets(map: SemanticMap, { view, size, takeMasks }: TargetView): Target[] {
  const pixels = pixelsOf(map, view, legacyNearestPixels);
  const labels = [...distinctValues(map.labels, map.width, pixels)].filter((label) => label !== IGNORED);
  labels.sort((a, b) => a - b);
  const masks = takeMasks(labels.length);
  scatter({ values: map.labels, width: map.width }, pixels, labels, size, masks);
  return cut(masks, labels, size.width * size.height);
}

/**
 * One target for each segment that is no crowd, in their order. Resampled by Pillow's NEAREST, as the official code
 * does.
 */
export function panopticTargets(map: PanopticMap, { view, size, keepEmpty, takeMasks }: TargetView): Target[] {
  const segments = map.segments.filter(({ crowd }) => !crowd);
  const masks = takeMasks(segments.length);
  const ids = segments.map(({ id }) => id);
  scatter({ values: map.ids, width: map.width }, pixelsOf(map, view, nearestPixels), ids, size, masks);
  const labels = segments.map(({ label }) => label);
  const targets = cut(masks, labels, size.width * size.height);
  return keepEmpty ? targets : targets.filter(hasPixels);
}

/** Polygons as the view shows them: the corners are moved, then cut to the crop. */
function viewPolygons({ polygons }: Polygons, labels: Size, { resized, crop, mirror }: LabelledView): Polygons {
  const [scaleX, scaleY] = [resized.width / labels.width, resized.height / labels.height];
  const moveX = (x: number) => {
    if (mirror === "before") return (labels.width - x) * scaleX - crop.left;
    return mirror === "after" ? crop.width - (x * scaleX - crop.left) : x * scaleX - crop.left;
  };
  const moved = polygons.map((polygon) =>
    clipPolygon(
      polygon.map((value, i) => (i % 2 === 0 ? moveX(value) : value * scaleY - crop.top)),
      crop.width,
      crop.height,
    ),
  );
  return { polygons: moved.filter((polygon) => polygon !== undefined) };
}

/** bounds[s]: the first output pixel whose source is s or more, for sources in rising order. */
function firstOutputs(sources: Int32Array, count: number): Int32Array {
  const bounds = new Int32Array(count + 1);
  for (let s = 0, i = 0; s <= count; s++) {
    while (i < sources.length && sources[i] < s) i++;
    bounds[s] = i;
  }
  return bounds;
}

/**
 * Resamples masks given as run lengths without decoding them: each run fills the output pixels whose sources it holds.
 */
function runPainter(labels: Size, { rows, columns }: Pixels, { width }: Size) {
  const mirrored = columns[0] > columns[columns.length - 1];
  const rowBounds = firstOutputs(rows, labels.height);
  const columnBounds = firstOutputs(mirrored ? columns.slice().reverse() : columns, labels.width);
  return ({ counts, height }: RunLengths, mask: Uint8Array): void => {
    for (let i = 1, start = counts[0]; i < counts.length; start += counts[i] + (counts[i + 1] ?? 0), i += 2) {
      const end = start + counts[i];
      for (let at = start; at < end; ) {
        const column = Math.floor(at / height);
        const above = column * height;
        const columnEnd = Math.min(end, above + height);
        const top = rowBounds[at - above];
        const bottom = rowBounds[columnEnd - above];
        for (let k = columnBounds[column]; k < columnBounds[column + 1]; k++) {
          const x = mirrored ? columns.length - 1 - k : k;
          for (let y = top; y < bottom; y++) mask[y * width + x] = 1;
        }
        at = columnEnd;
      }
    }
  };
}

/**
 * One target for each instance that is no crowd, in their order; they may overlap. Polygons are moved and cut as
 * geometry and drawn afterwards, run lengths are resampled by Pillow's NEAREST. Of the empty ones `keepEmpty: false`
 * drops, as the official code does, run lengths without a pixel but polygons only without area: a sliver that covers no
 * pixel's middle stays.
 */
export function instanceTargets(set: InstanceSet, { view, size, keepEmpty, takeMasks }: TargetView): Target[] {
  const isThere = ({ shape }: Pick<Instance, "shape">) =>
    keepEmpty || !("polygons" in shape) || shape.polygons.length > 0;
  const instances = set.instances
    .filter(({ crowd }) => !crowd)
    .map(({ label, shape }) => ({ label, shape: "polygons" in shape ? viewPolygons(shape, set, view) : shape }))
    .filter(isThere);
  const labels = instances.map(({ label }) => label);
  const targets = cut(takeMasks(labels.length), labels, size.width * size.height);
  const paintRuns = runPainter(set, pixelsOf(set, view, nearestPixels), size);
  instances.forEach(({ shape }, i) => {
    if ("polygons" in shape) paintMask(encodePolygons(shape, size.width, size.height), targets[i].mask, 1);
    else paintRuns(shape, targets[i].mask);
  });
  return targets.filter((target, i) => keepEmpty || "polygons" in instances[i].shape || hasPixels(target));
}
