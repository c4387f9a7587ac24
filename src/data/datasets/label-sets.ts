/** @file Labels of one form as files hold them: which images they know, and how one is read. */

import { basename, join } from "node:path";
import { InputError } from "../../core/errors.js";
import type { InstanceSet, PanopticMap, SegmentationClass } from "../../masks/segmentation.js";
import { createInstanceReader, type InstanceAnnotation } from "./coco-instances.js";
import { type CocoAnnotation, type CocoFile, type CocoImage, readCocoFile } from "./coco-json.js";
import { createPanopticReader, type PanopticAnnotation } from "./coco-panoptic.js";
import { DataFault, type WantedSize } from "./data-fault.js";
import { type ImageFolder, pairWithLabels, type Suffixes } from "./image-pairs.js";
import type { LabelledImage } from "./split.js";

/** What the numbers in files mean, as indices of `classes`. */
export interface Meanings {
  readonly classes: readonly SegmentationClass[];
  /** Values of semantic maps: index, or IGNORED. */
  readonly values: ReadonlyMap<number, number>;
  /** Categories of JSON files. */
  readonly categories: ReadonlyMap<number, number>;
  /** What to do about a map with a value that is in no class; is told all its values, by size. */
  readonly fix: (values: readonly number[]) => string;
  /** What to do when only one class occurs and all else is ignored. */
  readonly ifOneClass?: string;
}

/** Labels of one form in files. */
export interface LabelSet<T> {
  /** Its images by their paths below the folder of images. */
  readonly images: ReadonlyMap<string, LabelledImage["id"]>;
  readonly faults: readonly DataFault[];
  readonly notes: readonly string[];
  read(path: string, wanted: WantedSize): Promise<T>;
  hasObjects?(path: string): boolean;
}

/** The images of a JSON file, by their paths below the folder. */
function listedImages({ file, images }: CocoFile<CocoAnnotation>, folder: ImageFolder) {
  const found = new Map<string, CocoImage>();
  const faults: DataFault[] = [];
  const wanted = new Set(folder.paths);
  for (const image of images) {
    const path = [image.file_name, basename(image.file_name)].find((name) => folder.all.has(name));
    if (path === undefined) {
      const where = join(folder.folder, image.file_name);
      faults.push(
        new DataFault("missing image", { where, expected: `the image ${image.id} of ${file}`, found: "no such file" }),
      );
    } else if (wanted.has(path)) found.set(path, image);
  }
  return { found, faults };
}

/** COCO's instances. @throws InputError */
export async function instancesFromJson(
  file: string,
  folder: ImageFolder,
  meanings: Meanings,
): Promise<LabelSet<InstanceSet>> {
  const document = await readCocoFile<InstanceAnnotation>(file);
  const { found, faults } = listedImages(document, folder);
  const reader = createInstanceReader(document, meanings.categories);
  return {
    images: new Map([...found].map(([path, { id }]) => [path, id])),
    faults,
    notes: reader.notes,
    read: async (path) => reader.read(found.get(path)!),
    hasObjects: (path) => reader.hasObjects(found.get(path)!.id),
  };
}

/** Refuses a JSON file that calls a class a thing which is none, or the other way round. */
function checkThings({ file, categories }: CocoFile<CocoAnnotation>, { classes, categories: labelOf }: Meanings): void {
  for (const { id, name, isthing } of categories) {
    const known = classes[labelOf.get(id) ?? -1];
    if (isthing === undefined || !known || known.isThing === Boolean(isthing)) continue;
    const kind = (thing: boolean) => (thing ? "a thing" : "stuff");
    const fix = "Make isthing of the class agree with the file.";
    throw new InputError({
      where: `${file} category ${id} (${name})`,
      expected: kind(known.isThing),
      found: kind(Boolean(isthing)),
      fix,
    });
  }
}

/** COCO's panoptic labels. @throws InputError */
export async function panopticFromJson(
  { json, masks }: { json: string; masks: string },
  folder: ImageFolder,
  meanings: Meanings,
): Promise<LabelSet<PanopticMap>> {
  const document = await readCocoFile<PanopticAnnotation>(json);
  checkThings(document, meanings);
  const { found, faults } = listedImages(document, folder);
  const reader = createPanopticReader(document, masks, meanings.categories);
  const missing = [...found].filter(([, { id }]) => !reader.has(id));
  for (const [path, { id }] of missing) {
    found.delete(path);
    const where = join(folder.folder, path);
    faults.push(
      new DataFault("missing label", { where, expected: `an annotation of the image ${id} in ${json}`, found: "none" }),
    );
  }
  return {
    images: new Map([...found].map(([path, { id }]) => [path, id])),
    faults,
    notes: reader.notes,
    read: (path) => reader.read(found.get(path)!),
    hasObjects: (path) => reader.hasObjects(found.get(path)!.id, (label) => meanings.classes[label]?.isThing ?? false),
  };
}

/** A folder of label maps, one an image. @throws InputError */
export async function labelMaps<T>(
  folder: string,
  images: ImageFolder,
  suffixes: Suffixes,
  read: (file: string, wanted: WantedSize) => Promise<T>,
): Promise<LabelSet<T>> {
  const { labelOf, faults } = await pairWithLabels(images, folder, suffixes);
  const idOf = (path: string) => path.replace(/\.[^./]+$/, "");
  return {
    images: new Map([...labelOf.keys()].map((path) => [path, idOf(path)])),
    faults,
    notes: [],
    read: (path, wanted) => read(labelOf.get(path)!, wanted),
  };
}
