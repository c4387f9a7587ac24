/**
 * @file Images of which the network saw parts in training, such as microscope slides: cut into overlapping windows,
 * each predicted by itself. An object belongs to the window in whose share its centre lies, so none is found twice.
 */

import { InputError } from "../core/errors.js";
import { type Image, type Region, regionOf, type Size } from "../core/image.js";
import { paddedSize, type TestEdges, type TestSize, testSize } from "../data/test-input.js";
import { embedMask } from "../masks/mask-algebra.js";
import { boundingBox, maskArea } from "../masks/run-lengths.js";
import type { ScoredInstance, Task } from "../masks/segmentation.js";

/** How images reach the network: resized, and in windows of a side in pixels, or as they are (0, absent). */
export interface SeenAs extends TestEdges {
  readonly window?: number;
}

/**
 * Part of a window, at least, that its neighbour sees too: objects up to this size lie whole in the window that owns
 * them.
 */
const OVERLAP = 0.25;

/** Part of one axis, in pixels of the image; of the objects in it those centred in [from, to) are its own. */
interface Span {
  readonly start: number;
  readonly length: number;
  readonly from: number;
  readonly to: number;
}

export interface Window {
  readonly x: Span;
  readonly y: Span;
}

/** The size at which the network sees an image of this size, or each of its windows. */
export function networkSize(image: Size, { window, ...edges }: SeenAs): TestSize {
  const whole = testSize(image, edges);
  if (!window) return whole;
  return paddedSize({ width: Math.min(whole.width, window), height: Math.min(whole.height, window) });
}

/** Spans of one length over `length` pixels that become `resized`, evenly spaced. */
function spans(length: number, resized: number, window: number): Span[] {
  const part = Math.min(length, Math.max(1, Math.round((window * length) / resized)));
  const count = Math.ceil((length - part) / Math.ceil(part * (1 - OVERLAP))) + 1;
  if (count === 1) return [{ start: 0, length, from: 0, to: length }];
  const starts = Array.from({ length: count }, (_, i) => Math.round((i * (length - part)) / (count - 1)));
  // Neighbours share the pixels that both see half and half.
  const border = (i: number) => (starts[i - 1] + part + starts[i]) / 2;
  return starts.map((start, i) => ({
    start,
    length: part,
    from: i === 0 ? 0 : border(i),
    to: i === count - 1 ? length : border(i + 1),
  }));
}

/** The windows of an image, row by row; a single one where all of it fits into one. */
export function windowsOf(image: Size, { window, ...edges }: SeenAs): Window[] {
  const { width, height } = testSize(image, edges);
  const side = window || Number.POSITIVE_INFINITY;
  const columns = spans(image.width, width, side);
  return spans(image.height, height, side).flatMap((y) => columns.map((x) => ({ x, y })));
}

/** The pixels of a window. */
export function cutOut(image: Image, { x, y }: Window): Image {
  const region: Region = { left: x.start, top: y.start, width: x.length, height: y.length };
  if (region.width === image.width && region.height === image.height) return image;
  return { width: region.width, height: region.height, data: regionOf(image.data, image, region, 3) };
}

/** What a window's own objects are in the whole image; empty masks, which have no centre, belong to none. */
export function ownInstances(
  instances: readonly ScoredInstance[],
  { x, y }: Window,
  { width, height }: Size,
): ScoredInstance[] {
  const owns = ({ start, from, to }: Span, centre: number) => start + centre >= from && start + centre < to;
  return instances.flatMap((instance) => {
    if (maskArea(instance.mask) === 0) return [];
    const [left, top, boxWidth, boxHeight] = boundingBox(instance.mask);
    if (!owns(x, left + boxWidth / 2) || !owns(y, top + boxHeight / 2)) return [];
    return [{ ...instance, mask: embedMask(instance.mask, { left: x.start, top: y.start }, width, height) }];
  });
}

/** @throws InputError when something other than instances is asked of a model that predicts in windows */
export function checkForms(forms: Iterable<Task>, { window }: SeenAs): void {
  const other = window ? [...forms].filter((form) => form !== "instance") : [];
  if (other.length === 0) return;
  throw new InputError({
    where: "prediction",
    expected: `instances alone, because the model predicts in windows (inference.window ${window})`,
    found: other.join(" and "),
    fix: "Only objects can be put together from windows; ask for --task instance.",
  });
}
