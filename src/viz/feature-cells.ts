/** @file A row of pictures of one image's features. */

import type { FeatureMap, Image } from "../core/image.js";
import { resizeImage, resizeNearest } from "../core/resample.js";
import { compareFeatures, type FeaturePictures, featurePictures } from "./feature-comparison.js";
import { strip } from "./picture.js";
import type { GalleryCell, GalleryRow } from "./report.js";

/** How to read them, for whoever shows them. */
export const READING_FEATURES =
  "F_last, the stride-4 map that masks are predicted from: k-means with k = 5 and the first three principal " +
  "components, " +
  "each image by itself";

/** k-means clusters and principal components, of one map or of two in colours that can be compared. */
export function featureCells(after: FeatureMap, before?: FeatureMap): GalleryCell<Image>[] {
  const cells = (when: string, { clusters, components }: FeaturePictures): GalleryCell<Image>[] => [
    { label: `k-means${when}`, picture: clusters, pixelated: true },
    { label: `PCA${when}`, picture: components },
  ];
  if (!before) return cells("", featurePictures(after));
  const compared = compareFeatures(before, after);
  const [[clustersBefore, componentsBefore], [clusters, components]] = [
    cells(" before", compared.before),
    cells(" after", compared.after),
  ];
  return [clustersBefore, clusters, componentsBefore, components];
}

/** Strips are enlarged to this height at least: small pictures are hard to see. */
const STRIP_HEIGHT = 256;

/** A row's pictures side by side at one size, that of the first or larger. */
export function stripOf({ cells }: GalleryRow<Image>): Image {
  const [{ picture: first }] = cells;
  const height = Math.max(STRIP_HEIGHT, first.height);
  const size = { width: Math.max(1, Math.round((first.width * height) / first.height)), height };
  const enlarged = ({ picture, pixelated }: GalleryCell<Image>): Image =>
    pixelated ? { ...size, data: resizeNearest(picture.data, picture, size, 3) } : resizeImage(picture, size);
  return strip(cells.map(enlarged));
}
