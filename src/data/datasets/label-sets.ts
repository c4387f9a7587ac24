/** @file Labels of one form as files hold them: which images they know, and how one is read. */

import { join } from "node:path";
import { InputError } from "../../core/errors.js";
import { show } from "../../core/show.js";
import type { InstanceSet, PanopticMap, SegmentationClass } from "../../masks/segmentation.js";
import { createInstanceReader } from "./coco-instances.js";
import { type CocoFile, type CocoImage, readCocoFile } from "./coco-json.js";
import { createPanopticReader } from "./coco-panoptic.js";
import type { DataFault, WantedSize } from "./data-fault.js";
import { type ImageFolder, pairWithLabels, type Suffixes } from "./image-pairs.js";
import { listedImages } from "./listed-images.js";
import type { LabelledImage } from "./split.js";

/** What the numbers in files mean, as indices of `classes`. */
export interface Meanings {
  readonly classes: readonly SegmentationClass[];
  /** Whether the classes are those of a JSON file, so that all files must agree on their names. */
  readonly fromJson: boolean;
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
  /** What may not be meant, and what is merely unusual. */
  readonly warnings: readonly string[];
  readonly notes: readonly string[];
  read(path: string, wanted: WantedSize): Promise<T>;
  hasObjects?(path: string): boolean;
}

/**
 * Refuses a file whose categories are not the classes of the same ids: things or stuff, and by name where names are the
 * files'.
 */
function checkCategories({ file, classes, sayingThings }: CocoFile, meanings: Meanings): void {
  for (const { id, name, isThing } of classes) {
    const known = meanings.classes[meanings.categories.get(id) ?? -1];
    if (!known) continue;
    const where = `${file} category ${id} (${name})`;
    if (sayingThings.has(id) && known.isThing !== isThing) {
      const kind = (thing: boolean) => (thing ? "a thing" : "stuff");
      const fix = "Make isthing of the class agree with the file.";
      throw new InputError({ where, expected: kind(known.isThing), found: kind(isThing), fix });
    }
    if (meanings.fromJson && known.name !== name) {
      const fix = "Give the files the same categories, or name the classes in a data.yaml.";
      throw new InputError({ where, expected: `the name ${show(known.name)} of another file`, found: show(name), fix });
    }
  }
}

const fold = (name: string) => name.normalize("NFC").trim().toLowerCase();

/** Categories that people cannot tell apart. */
function namesakes({ file, classes }: CocoFile): string[] {
  const byName = new Map<string, SegmentationClass[]>();
  for (const entry of classes) byName.set(fold(entry.name), [...(byName.get(fold(entry.name)) ?? []), entry]);
  return [...byName.values()]
    .filter((list) => list.length > 1)
    .map((list) => {
      const ids = list.map(({ id }) => id).join(" and ");
      return (
        `${file}: the categories ${ids} are both called ${show(list[0].name)}; they are trained as different ` +
        "classes"
      );
    });
}

const idsOf = (found: ReadonlyMap<string, readonly CocoImage[]>) =>
  new Map([...found].map(([path, [{ id }]]) => [path, id]));

/** COCO's instances. @throws InputError */
export async function instancesFromJson(
  file: string,
  folder: ImageFolder,
  meanings: Meanings,
): Promise<LabelSet<InstanceSet>> {
  const document = await readCocoFile(file);
  checkCategories(document, meanings);
  const { found, faults, notes } = listedImages(document, folder);
  const reader = createInstanceReader(document, meanings.categories);
  return {
    images: idsOf(found),
    faults,
    warnings: [...namesakes(document), ...reader.warnings],
    notes,
    read: async (path, wanted) => reader.read(found.get(path)!, wanted),
    hasObjects: (path) => reader.hasObjects(found.get(path)!),
  };
}

/** COCO's panoptic labels. @throws InputError */
export async function panopticFromJson(
  { json, masks }: { json: string; masks: string },
  folder: ImageFolder,
  meanings: Meanings,
): Promise<LabelSet<PanopticMap>> {
  const document = await readCocoFile(json);
  checkCategories(document, meanings);
  const { found, faults, notes } = listedImages(document, folder);
  const reader = createPanopticReader(document, masks, meanings.categories);
  for (const [path, entries] of found) {
    const fault = reader.faultOf(entries, join(folder.folder, path));
    if (!fault) continue;
    found.delete(path);
    faults.push(fault);
  }
  return {
    images: idsOf(found),
    faults,
    warnings: [...namesakes(document), ...reader.warnings],
    notes,
    read: (path, wanted) => reader.read(found.get(path)!, wanted),
    hasObjects: (path) => reader.hasObjects(found.get(path)!, (label) => meanings.classes[label]?.isThing ?? false),
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
    warnings: [],
    notes: [],
    read: (path, wanted) => read(labelOf.get(path)!, wanted),
  };
}
