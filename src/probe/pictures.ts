/**
 * @file Pictures of a probe: what linear classifiers make of the features of a few images, their clusters and their
 * edges.
 */

import type { EncodedImage, FeatureMap, Image } from "../core/image.js";
import type { EdgeMap } from "../eval/boundary.js";
import type { MapName } from "../features/encoder-maps.js";
import type { SeenImage } from "../features/linear-probe.js";
import { asJpeg, asPng } from "../io/image-file.js";
import type { SegmentationClass, SemanticMap } from "../masks/segmentation.js";
import { drawOver, pictureOf } from "../predict/drawing.js";
import { heatPicture } from "../viz/colours.js";
import { featureCells } from "../viz/feature-cells.js";
import { encodedRow, type GalleryCell, type GalleryRow, type Section } from "../viz/report.js";
import type { WeightsName } from "./results.js";

/** Images of which there are pictures. */
const SHOWN = 6;
const QUALITY = 85;
/** Edges of this many deviations of the features are white. */
const BRIGHTEST = 2;

/** Maps whose classifications are shown. */
const CLASSIFIED: readonly MapName[] = ["F_i1", "F_last"];

interface Row {
  readonly caption: string;
  readonly cells: GalleryCell[];
}

export class ProbePictures {
  private readonly predictions = new Map<number, Row>();
  /** By model and image. */
  private readonly features = new Map<string, GalleryRow>();
  private readonly before = new Map<string, FeatureMap>();

  /** `models`: what the page calls them; `subset`: number of the classifiers that are shown. */
  constructor(
    private readonly models: readonly string[],
    private readonly classes: readonly SegmentationClass[],
    private readonly subset: number,
  ) {}

  /** Takes an image under one variant of a model, the starting weights before the trained ones. */
  async add(
    model: number,
    weights: WeightsName,
    seen: SeenImage & { readonly edges: (map: MapName) => EdgeMap },
  ): Promise<void> {
    const { index, image, name, truth } = seen.image;
    const known = this.predictions.get(index);
    if (!known && this.predictions.size === SHOWN) return;
    const photo = pictureOf(image);
    const row = known ?? {
      caption: name.split(/[\\/]/).slice(-2).join("/"),
      cells: [
        { label: "image", picture: await asJpeg(photo, QUALITY) },
        { label: "labels", picture: await this.drawing(photo, truth) },
      ],
    };
    this.predictions.set(index, row);
    const prefix = this.models.length > 1 ? `${this.models[model]}, ` : "";
    for (const map of CLASSIFIED.filter((one) => seen.names.includes(one))) {
      const picture = await this.drawing(photo, seen.prediction(map, this.subset));
      row.cells.push({ label: `${prefix}${map}, ${weights}`, picture });
    }
    await this.addFeatures(`${model} ${index}`, { caption: `${prefix}${row.caption}`, weights, photo }, seen);
  }

  /** For the page. */
  sections(): Section[] {
    return [
      {
        title: "What a linear classifier makes of the features",
        description: "Of the largest share of the labels, its first subset; start: under the weights before training.",
        gallery: [...this.predictions.values()],
      },
      {
        title: "Clusters and edges of F_last",
        description: [
          "Each image by itself: k-means with k = 5 and the first three principal components; clusters keep the colour",
          "of what they overlap before. Edges: how much neighbouring cells differ.",
        ].join(" "),
        gallery: [...this.features.values()],
      },
    ];
  }

  private async addFeatures(
    key: string,
    { caption, weights, photo }: { caption: string; weights: WeightsName; photo: Image },
    seen: Parameters<ProbePictures["add"]>[2],
  ): Promise<void> {
    const after = seen.map("F_last");
    if (weights === "start") {
      this.before.set(key, after);
      return;
    }
    const before = this.before.get(key);
    this.before.delete(key);
    const { strength, ...size } = seen.edges("F_last");
    const edges = heatPicture(strength, size.width, size.height, { low: 0, high: BRIGHTEST });
    const cells = [
      { label: "image", picture: photo },
      ...featureCells(after, before),
      { label: "edges", picture: edges, pixelated: true },
    ];
    this.features.set(key, await encodedRow({ caption, cells }, asPng));
  }

  private drawing(photo: Image, labels: SemanticMap): Promise<EncodedImage> {
    return asJpeg(drawOver(photo, labels, this.classes), QUALITY);
  }
}
