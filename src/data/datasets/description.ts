/** @file The YAML file that describes a data set: classes, what numbers mean, and where each split's files are. */

import { dirname, resolve } from "node:path";
import { z } from "zod";
import { InputError, nearest, suggestion } from "../../core/errors.js";
import { type Assignment, mergeSettings } from "../../core/settings-file.js";
import { show } from "../../core/show.js";
import { readAssignments } from "../../io/settings-file.js";
import type { SegmentationClass } from "../../masks/segmentation.js";
import { readClasses, readIdMap } from "./described-classes.js";
import type { SplitFiles } from "./label-files.js";

export const FORMATS = ["ade20k", "cityscapes", "coco", "generic"] as const;
export type Format = (typeof FORMATS)[number];

export interface Description {
  readonly file: string;
  readonly name?: string;
  readonly format: Format;
  /** Folder to which the paths are relative. */
  readonly root: string;
  /** Undefined: those of the JSON files. */
  readonly classes?: readonly SegmentationClass[];
  /** Sample that is white in images of more than 8 bits. */
  readonly whiteLevel?: number;
  /** Values of label maps that belong to no class. */
  readonly ignored: readonly number[];
  /** Whether values of label maps are places in the list of classes or the classes' ids. */
  readonly values: "place" | "id";
  /** Values and categories in files -> index of a class, or IGNORED; replaces `values`. */
  readonly idMap?: ReadonlyMap<number, number>;
  readonly splits: ReadonlyMap<string, SplitFiles>;
}

const folder = z.string().describe("the path of a folder");
const file = z.string().describe("the path of a JSON file");
const suffix = z.string().describe("the end of names before the dot");

const SPLIT = z.object({
  images: folder.optional().describe("the path of a folder of images"),
  match: z.string().optional().describe("a pattern of paths, for example Seq05VD_*"),
  image_suffix: suffix.optional().describe("the end of the images' names before the dot"),
  label_suffix: suffix.optional().describe("the end of the labels' names before the dot"),
  semantic: folder.optional().describe("the path of a folder of label maps"),
  instances: file.optional().describe("the path of a COCO JSON file"),
  instance_maps: folder.optional().describe("the path of a folder of maps of instance ids"),
  panoptic: z.object({
    json: file.optional().describe("the path of a panoptic JSON file"),
    masks: folder.optional().describe("the path of a folder of panoptic PNGs"),
  }),
});

const ids = z.union([z.int(), z.array(z.int())]);
const TOP = z.object({
  name: z.string().optional().describe("a name"),
  format: z.enum(FORMATS).describe(`one of ${FORMATS.join(", ")}`),
  root: z.string().describe("the path of a folder"),
  ignore: ids.describe("a value of label maps or a list of them"),
  white_level: z
    .number()
    .gt(0)
    .optional()
    .describe("a number above 0: the sample that is white in images of more than 8 bits"),
  values: z.enum(["place", "id"]).optional().describe("place or id: what values of label maps are"),
});

/** Keys that hold more than a setting, or are for people. */
const OTHER_KEYS = ["classes", "id_map", "generated", "license", "url"];

function readSplit(name: string, assignments: readonly Assignment[], root: string): SplitFiles {
  const own = assignments.map(({ path, ...rest }) => ({ ...rest, path: path.slice(1) }));
  const { settings, whereOf } = mergeSettings(SPLIT, { panoptic: {} }, own, name);
  const { images, match, panoptic, semantic, instances } = settings;
  const at = (path: string | undefined) => (path === undefined ? undefined : resolve(root, path));
  const refuse = (expected: string, found: string): never => {
    throw new InputError({ where: own[0].where || whereOf("images"), expected, found });
  };
  const { json, masks } = panoptic;
  if (images === undefined) return refuse(`images of the split ${name}`, "none");
  if ((json === undefined) !== (masks === undefined)) {
    return refuse("both json and masks of panoptic", json === undefined ? "masks alone" : "json alone");
  }
  const files: SplitFiles = {
    images: resolve(root, images),
    match,
    imageSuffix: settings.image_suffix,
    labelSuffix: settings.label_suffix,
    semantic: at(semantic),
    instances: at(instances),
    instanceMaps: at(settings.instance_maps),
    panoptic:
      json !== undefined && masks !== undefined
        ? { json: resolve(root, json), masks: resolve(root, masks) }
        : undefined,
  };
  if (!(files.semantic || files.instances || files.instanceMaps || files.panoptic)) {
    return refuse(`labels of the split ${name}: semantic, instances, instance_maps or panoptic`, "none");
  }
  return files;
}

/** A thing unless it is said: where all labels are of objects. */
function thingByDefault(splits: Iterable<SplitFiles>): boolean | undefined {
  const all = [...splits];
  const objects = all.some(({ instances, instanceMaps }) => instances || instanceMaps);
  const surfaces = all.some(({ semantic, panoptic }) => semantic || panoptic);
  if (all.some(({ panoptic }) => panoptic) || (objects && surfaces)) return undefined;
  return objects;
}

function groupByTop(assignments: readonly Assignment[]): Map<string, Assignment[]> {
  const groups = new Map<string, Assignment[]>();
  for (const assignment of assignments) {
    const [top] = assignment.path;
    const group = groups.get(top);
    if (group) group.push(assignment);
    else groups.set(top, [assignment]);
  }
  return groups;
}

/** A key at the top that is neither a setting nor has what a split has. */
function noSplit(key: string, { where, value }: Assignment, known: readonly string[]): InputError {
  const isName = nearest(key, known) === undefined;
  const split = "a split (a mapping with images and labels)";
  if (isName)
    return new InputError({ where, expected: split, found: show(value), fix: `Known keys: ${known.join(", ")}.` });
  const expected = `a known key, or ${split}`;
  return new InputError({ where, expected, found: show(key), fix: suggestion(key, known) });
}

/**
 * Reads a description. Paths in it are relative to its `root`, which is relative to the file's folder.
 * @param root takes the place of the file's
 * @throws InputError with line and column
 */
export function readDescription(file: string, root?: string): Description {
  const groups = groupByTop(readAssignments(file));
  const known = [...Object.keys(TOP.shape), ...OTHER_KEYS];
  const settingsOnly = [...groups].flatMap(([key, list]) => (key in TOP.shape ? list : []));
  const { settings } = mergeSettings(TOP, { format: "generic", root: ".", ignore: [] }, settingsOnly, file);
  const base = root ?? resolve(dirname(file), settings.root);

  const splits = new Map<string, SplitFiles>();
  for (const [key, assignments] of groups) {
    if (known.includes(key)) continue;
    const isSplit = assignments.some(({ path }) => path.length > 1 && path[1] in SPLIT.shape);
    if (!isSplit) throw noSplit(key, assignments[0], known);
    splits.set(key, readSplit(key, assignments, base));
  }
  if (splits.size === 0 && settings.format === "generic") {
    throw new InputError({
      where: file,
      expected: "at least one split",
      found: "none",
      fix: "For example: train: { images: train, semantic: trainannot }",
    });
  }
  const listed = groups.get("classes");
  const classes = listed && readClasses(listed, thingByDefault(splits.values()));
  const mapped = groups.get("id_map");
  const isList = listed?.[0]?.path.length === 1;
  const { name, format, ignore, white_level: whiteLevel, values = isList ? "place" : "id" } = settings;
  return {
    file,
    name,
    format,
    root: base,
    whiteLevel,
    classes,
    ignored: typeof ignore === "number" ? [ignore] : ignore,
    values,
    idMap: mapped && readIdMap(mapped, classes, file),
    splits,
  };
}
