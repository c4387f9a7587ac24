/** @file COCO's panoptic labels: a JSON file of segments and a folder of PNG maps of their ids. */

import { join } from "node:path";
import { show } from "../../core/show.js";
import type { PanopticMap, Segment } from "../../masks/segmentation.js";
import { type CocoAnnotation, type CocoFile, type CocoImage, groupByImage } from "./coco-json.js";
import { DataFault, someOf } from "./data-fault.js";
import { countIds } from "./derived-labels.js";
import { readColourMap } from "./label-map.js";

interface SegmentInfo {
  readonly id: number;
  readonly category_id: number;
  readonly area?: number;
  readonly iscrowd?: number | boolean;
}

export interface PanopticAnnotation extends CocoAnnotation {
  readonly file_name: string;
  readonly segments_info: readonly SegmentInfo[];
}

export interface PanopticReader {
  /** @throws DataFault for a map that is missing or damaged, or does not agree with the JSON file */
  read(image: CocoImage): Promise<PanopticMap>;
  /** Whether the file has an annotation of the image. */
  has(imageId: number | string): boolean;
  /** Whether the image has a segment that is no crowd, of a class that passes. */
  hasObjects(imageId: number | string, isThing: (label: number) => boolean): boolean;
  readonly notes: readonly string[];
}

/**
 * @param masks folder of the maps
 * @param labelOf label by category id
 */
export function createPanopticReader(
  document: CocoFile<PanopticAnnotation>,
  masks: string,
  labelOf: ReadonlyMap<number, number>,
): PanopticReader {
  const { byImage, homeless } = groupByImage(document);

  function segmentsOf({ segments_info }: PanopticAnnotation, pixels: Map<number, number>, where: string): Segment[] {
    const seen = new Set<number>();
    return segments_info.map((info) => {
      const { id, category_id, area, iscrowd } = info;
      const bad = (expected: string, found: string) =>
        new DataFault("bad annotation", { where: `${where} segment ${show(id)}`, expected, found });
      if (!(Number.isInteger(id) && id > 0)) throw bad("an id above 0", show(id));
      if (seen.has(id)) throw bad("an id of its own", "another segment with that id");
      seen.add(id);
      const label = labelOf.get(category_id);
      if (label === undefined) {
        throw new DataFault("ids outside the classes", {
          where: `${where} segment ${id}`,
          expected: "the category_id of a class",
          found: show(category_id),
        });
      }
      const found = pixels.get(id);
      if (found === undefined) throw bad("pixels of it in the PNG", "none");
      return { id, label, area: Number.isFinite(area) ? area! : found, crowd: Boolean(iscrowd) };
    });
  }

  return {
    notes: homeless > 0 ? [`${document.file}: ${homeless} annotations of images that it does not list`] : [],
    hasObjects(imageId, isThing) {
      const segments = byImage.get(imageId)?.[0]?.segments_info ?? [];
      return segments.some(({ iscrowd, category_id }) => !iscrowd && isThing(labelOf.get(category_id) ?? -1));
    },
    has: (imageId) => (byImage.get(imageId)?.length ?? 0) > 0,
    async read({ id: imageId, width, height }) {
      const where = `${document.file} image ${imageId}`;
      const annotations = byImage.get(imageId) ?? [];
      const [annotation] = annotations;
      if (annotations.length !== 1 || !Array.isArray(annotation.segments_info) || !annotation.file_name) {
        const found = annotations.length === 1 ? show(Object.keys(annotation)) : `${annotations.length} annotations`;
        const expected = "one annotation with file_name and segments_info";
        throw new DataFault("bad annotation", { where, expected, found });
      }
      const wanted = { width, height, of: "the image in the JSON file" };
      const map = await readColourMap(join(masks, annotation.file_name), wanted);
      const pixels = countIds(map.ids);
      const segments = segmentsOf(annotation, pixels, where);
      for (const { id } of segments) pixels.delete(id);
      pixels.delete(0);
      if (pixels.size > 0) {
        const found = `the ids ${someOf([...pixels.keys()])} besides`;
        throw new DataFault("bad annotation", {
          where: map.file,
          expected: "only ids of segments in the JSON file",
          found,
        });
      }
      const ids = map.ids instanceof Uint32Array ? map.ids : new Uint32Array(map.ids);
      return { width, height, ids, segments };
    },
  };
}
