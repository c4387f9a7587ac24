/** @file Rows of pictures for the page: an image, its ground truth, and what each model makes of it. */

import type { EncodedImage, Image } from "../core/image.js";
import type { LabelledSource } from "../data/labelled-source.js";
import { decodeImage } from "../data/source.js";
import { asJpeg } from "../io/image-file.js";
import { shapeMask } from "../masks/polygons.js";
import type { SegmentationClass } from "../masks/segmentation.js";
import { DRAWN_SCORE, drawnPart, drawOver, pictureOf } from "../predict/drawing.js";
import type { Segmentation } from "../viz/overlay.js";
import type { GalleryCell, GalleryRow } from "../viz/report.js";
import { formatNumber } from "../viz/table.js";
import type { Evaluation, Predict } from "./evaluation.js";
import { metric } from "./metrics.js";
import type { Gallery } from "./page.js";
import { bestAndWorst, mostDifferent, randomFew } from "./selection.js";
import { letterOf } from "./summary.js";

/** A model that was evaluated on the source, to be asked again for the images that are shown. */
export interface Shown {
  readonly predict: Predict;
  readonly evaluation: Evaluation;
}

/** Images of each kind. */
const COUNT = 6;
const QUALITY = 85;

/**
 * Of one model the best and the worst images; of two those on which they differ most, and some at random. Images are
 * read and predicted again, one at a time.
 */
export async function galleriesOf(source: LabelledSource, runs: readonly Shown[]): Promise<Gallery[]> {
  const chosen = runs.length === 1 ? extremes(runs[0].evaluation) : contrasts(runs[0].evaluation, runs[1].evaluation);
  const galleries: Gallery[] = [];
  for (const { indices, ...texts } of chosen) {
    const rows: GalleryRow[] = [];
    for (const index of indices) rows.push(await rowOf(source, index, runs));
    if (rows.length > 0) galleries.push({ ...texts, rows });
  }
  return galleries;
}

interface Chosen {
  readonly title: string;
  readonly description: string;
  readonly indices: readonly number[];
}

const drawn = ({ task }: Evaluation) =>
  task === "instance" ? ` Of the predicted objects those with a score of ${DRAWN_SCORE} or more are drawn.` : "";

function extremes(evaluation: Evaluation): Chosen[] {
  const { best, worst } = bestAndWorst(evaluation.images, COUNT);
  const { label } = metric(evaluation.deciding.metric);
  const description = `By the ${label} of the image alone.${drawn(evaluation)}`;
  return [
    { title: "Worst images", description, indices: worst },
    { title: "Best images", description, indices: best },
  ];
}

function contrasts(a: Evaluation, b: Evaluation): Chosen[] {
  const { label } = metric(a.deciding.metric);
  const different = mostDifferent(a.images, b.images, COUNT);
  const others = a.images.map(({ index }) => index).filter((index) => !different.includes(index));
  return [
    {
      title: "Where the models differ most",
      description: `By the ${label} of the image alone.${drawn(a)}`,
      indices: different,
    },
    { title: "Images at random", description: `Drawn from the others.${drawn(a)}`, indices: randomFew(others, COUNT) },
  ];
}

async function rowOf(source: LabelledSource, index: number, runs: readonly Shown[]): Promise<GalleryRow> {
  const { classes, task } = source;
  const name = source.name(index);
  const image = await decodeImage(source, index);
  const photo = pictureOf(image);
  const cells: GalleryCell[] = [
    { label: "image", picture: await asJpeg(photo, QUALITY) },
    { label: "ground truth", picture: await drawing(photo, await truthOf(source, index), classes) },
  ];
  for (const [i, { predict, evaluation }] of runs.entries()) {
    const segmentation = drawnPart(await predict(image, new Set([task])), task, image);
    const label = runs.length === 1 ? "prediction" : `model ${letterOf(i)}`;
    const score = evaluation.images.find((one) => one.index === index)?.score ?? null;
    const text = `${metric(evaluation.deciding.metric).label} ${formatNumber(score)}`;
    cells.push({ label: `${label}, ${text}`, picture: await drawing(photo, segmentation, classes) });
  }
  return { caption: name.split(/[\\/]/).slice(-2).join("/"), cells };
}

async function truthOf(source: LabelledSource, index: number): Promise<Segmentation> {
  if (source.task === "semantic") return source.semantic(index);
  if (source.task === "panoptic") return source.panoptic(index);
  const { width, height, instances } = await source.instances(index);
  const masks = instances.map(({ label, shape }) => ({ label, mask: shapeMask(shape, width, height) }));
  return { width, height, instances: masks };
}

function drawing(
  photo: Image,
  segmentation: Segmentation,
  classes: readonly SegmentationClass[],
): Promise<EncodedImage> {
  return asJpeg(drawOver(photo, segmentation, classes), QUALITY);
}
