/** @file COCO's panoptic labels: a JSON file of segments and a folder of PNG maps of their ids. */

import { join, posix, win32 } from "node:path";
import { show } from "../../core/show.js";
import { someOf } from "../../core/text.js";
import type { LabelRemark, PanopticMap, Segment } from "../../masks/segmentation.js";
import { annotationName, type CocoFile, type CocoImage, groupByImage } from "./coco-json.js";
import { DataFault, requireSize, type WantedSize } from "./data-fault.js";
import { countIds } from "./derived-labels.js";
import { type Fields, flagOf, isAbsent, isObject, numberedId } from "./json-fields.js";
import { type LabelMap, readColourMap } from "./label-map.js";

export interface PanopticReader {
  /** @throws DataFault for a map that is missing or damaged, or does not agree with the JSON file */
  read(entries: readonly CocoImage[], wanted: WantedSize): Promise<PanopticMap>;
  /** Why the image cannot have one map; undefined when it has one. */
  faultOf(entries: readonly CocoImage[], image: string): DataFault | undefined;
  /** Whether the image has a segment that is no crowd, of a class that passes; true where it cannot be told. */
  hasObjects(entries: readonly CocoImage[], isThing: (label: number) => boolean): boolean;
  readonly warnings: readonly string[];
}

/** Ids are 24 bits of a colour. */
const MAX_ID = 2 ** 24 - 1;

/** The map's path below its folder. @throws DataFault for a name that is none, or leads out of the folder */
function mapName(name: unknown, where: string): string {
  const bad = (found: string, fix?: string) =>
    new DataFault("bad annotation", { where, expected: "the path of a PNG below the folder of maps", found, fix });
  if (typeof name !== "string" || name === "" || name.includes("\0")) throw bad(show(name));
  const leaves = posix.normalize(name).split("/").includes("..") || win32.isAbsolute(name);
  if (leaves) throw bad(show(name), "Write names alone.");
  if (name.includes("\\")) throw bad(show(name), 'Write "/" in place of "\\".');
  return name;
}

/** The ids and fields of `segments_info`. */
interface SegmentInfo {
  readonly id: number;
  readonly label: number;
  readonly crowd: boolean;
  readonly area: unknown;
  readonly where: string;
}

function readInfo(info: unknown, labelOf: ReadonlyMap<number, number>, where: string): SegmentInfo {
  const bad = (field: string, expected: string, found: unknown) =>
    new DataFault("bad annotation", { where: `${where}${field}`, expected, found: show(found) });
  if (!isObject(info)) throw bad("", "an object with id and category_id", info);
  const { category_id, iscrowd, area } = info;
  const id = numberedId(info.id);
  if (id === undefined || id < 1 || id > MAX_ID) throw bad(".id", `an id from 1 to ${MAX_ID}`, info.id);
  const crowd = isAbsent(iscrowd) ? false : flagOf(iscrowd);
  if (crowd === undefined) throw bad(".iscrowd", "0 or 1", iscrowd);
  const name = `${where} (id ${id})`;
  const label = labelOf.get(numberedId(category_id) ?? Number.NaN);
  if (label === undefined) {
    const problem = { where: `${name}.category_id`, expected: "the id of a class", found: show(category_id) };
    throw new DataFault("ids outside the classes", problem);
  }
  return { id, label, crowd, area, where: name };
}

/** Segments by the pixels of their ids, whatever areas the file states. @throws DataFault where the two do not agree */
function segmentsOf(infos: readonly SegmentInfo[], map: LabelMap): Segment[] {
  const pixels = countIds(map.ids);
  pixels.delete(0);
  const seen = new Set<number>();
  const segments = infos.map(({ id, label, crowd, where }) => {
    const bad = (expected: string, found: string) => new DataFault("bad annotation", { where, expected, found });
    if (seen.has(id)) throw bad("an id of its own", "another segment with that id");
    seen.add(id);
    const area = pixels.get(id);
    if (area === undefined) throw bad("pixels of it in the PNG", "none");
    return { id, label, area, crowd };
  });
  for (const id of seen) pixels.delete(id);
  if (pixels.size > 0) {
    const found = `the ids ${someOf([...pixels.keys()])} besides`;
    const expected = "only ids of segments in the JSON file";
    throw new DataFault("bad annotation", { where: map.file, expected, found });
  }
  return segments;
}

function areaRemarks(infos: readonly SegmentInfo[], segments: readonly Segment[]): LabelRemark[] {
  return infos.flatMap(({ area, where }, i): LabelRemark[] => {
    const counted = segments[i].area;
    return isAbsent(area) || area === counted
      ? []
      : [{ kind: "area", text: `${where}: ${show(area)} in place of ${counted}` }];
  });
}

/**
 * @param masks folder of the maps
 * @param labelOf label by category id
 */
export function createPanopticReader(
  document: CocoFile,
  masks: string,
  labelOf: ReadonlyMap<number, number>,
): PanopticReader {
  const { annotations } = document;
  const { of, warnings } = groupByImage(document);
  const placesOf = (entries: readonly CocoImage[]) => entries.flatMap(({ id }) => of(id));
  const sharing = sharedNames(annotations);

  return {
    warnings,
    hasObjects(entries, isThing) {
      const { segments_info } = annotations[placesOf(entries)[0]];
      if (!Array.isArray(segments_info)) return true;
      return segments_info.some((info) => {
        if (!isObject(info)) return true;
        const label = labelOf.get(numberedId(info.category_id) ?? Number.NaN);
        return flagOf(info.iscrowd) !== true && (label === undefined || isThing(label));
      });
    },
    faultOf(entries, image) {
      const places = placesOf(entries);
      const ids = entries.map(({ id }) => show(id)).join(" and ");
      if (places.length === 0) {
        const expected = `an annotation of the image ${ids} in ${document.file}`;
        return new DataFault("missing label", { where: image, expected, found: "none" });
      }
      if (places.length > 1) {
        const found = `${places.length} of the image ${ids}: ${someOf(places.map((at) => `annotations[${at}]`))}`;
        const where = `${image} in ${document.file}`;
        return new DataFault("bad annotation", { where, expected: "one annotation", found });
      }
      const [at] = places;
      const { file_name } = annotations[at];
      const others = sharing.get(typeof file_name === "string" ? posix.normalize(file_name) : "") ?? [];
      if (others.length < 2) return undefined;
      return new DataFault("ambiguous name", {
        where: `${annotationName(document, at)}.file_name`,
        expected: "a map of its own",
        found: `${show(file_name)} in ${someOf(others.map((place) => `annotations[${place}]`))}`,
      });
    },
    async read(entries, wanted) {
      requireSize(entries[0], `${document.file} image ${show(entries[0].id)}`, wanted);
      const [at] = placesOf(entries);
      const { file_name, segments_info } = annotations[at] as Fields;
      const name = annotationName(document, at);
      const file = join(masks, mapName(file_name, `${name}.file_name`));
      if (!Array.isArray(segments_info)) {
        const problem = { where: `${name}.segments_info`, expected: "a list", found: show(segments_info) };
        throw new DataFault("bad annotation", problem);
      }
      const infos = segments_info.map((info, i) => readInfo(info, labelOf, `${name}.segments_info[${i}]`));
      const map = await readColourMap(file, wanted);
      const segments = segmentsOf(infos, map);
      const ids = map.ids instanceof Uint32Array ? map.ids : new Uint32Array(map.ids);
      return {
        width: wanted.width,
        height: wanted.height,
        ids,
        segments,
        get remarks() {
          return areaRemarks(infos, segments);
        },
      };
    },
  };
}

/** The places of the annotations that name the same map. */
function sharedNames(annotations: readonly Fields[]): Map<string, number[]> {
  const places = new Map<string, number[]>();
  annotations.forEach(({ file_name }, at) => {
    if (typeof file_name !== "string") return;
    const name = posix.normalize(file_name);
    const list = places.get(name);
    if (list) list.push(at);
    else places.set(name, [at]);
  });
  return places;
}
