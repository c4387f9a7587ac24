/** @file Labels in COCO's forms, all derived from one map of panoptic ids, so that they agree pixel for pixel. */
import type { Size } from "../core/image.js";
import { encodeGreyPng } from "../io/image-file.js";
import { type Box, boundingBox, encodeSegments, maskArea, type RunLengths } from "../masks/run-lengths.js";
import { CLASSES } from "./classes.js";

/** A map of panoptic ids, row-major, 0 where nothing is labelled. */
export interface SegmentMap extends Size {
  readonly ids: Uint32Array;
}

export interface SegmentInfo {
  readonly id: number;
  readonly category_id: number;
  /** Pixels. */
  readonly area: number;
  readonly bbox: Box;
  readonly iscrowd: 0;
}

/** COCO's uncompressed run lengths. */
interface CocoRuns {
  readonly counts: number[];
  readonly size: [height: number, width: number];
}

/** Value of unlabelled pixels in a semantic map. */
export const IGNORE = 255;

const categoryOf = (id: number) => Math.floor(id / 1000);

/** The segments of a map by rising id, and their masks. */
export function segmentsOf({ ids, width, height }: SegmentMap): { info: SegmentInfo; mask: RunLengths }[] {
  return [...encodeSegments(ids, width, height)]
    .sort(([a], [b]) => a - b)
    .map(([id, mask]) => {
      const info = {
        id,
        category_id: categoryOf(id),
        area: maskArea(mask),
        bbox: boundingBox(mask),
        iscrowd: 0,
      } as const;
      return { info, mask };
    });
}

/** 8-bit greyscale PNG of class indices (category id - 1), IGNORE where nothing is labelled. */
export function semanticPng({ ids, width, height }: SegmentMap): Promise<Uint8Array> {
  const data = Uint8Array.from(ids, (id) => (id === 0 ? IGNORE : categoryOf(id) - 1));
  return encodeGreyPng(data, { width, height });
}

interface ImageRecord extends Size {
  readonly id: number;
  readonly file_name: string;
}

const INFO = { description: "Generated scenes of mask-jepa sample-data", version: "1.0" };
const LICENSES = [{ id: 1, name: "CC0 1.0", url: "https://creativecommons.org/publicdomain/zero/1.0/" }];

/** Collects the annotations of one split and turns them into COCO's panoptic and instances documents. */
export function createAnnotations() {
  const images: ImageRecord[] = [];
  const panoptic: { image_id: number; file_name: string; segments_info: SegmentInfo[] }[] = [];
  const instances: (SegmentInfo & { image_id: number; segmentation: CocoRuns })[] = [];
  return {
    add(imageId: number, photograph: string, labels: string, map: SegmentMap): void {
      const segments = segmentsOf(map);
      images.push({ id: imageId, file_name: photograph, width: map.width, height: map.height });
      panoptic.push({ image_id: imageId, file_name: labels, segments_info: segments.map(({ info }) => info) });
      for (const { info, mask } of segments) {
        if (!CLASSES[info.category_id - 1].isThing) continue;
        const segmentation: CocoRuns = { counts: [...mask.counts], size: [mask.height, mask.width] };
        instances.push({ ...info, id: instances.length + 1, image_id: imageId, segmentation });
      }
    },
    panoptic: () => ({
      info: INFO,
      licenses: LICENSES,
      images,
      annotations: panoptic,
      categories: CLASSES.map(({ name, isThing, color }, i) => ({ id: i + 1, name, isthing: Number(isThing), color })),
    }),
    instances: () => ({
      info: INFO,
      licenses: LICENSES,
      images,
      annotations: instances,
      categories: CLASSES.flatMap(({ name, isThing }, i) => (isThing ? [{ id: i + 1, name }] : [])),
    }),
  };
}
