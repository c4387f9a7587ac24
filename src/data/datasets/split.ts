/** @file One split of a data set as a source of labelled images: what all formats share. */

import { InputError } from "../../core/errors.js";
import type { Size } from "../../core/image.js";
import { imageDecoder, imageSize } from "../../io/image-file.js";
import { readPicture } from "../../io/picture-file.js";
import { shapeMask } from "../../masks/polygons.js";
import { maskArea } from "../../masks/run-lengths.js";
import {
  IGNORED,
  type InstanceSet,
  type PanopticMap,
  type SegmentationClass,
  type SemanticMap,
  type Task,
} from "../../masks/segmentation.js";
import type { LabelledSource } from "../labelled-source.js";
import { DataFault, requireSize, type WantedSize } from "./data-fault.js";
import { instancesOfPanoptic, semanticOfPanoptic } from "./derived-labels.js";

export interface LabelledImage {
  readonly file: string;
  readonly id: number | string;
}

/** Reads the labels of the i-th image. A file that says another size than wanted in its header need not be decoded. */
export type LabelReader<T> = (index: number, wanted: WantedSize) => Promise<T>;

/** How a format reads its labels. */
export interface LabelReaders {
  readonly semantic?: LabelReader<SemanticMap>;
  readonly instances?: LabelReader<InstanceSet>;
  readonly panoptic?: LabelReader<PanopticMap>;
}

export interface SplitParts extends LabelReaders {
  readonly task: Task;
  readonly classes: readonly SegmentationClass[];
  readonly images: readonly LabelledImage[];
  /** What was wrong with the files when the split was opened; those images are not in it. */
  readonly faults?: readonly DataFault[];
  /** What harms no run but may not be meant, and what is merely unusual. */
  readonly warnings?: readonly string[];
  readonly notes?: readonly string[];
  /** Images beside them in the folder that the labels do not mention. */
  readonly unused?: readonly string[];
  /** Whether an image has an object that is no crowd, where that is known without reading it. */
  readonly hasObjects?: (index: number) => boolean;
  /** What to do when only one class occurs and all else is ignored. */
  readonly ifOneClass?: string;
  /** Opens the files of forms that are opened on first use otherwise. */
  readonly openForms?: () => Promise<void>;
}

/** An opened split. It is the LabelledSource that training and evaluation see, and knows more for `data check`. */
export interface LabelledSplit extends LabelledSource {
  readonly faults: readonly DataFault[];
  readonly warnings: readonly string[];
  readonly notes: readonly string[];
  /** Images in the same folder that are in no label file of the split. */
  readonly unused: readonly string[];
  /** Forms that are read from files of their own; the others are derived from the panoptic one. */
  readonly ownForms: ReadonlySet<Task>;
  /** Size of the upright image, from the file's header. */
  size(index: number): Promise<Size>;
  hasObjects?(index: number): boolean;
  /** What to do when only one class occurs and all else is ignored. */
  readonly ifOneClass?: string;
  /**
   * Whether the image's label has a pixel of a class, an object or a segment that is no crowd, by the task.
   * @throws InputError when the label cannot be read
   */
  hasTarget(index: number): Promise<boolean>;
  /**
   * Opens what is opened on first use otherwise, so that a fault of it ends work before it begins. @throws InputError
   */
  openForms(): Promise<void>;
}

type Label = SemanticMap | InstanceSet | PanopticMap;

/** @throws DataFault for a fault of this image */
async function asImageFault<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    throw new DataFault("unreadable image", error.problem, { cause: error });
  }
}

/** Whether a label has a pixel of a class, in an object or segment that is no crowd. */
function showsTarget(label: Label): boolean {
  if ("labels" in label) return label.labels.some((value) => value !== IGNORED);
  if ("segments" in label) return label.segments.some(({ crowd, area }) => !crowd && area > 0);
  const { width, height, instances } = label;
  return instances.some(({ crowd, shape }) => !crowd && maskArea(shapeMask(shape, width, height)) > 0);
}

/**
 * A source out of its parts: labels are compared with the upright image in size, and semantic maps and instances are
 * derived from panoptic ones where a split has none of its own.
 */
export function createSplit(parts: SplitParts): LabelledSplit {
  const { task, classes, images, faults = [], warnings = [], notes = [], unused = [] } = parts;
  const { hasObjects, ifOneClass, panoptic } = parts;
  const sizes = new Map<number, Size>();
  /** Images whose label was read and has a target. */
  const withTarget = new Set<number>();
  const derived = <T>(of: (map: PanopticMap) => T) =>
    panoptic && (async (...which: Parameters<LabelReader<T>>) => of(await panoptic(...which)));
  const semantic = parts.semantic ?? derived(semanticOfPanoptic);
  const instances = parts.instances ?? derived((map) => instancesOfPanoptic(map, classes));
  const readers = { semantic, instance: instances, panoptic };

  async function size(index: number): Promise<Size> {
    let found = sizes.get(index);
    if (!found) {
      const { file } = images[index];
      found = await asImageFault(async () => imageSize(await readPicture(file, "an image file"), file));
      sizes.set(index, found);
    }
    return found;
  }

  async function checked<T extends Label>(index: number, form: Task, read?: LabelReader<T>): Promise<T> {
    if (!read) {
      throw new InputError({
        where: images[index].file,
        expected: `${form} labels`,
        found: `a source opened for the task ${task} that has none`,
      });
    }
    const wanted = { ...(await size(index)), of: "the image" };
    const label = await read(index, wanted);
    requireSize(label, images[index].file, wanted);
    if (form === task && !withTarget.has(index) && showsTarget(label)) withTarget.add(index);
    return label;
  }

  const forms = Object.entries(readers).flatMap(([form, reader]) => (reader ? [form as Task] : []));
  const own = { semantic: parts.semantic, instance: parts.instances, panoptic };
  return {
    task,
    classes,
    faults,
    warnings,
    notes,
    unused,
    hasObjects,
    ifOneClass,
    openForms: parts.openForms ?? (async () => {}),
    async hasTarget(index) {
      if (!withTarget.has(index)) await checked<Label>(index, task, readers[task]);
      return withTarget.has(index);
    },
    size,
    length: images.length,
    forms: new Set(forms),
    ownForms: new Set(forms.filter((form) => own[form])),
    name: (index) => images[index].file,
    imageId: (index) => images[index].id,
    decoder: imageDecoder,
    read: (index) => asImageFault(() => readPicture(images[index].file, "an image file")),
    semantic: (index) => checked(index, "semantic", semantic),
    instances: (index) => checked(index, "instance", instances),
    panoptic: (index) => checked(index, "panoptic", panoptic),
  };
}
