/** @file What is written of one image: overlays, label maps, and its part of the JSON files. */

import { join } from "node:path";
import { InputError } from "../../core/errors.js";
import type { Image, Size } from "../../core/image.js";
import { resizeImage } from "../../core/resample.js";
import { writeFileAtomic } from "../../io/atomic-file.js";
import { asJpeg, encodeGreyPng, encodeIdPng, encodePng } from "../../io/image-file.js";
import { maskArea } from "../../masks/run-lengths.js";
import { IGNORED, type SegmentationClass, type SemanticMap, type Task } from "../../masks/segmentation.js";
import { overlay, type Segmentation } from "../../viz/overlay.js";
import type { GalleryCell } from "../../viz/report.js";
import type { Prediction } from "../predictor.js";
import { type InstanceResult, instanceResults, type SegmentInfo, segmentsInfo } from "./coco-results.js";
import { type Findings, findingsOf } from "./findings.js";
import type { ListedImage } from "./image-list.js";
import { LABELS, OVERLAYS, PREDICTION_FILES } from "./output-directory.js";

/** An image in `predictions.json`; paths are relative to the output folder. */
export interface ImageRecord extends Size {
  readonly id: number;
  readonly file: string;
  /** By form. */
  readonly overlays: Readonly<Partial<Record<Task, string>>>;
  readonly labels: Readonly<Partial<Record<Task, string>>>;
  /** Segments of the panoptic map and instances that were kept. */
  readonly segments?: number;
  readonly instances?: number;
  /** Best score of a query, and of an instance. */
  readonly confidence: number;
  readonly bestScore?: number;
}

export interface WrittenImage {
  readonly record: ImageRecord;
  readonly segmentsInfo?: readonly SegmentInfo[];
  readonly instances?: readonly InstanceResult[];
  /** For the page: the image and its overlays; empty where it is not shown. */
  readonly cells: readonly GalleryCell[];
  readonly findings?: Findings;
}

export interface WriteOptions {
  readonly out: string;
  readonly classes: readonly SegmentationClass[];
  /** Instances below this score, and those without a pixel, are neither drawn nor written. */
  readonly scoreThreshold: number;
  /** Whether the page shows the image. */
  readonly shown: boolean;
  /** Whether a person wants to know what was found in it. */
  readonly described: boolean;
}

/** Pixels of the longer side of pictures in the page, at most. */
const PAGE_SIDE = 512;
const PAGE_QUALITY = 85;

/** Writes the files of one image. The prediction holds what was asked for and nothing else. */
export async function writeImage(
  { id, file, stem }: ListedImage,
  image: Image,
  { semantic, panoptic, instances, confidence }: Prediction,
  { out, classes, scoreThreshold, shown, described }: WriteOptions,
): Promise<WrittenImage> {
  const { width, height } = image;
  // A query whose mask is empty has the score 0 for every class.
  const kept = instances?.filter(({ score, mask }) => score >= scoreThreshold && maskArea(mask) > 0);
  const drawn = new Map<Task, Segmentation>();
  if (semantic) drawn.set("semantic", semantic);
  if (panoptic) drawn.set("panoptic", panoptic);
  if (kept) drawn.set("instance", { width, height, instances: kept });

  const [overlays, labels]: [Partial<Record<Task, string>>, Partial<Record<Task, string>>] = [{}, {}];
  const write = async (form: Task, kind: string, png: Uint8Array) => {
    const path = `${PREDICTION_FILES[form]}/${kind}/${stem}.png`;
    await writeFileAtomic(join(out, path), png);
    return path;
  };
  const pictures: [label: string, picture: Image][] = [["image", image]];
  for (const [form, segmentation] of drawn) {
    const picture = overlay(image, segmentation, classes);
    pictures.push([form, picture]);
    overlays[form] = await write(form, OVERLAYS, await encodePng(picture));
  }
  if (semantic) labels.semantic = await write("semantic", LABELS, await semanticPng(semantic, classes));
  if (panoptic) labels.panoptic = await write("panoptic", LABELS, await encodeIdPng(panoptic.ids, panoptic));
  return {
    record: {
      id,
      file,
      width,
      height,
      overlays,
      labels,
      confidence,
      ...(panoptic && { segments: panoptic.segments.length }),
      ...(kept && { instances: kept.length, bestScore: instances?.[0]?.score ?? 0 }),
    },
    ...(panoptic && { segmentsInfo: segmentsInfo(panoptic, classes) }),
    ...(kept && { instances: instanceResults(id, kept, classes) }),
    ...(described && { findings: findingsOf({ semantic, panoptic, instances: kept }, image, classes) }),
    cells: shown ? await Promise.all(pictures.map(([label, picture]) => cellOf(label, picture))) : [],
  };
}

async function cellOf(label: string, image: Image): Promise<GalleryCell> {
  const scale = Math.min(1, PAGE_SIDE / Math.max(image.width, image.height));
  const [width, height] = [image.width, image.height].map((side) => Math.max(1, Math.round(side * scale)));
  return { label, picture: await asJpeg(resizeImage(image, { width, height }), PAGE_QUALITY) };
}

/** Class ids, 8 bits where they fit; pixels without a class (a model gives none) take the largest value. */
function semanticPng(map: SemanticMap, classes: readonly SegmentationClass[]): Promise<Uint8Array> {
  const ids = classes.map(({ id }) => id);
  const wide = Math.max(...ids) >= 255;
  const none = wide ? 65535 : 255;
  const bad = classes.find(({ id }) => !Number.isInteger(id) || id < 0 || id >= 65535);
  if (bad) {
    const where = `class ${bad.name}`;
    throw new InputError({ where, expected: "an id from 0 to 65534, as a PNG holds it", found: String(bad.id) });
  }
  const values = wide ? new Uint16Array(map.labels.length) : new Uint8Array(map.labels.length);
  for (let i = 0; i < values.length; i++) values[i] = map.labels[i] === IGNORED ? none : ids[map.labels[i]];
  return encodeGreyPng(values, map);
}
