/** @file The page of a probe. */

import { plural } from "../core/text.js";
import { skippedNotes } from "../data/skipped-notes.js";
import type { SegmentationClass } from "../masks/segmentation.js";
import type { Report, Section } from "../viz/report.js";
import type { Column, Table } from "../viz/table.js";
import type { MapResult, ModelResult, ProbeResult, ShareScores } from "./results.js";
import { spreadText } from "./table.js";

const READING = [
  "A linear classifier is fitted to frozen features in closed form: ridge regression of the labels on the standardised",
  "features, which are interpolated between the cells of a map. Scores in percent; of several subsets of the labels",
  "mean ± standard deviation. Rank: the number of directions that hold the features' variance.",
].join(" ");

const readingPurity = (single: string) =>
  `Purity: of k-means with k = 5 of each image, against its labels (one cluster an image has ${single}).`;

const READING_EDGES = [
  "Edges: differences of neighbouring cells against the boundaries of the labels, within 0.75 % of the diagonal, at",
  "the threshold that is best for all images.",
].join(" ");

/** The content of the page; `pictures` come last. */
export function probeReport(
  { data, models, shortEdge, lambda, sampled, skipped, version }: ProbeResult,
  classes: readonly SegmentationClass[],
  pictures: readonly Section[],
): Report {
  const names = models.map(({ checkpoint, step, kind }, i): [string, string] => [
    models.length > 1 ? `Model ${i + 1}` : "Checkpoint",
    step === undefined ? checkpoint : `${checkpoint}, ${kind}, step ${step}`,
  ]);
  return {
    title: "How much frozen features know",
    summary: summaryOf(models),
    warnings: skipped.length > 0 ? [`${plural(skipped.length, "image")} could not be used; the notes name them.`] : [],
    facts: [
      ...names,
      ["Data", data.path],
      ["Learned from", `${plural(data.train.images, "image")} of ${data.train.split}`],
      ["Scored on", `${plural(data.test.images, "image")} of ${data.test.split}`],
      ["Clusters and edges", `of ${sampled} of them`],
      ["Input", `shorter side ${shortEdge} pixels`],
      ["Ridge", String(lambda)],
      ["Version", `mask-jepa ${version}`],
    ],
    sections: [
      {
        title: "Scores",
        description: `${READING} ${readingPurity(purityOf(models))} ${READING_EDGES}`,
        tables: models.map((model, i) => scoreTable(model, models.length > 1 ? `Model ${i + 1}` : undefined)),
      },
      {
        title: "Classes",
        description: "IoU of each class, by the classifier of the largest share of the labels.",
        tables: models.map((model, i) => classTable(model, classes, models.length > 1 ? `Model ${i + 1}` : undefined)),
      },
      ...pictures.filter(({ gallery = [] }) => gallery.length > 0),
    ],
    notes: skippedNotes(skipped),
  };
}

const nameOf = ({ map, weights }: MapResult) => (weights === "both" ? map : `${map}, ${weights}`);
const largestShare = ({ shares }: MapResult): ShareScores => shares.reduce((a, b) => (b.images > a.images ? b : a));
const purityOf = (models: readonly ModelResult[]) => models[0].singleClusterPurity?.toFixed(1) ?? "none";

/** What training did to the map that is predicted. */
function summaryOf(models: readonly ModelResult[]): string | undefined {
  const of = (maps: readonly MapResult[], weights: string) =>
    maps.find((one) => one.map === "F_i1" && one.weights === weights);
  const texts = models.map(({ maps }) => {
    const [start, trained] = [of(maps, "start"), of(maps, "trained")];
    if (!trained) return undefined;
    const after = spreadText(largestShare(trained).miou);
    return start ? `${spreadText(largestShare(start).miou)} before and ${after} after training` : `${after}`;
  });
  const known = texts.filter((text) => text !== undefined);
  return known.length === 0 ? undefined : `mIoU of a linear classifier on F_i1: ${known.join("; ")}.`;
}

function scoreTable({ maps }: ModelResult, caption?: string): Table {
  const columns: Column[] = [
    { name: "Map" },
    { name: "Stride", digits: 0 },
    { name: "Channels", digits: 0 },
    { name: "Rank", meaning: "effective rank of the covariance, over the training images" },
    ...maps[0].shares.map(({ labels, images }) => ({ name: `mIoU, ${labels}`, meaning: plural(images, "image") })),
    { name: "Pixel accuracy" },
    { name: "Purity" },
    { name: "Edge F" },
    { name: "Edge precision" },
    { name: "Edge recall" },
  ];
  const rows = maps.map((map) => ({
    cells: [
      nameOf(map),
      map.stride,
      map.channels,
      map.effectiveRank,
      ...map.shares.map(({ miou }) => spreadText(miou)),
      spreadText(largestShare(map).pixelAccuracy),
      map.clusterPurity,
      map.edges.f,
      map.edges.precision,
      map.edges.recall,
    ],
  }));
  return { ...(caption && { caption }), columns, rows, fixed: true };
}

function classTable({ maps }: ModelResult, classes: readonly SegmentationClass[], caption?: string): Table {
  const columns: Column[] = [{ name: "Class" }, ...maps.map((map) => ({ name: nameOf(map) }))];
  const rows = classes.map(({ name, color }, label) => ({
    color,
    cells: [name, ...maps.map((map) => largestShare(map).iou[label].mean)],
  }));
  return { ...(caption && { caption }), columns, rows };
}
