/**
 * @file Which well-known list of classes some names are: it says what is a thing, and the ids of the data set's files.
 */

import type { SegmentationClass } from "../../masks/segmentation.js";
import { ADE20K_CLASSES } from "./ade20k-classes.js";
import { CITYSCAPES_CLASSES } from "./cityscapes.js";
import { thingsOf } from "./class-list.js";
import { COCO_CLASSES } from "./coco-classes.js";

export interface KnownClasses {
  /** Of the data set. */
  readonly name: string;
  readonly classes: readonly SegmentationClass[];
}

const LISTS: readonly KnownClasses[] = [
  { name: "COCO", classes: COCO_CLASSES },
  { name: "ADE20K", classes: ADE20K_CLASSES },
  { name: "Cityscapes", classes: CITYSCAPES_CLASSES },
].flatMap(({ name, classes }) => [
  { name, classes },
  { name, classes: thingsOf(classes) },
]);

/** Lists are published with small differences: synonyms, underscores, COCO's "-merged" and "-other". */
const plain = (name: string) =>
  name
    .toLowerCase()
    .split(/[,;]/)[0]
    .replace(/(-(merged|other|stuff))+$/, "")
    .replace(/_/g, " ")
    .trim();

/** Names that may differ from those of a list, which is then still taken for it. */
const OTHERS = 0.1;

/** The list of so many classes of a data set that is named first, as in `coco_2017_val_panoptic`. */
export const classesOfDataset = (dataset: string, count: number): KnownClasses | undefined =>
  LISTS.find(({ name, classes }) => classes.length === count && dataset.toLowerCase().startsWith(name.toLowerCase()));

/** The list that has these names in this order, with the names as they are given; undefined where none is. */
export function knownClasses(names: readonly string[]): KnownClasses | undefined {
  const found = LISTS.find(({ classes }) => {
    const others = classes.filter((one, i) => plain(one.name) !== plain(names[i] ?? "")).length;
    return classes.length === names.length && others <= OTHERS * names.length;
  });
  return found && { ...found, classes: found.classes.map((one, i) => ({ ...one, name: names[i] })) };
}
