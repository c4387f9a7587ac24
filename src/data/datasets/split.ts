/** @file One split of a data set as a source of labelled images: what all formats share. */

import { readFile } from "node:fs/promises";
import { InputError } from "../../core/errors.js";
import { fileFault } from "../../io/file-fault.js";
import { imageSize } from "../../io/image-file.js";
import type { InstanceSet, PanopticMap, SegmentationClass, SemanticMap, Task } from "../../masks/segmentation.js";
import type { LabelledSource } from "../labelled-source.js";
import { DataFault } from "./data-fault.js";
import { instancesOfPanoptic, semanticOfPanoptic } from "./derived-labels.js";

export interface LabelledImage {
  readonly file: string;
  readonly id: number | string;
}

/** How a format reads the labels of its i-th image. */
export interface LabelReaders {
  readonly semantic?: (index: number) => Promise<SemanticMap>;
  readonly instances?: (index: number) => Promise<InstanceSet>;
  readonly panoptic?: (index: number) => Promise<PanopticMap>;
}

export interface SplitParts extends LabelReaders {
  readonly task: Task;
  readonly classes: readonly SegmentationClass[];
  readonly images: readonly LabelledImage[];
  /** What was wrong with the files when the split was opened; those images are not in it. */
  readonly faults?: readonly DataFault[];
  /** What is unusual but harmless. */
  readonly notes?: readonly string[];
  /** Images beside them in the folder that the labels do not mention. */
  readonly unused?: readonly string[];
  /** Whether an image has an object that is no crowd, where that is known without reading it. */
  readonly hasObjects?: (index: number) => boolean;
  /** What to do when only one class occurs and all else is ignored. */
  readonly ifOneClass?: string;
}

/** An opened split. It is the LabelledSource that training and evaluation see, and knows more for `data check`. */
export interface LabelledSplit extends LabelledSource {
  readonly faults: readonly DataFault[];
  readonly notes: readonly string[];
  /** Images in the same folder that are in no label file of the split. */
  readonly unused: readonly string[];
  /** Forms that are read from files of their own; the others are derived from the panoptic one. */
  readonly ownForms: ReadonlySet<Task>;
  /** Size of the upright image, from the file's header. */
  size(index: number): Promise<{ width: number; height: number }>;
  hasObjects?(index: number): boolean;
  /** What to do when only one class occurs and all else is ignored. */
  readonly ifOneClass?: string;
}

interface Sized {
  readonly width: number;
  readonly height: number;
}

async function readImageFile(file: string): Promise<Uint8Array> {
  try {
    return await readFile(file);
  } catch (error) {
    const fault = fileFault(error, file, "an image file");
    if (!(fault instanceof InputError)) throw fault;
    throw new DataFault("unreadable image", fault.problem, { cause: error });
  }
}

/**
 * A source out of its parts: labels are compared with the upright image in size, and semantic maps and instances are
 * derived from panoptic ones where a split has none of its own.
 */
export function createSplit(parts: SplitParts): LabelledSplit {
  const { task, classes, images, faults = [], notes = [], unused = [], hasObjects, ifOneClass, panoptic } = parts;
  const sizes = new Map<number, Sized>();
  const semantic = parts.semantic ?? (panoptic && (async (index: number) => semanticOfPanoptic(await panoptic(index))));
  const instances =
    parts.instances ?? (panoptic && (async (index: number) => instancesOfPanoptic(await panoptic(index), classes)));
  const readers = { semantic, instance: instances, panoptic };

  async function size(index: number): Promise<Sized> {
    let found = sizes.get(index);
    if (!found) {
      const { file } = images[index];
      const bytes = await readImageFile(file);
      try {
        found = await imageSize(bytes, file);
      } catch (error) {
        if (!(error instanceof InputError)) throw error;
        throw new DataFault("unreadable image", error.problem, { cause: error });
      }
      sizes.set(index, found);
    }
    return found;
  }

  async function checked<T extends Sized>(index: number, form: Task, read?: (index: number) => Promise<T>): Promise<T> {
    if (!read) {
      throw new InputError({
        where: images[index].file,
        expected: `${form} labels`,
        found: `a source opened for the task ${task} that has none`,
      });
    }
    const label = await read(index);
    const { width, height } = await size(index);
    if (label.width === width && label.height === height) return label;
    const turned = label.width === height && label.height === width;
    throw new DataFault("sizes differ", {
      where: images[index].file,
      expected: `a label of the image's size, ${width}x${height}`,
      found: `${label.width}x${label.height}`,
      fix: turned
        ? "The photograph may carry an EXIF rotation that its label lacks: turn the label."
        : "Resize neither: find the label that belongs to the image.",
    });
  }

  const forms = Object.entries(readers).flatMap(([form, reader]) => (reader ? [form as Task] : []));
  const own = { semantic: parts.semantic, instance: parts.instances, panoptic };
  return {
    task,
    classes,
    faults,
    notes,
    unused,
    hasObjects,
    ifOneClass,
    size,
    length: images.length,
    forms: new Set(forms),
    ownForms: new Set(forms.filter((form) => own[form])),
    name: (index) => images[index].file,
    imageId: (index) => images[index].id,
    read: (index) => readImageFile(images[index].file),
    semantic: (index) => checked(index, "semantic", semantic),
    instances: (index) => checked(index, "instance", instances),
    panoptic: (index) => checked(index, "panoptic", panoptic),
  };
}
