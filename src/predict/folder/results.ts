/** @file What files will say of the images done so far. It waits on the disk: memory holds where each text lies. */

import type { Piece, Spool } from "../../io/spool.js";
import type { GalleryRow } from "../../viz/report.js";
import type { ImageRecord, WrittenImage } from "./image-files.js";
import { SpooledList } from "./json-file.js";

/** Lists in the files: images of `predictions.json`, both of `panoptic.json`, `instances.json`. */
const LISTS = ["records", "panopticImages", "panopticAnnotations", "instances"] as const;
export type ListName = (typeof LISTS)[number];

export class Results {
  /** By the image's place in the order of the files. */
  private readonly lists = new Map(LISTS.map((name) => [name, new Map<number, Piece>()]));
  private readonly rows = new Map<number, GalleryRow>();

  constructor(private readonly spool: Spool) {}

  /** Images that were added. */
  get count(): number {
    return this.lists.get("records")?.size ?? 0;
  }

  /** Takes the image at a place in the list of images; they may come in any order. */
  async add(place: number, { record, segmentsInfo, instances, cells }: WrittenImage): Promise<void> {
    const { id, file, width, height, labels } = record;
    if (cells.length > 0) this.rows.set(place, { caption: captionOf(record), cells: [...cells] });
    if (segmentsInfo) {
      const name = labels.panoptic?.split("/").at(-1);
      await this.keep("panopticImages", place, [{ id, file_name: file, width, height }]);
      await this.keep("panopticAnnotations", place, [{ image_id: id, file_name: name, segments_info: segmentsInfo }]);
    }
    if (instances) await this.keep("instances", place, instances);
    await this.keep("records", place, [record]);
  }

  /** Rows of the page. */
  get gallery(): GalleryRow[] {
    return inOrder(this.rows);
  }

  list(name: ListName): SpooledList {
    return new SpooledList(this.spool, inOrder(this.lists.get(name) ?? new Map()));
  }

  private async keep(list: ListName, place: number, items: readonly unknown[]): Promise<void> {
    const piece = await this.spool.add(items.map((item) => JSON.stringify(item)).join(",\n"));
    this.lists.get(list)?.set(place, piece);
  }
}

function inOrder<T>(byPlace: ReadonlyMap<number, T>): T[] {
  return [...byPlace].sort(([a], [b]) => a - b).map(([, value]) => value);
}

function captionOf({ file, segments, instances }: ImageRecord): string {
  const count = (n: number | undefined, what: string) => (n === undefined ? [] : `${n} ${what}${n === 1 ? "" : "s"}`);
  return [
    file.split(/[\\/]/).slice(-2).join("/"),
    ...[count(segments, "segment"), count(instances, "instance")].flat(),
  ].join(", ");
}
