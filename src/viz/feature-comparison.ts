/** @file One image's features before and after pretraining, in colours that can be compared (Fig. 5 of the paper). */

import type { FeatureMap, Image } from "../core/image.js";
import { matchClusters } from "./cluster-matching.js";
import { labelPicture } from "./colours.js";
import { type KMeansOptions, kMeans } from "./k-means.js";
import { alignComponents, componentPicture, principalComponents } from "./pca.js";

export interface FeaturePictures {
  /** One colour a cluster. */
  clusters: Image;
  /** First three principal components as red, green, blue. */
  components: Image;
}

/** Pictures of one feature map, one pixel per position. */
export function featurePictures(features: FeatureMap, options: KMeansOptions = {}): FeaturePictures {
  const { labels } = kMeans(features, options);
  return {
    clusters: labelPicture(labels, features.width, features.height),
    components: componentPicture(principalComponents(features)),
  };
}

/**
 * Pictures of two feature maps of one image and one size; the later one takes the colours of what it overlaps earlier.
 */
export function compareFeatures(
  before: FeatureMap,
  after: FeatureMap,
  options: KMeansOptions = {},
): { before: FeaturePictures; after: FeaturePictures } {
  const earlier = kMeans(before, options);
  const later = kMeans(after, options);
  const clusters = earlier.centres.length / before.channels;
  const matched = matchClusters(earlier.labels, later.labels, clusters);
  const reference = principalComponents(before);
  const aligned = alignComponents(reference, principalComponents(after));
  return {
    before: {
      clusters: labelPicture(earlier.labels, before.width, before.height),
      components: componentPicture(reference),
    },
    after: {
      clusters: labelPicture(matched, after.width, after.height),
      components: componentPicture(aligned),
    },
  };
}
