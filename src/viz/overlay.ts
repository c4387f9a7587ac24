/** @file Segmentations over their images: half-transparent fills, crisp outlines, names of classes. */

import { ShapeError } from "../core/errors.js";
import type { Image, Region, Rgb, Size } from "../core/image.js";
import { maskArea, paintMask, type RunLengths } from "../masks/run-lengths.js";
import { IGNORED, type PanopticMap, type SegmentationClass, type SemanticMap } from "../masks/segmentation.js";
import { turnHue } from "./colours.js";
import { drawText, textSize } from "./lettering.js";

/** Objects that may overlap, predicted (with a score) or annotated. */
export interface MaskSet extends Size {
  readonly instances: readonly { readonly label: number; readonly score?: number; readonly mask: RunLengths }[];
}

export type Segmentation = SemanticMap | PanopticMap | MaskSet;

/** What is drawn over a pixel, 1, 2, ...; 0 is nothing. */
interface Layers {
  /** Row-major, index + 1 into `shapes`. */
  readonly owner: Uint32Array;
  readonly shapes: readonly Shape[];
}

interface Shape {
  readonly color: Rgb;
  readonly text: string;
  readonly area: number;
}

const FILL = 0.5;
const PLATE: Rgb = [18, 18, 24];
const PLATE_OPACITY = 0.72;
const INK: Rgb = [255, 255, 255];

/**
 * The image with a segmentation of the same size over it. Semantic: a colour a class. Panoptic and instances: stuff in
 * the colour of its class, things one by one in colours turned away from it, the same at every call. Labels name each
 * shape that has room for them. Small objects lie above large ones; what has no class stays as it is.
 * @throws ShapeError unless the sizes agree
 */
export function overlay(image: Image, segmentation: Segmentation, classes: readonly SegmentationClass[]): Image {
  const { width, height } = image;
  if (segmentation.width !== width || segmentation.height !== height) {
    const found = `${segmentation.width} x ${segmentation.height}`;
    throw new ShapeError("overlay", `a segmentation of ${width} x ${height}`, found);
  }
  const layers = layersOf(segmentation, classes);
  const picture = { width, height, data: Uint8Array.from(image.data) }; // a Buffer.slice would share the pixels
  fill(picture, layers);
  outline(picture, layers);
  nameShapes(picture, layers);
  return picture;
}

function layersOf(segmentation: Segmentation, classes: readonly SegmentationClass[]): Layers {
  if ("labels" in segmentation) return semanticLayers(segmentation, classes);
  return "ids" in segmentation ? panopticLayers(segmentation, classes) : instanceLayers(segmentation, classes);
}

function semanticLayers({ labels }: SemanticMap, classes: readonly SegmentationClass[]): Layers {
  const areas = new Float64Array(classes.length);
  const owner = Uint32Array.from(labels, (label) => {
    if (label === IGNORED) return 0;
    areas[label]++;
    return label + 1;
  });
  return { owner, shapes: classes.map(({ color, name }, i) => ({ color, text: name, area: areas[i] })) };
}

/** Colours of shapes in turn: the class's own for stuff and its first object, then others of its family. */
function colouring(classes: readonly SegmentationClass[]): (label: number) => Rgb {
  const counts = new Map<number, number>();
  return (label) => {
    const { color, isThing } = classes[label];
    const count = counts.get(label) ?? 0;
    counts.set(label, count + 1);
    return isThing ? turnHue(color, count) : color;
  };
}

function panopticLayers({ ids, segments }: PanopticMap, classes: readonly SegmentationClass[]): Layers {
  const colorOf = colouring(classes);
  const place = new Map(segments.map(({ id }, i) => [id, i + 1]));
  const shapes = segments.map(({ label, area }) => ({ color: colorOf(label), text: classes[label].name, area }));
  return { owner: ids.map((id) => place.get(id) ?? 0), shapes };
}

function instanceLayers({ width, height, instances }: MaskSet, classes: readonly SegmentationClass[]): Layers {
  const owner = new Uint32Array(width * height);
  const colorOf = colouring(classes);
  const shapes = instances.map(({ label, score, mask }) => ({
    color: colorOf(label),
    text: score === undefined ? classes[label].name : `${classes[label].name} ${score.toFixed(2)}`,
    area: maskArea(mask),
  }));
  const largestFirst = shapes.map((_, i) => i).sort((a, b) => shapes[b].area - shapes[a].area);
  for (const i of largestFirst) paintMask(instances[i].mask, owner, i + 1);
  return { owner, shapes };
}

function blend(data: Uint8Array, pixel: number, color: Rgb, opacity: number): void {
  for (let c = 0; c < 3; c++) {
    const at = 3 * pixel + c;
    data[at] = Math.round(data[at] + opacity * (color[c] - data[at]));
  }
}

function fill({ data }: Image, { owner, shapes }: Layers): void {
  for (let p = 0; p < owner.length; p++) if (owner[p] > 0) blend(data, p, shapes[owner[p] - 1].color, FILL);
}

/** Pixels within `reach` (rows or columns) of another shape take their shape's full colour. */
function outline({ width, height, data }: Image, { owner, shapes }: Layers): void {
  const reach = Math.max(1, Math.round(Math.min(width, height) / 500));
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const p = y * width + x;
      const own = owner[p];
      if (own === 0) continue;
      const onEdge =
        (x >= reach && owner[p - reach] !== own) ||
        (x + reach < width && owner[p + reach] !== own) ||
        (y >= reach && owner[p - reach * width] !== own) ||
        (y + reach < height && owner[p + reach * width] !== own);
      if (onEdge) blend(data, p, shapes[own - 1].color, 1);
    }
  }
}

interface Place {
  readonly x: number;
  readonly y: number;
  /** Pixels from there to the shape's edge, down and across or diagonal at 4/3. */
  readonly room: number;
}

/** The pixel of each shape that is farthest from its edge, by a chamfer distance (3 straight, 4 diagonal). */
function widestPlaces({ width, height }: Image, { owner, shapes }: Layers): (Place | undefined)[] {
  const distance = new Int32Array(owner.length);
  const step = (p: number, x: number, y: number, dx: number, dy: number, cost: number) => {
    const inside = x + dx >= 0 && x + dx < width && y + dy >= 0 && y + dy < height;
    const q = p + dy * width + dx;
    return inside && owner[q] === owner[p] ? distance[q] + cost : 3;
  };
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const p = y * width + x;
      const straight = Math.min(step(p, x, y, -1, 0, 3), step(p, x, y, 0, -1, 3));
      distance[p] = Math.min(straight, step(p, x, y, -1, -1, 4), step(p, x, y, 1, -1, 4));
    }
  }
  const best = new Int32Array(shapes.length).fill(-1);
  for (let y = height - 1; y >= 0; y--) {
    for (let x = width - 1; x >= 0; x--) {
      const p = y * width + x;
      const straight = Math.min(step(p, x, y, 1, 0, 3), step(p, x, y, 0, 1, 3));
      distance[p] = Math.min(distance[p], straight, step(p, x, y, 1, 1, 4), step(p, x, y, -1, 1, 4));
      const i = owner[p] - 1;
      if (i >= 0 && (best[i] < 0 || distance[p] > distance[best[i]])) best[i] = p;
    }
  }
  return Array.from(best, (p) =>
    p < 0 ? undefined : { x: p % width, y: Math.floor(p / width), room: distance[p] / 3 },
  );
}

const apart = (a: Region, b: Region) =>
  a.left + a.width <= b.left || b.left + b.width <= a.left || a.top + a.height <= b.top || b.top + b.height <= a.top;

/** Names where there is room, largest shapes first, none over another. */
function nameShapes(picture: Image, layers: Layers): void {
  const { width, height } = picture;
  const size = Math.min(22, Math.max(8, Math.round(Math.min(width, height) / 42)));
  const margin = Math.ceil(size / 3);
  const places = widestPlaces(picture, layers);
  const order = layers.shapes.map((_, i) => i).sort((a, b) => layers.shapes[b].area - layers.shapes[a].area);
  const taken: Region[] = [];
  for (const i of order) {
    const place = places[i];
    const { text } = layers.shapes[i];
    const inner = textSize(text, size);
    const box = { width: inner.width + 2 * margin, height: inner.height + margin, left: 0, top: 0 };
    // The plate must not hide the shape: as high as there is room, and at most so much wider.
    if (!place || 2 * place.room < box.height || 6 * place.room < box.width) continue;
    if (box.width > width || box.height > height) continue;
    box.left = Math.min(width - box.width, Math.max(0, Math.round(place.x - box.width / 2)));
    box.top = Math.min(height - box.height, Math.max(0, Math.round(place.y - box.height / 2)));
    if (!taken.every((other) => apart(box, other))) continue;
    taken.push(box);
    plate(picture, box);
    drawText(picture, text, { left: box.left + margin, top: box.top + margin, size, color: INK });
  }
}

/** A dark rectangle with its corner pixels left out. */
function plate({ width, data }: Image, box: Region): void {
  for (let y = 0; y < box.height; y++) {
    const inset = y === 0 || y === box.height - 1 ? 2 : y === 1 || y === box.height - 2 ? 1 : 0;
    for (let x = inset; x < box.width - inset; x++) {
      blend(data, (box.top + y) * width + box.left + x, PLATE, PLATE_OPACITY);
    }
  }
}
