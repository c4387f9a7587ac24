/** @file Where labelled images come from: an image source that can also hand out the labels of its i-th image. */

import { InputError } from "../core/errors.js";
import type { Size } from "../core/image.js";
import type { RunLengths } from "../masks/run-lengths.js";
import type { InstanceSet, PanopticMap, SegmentationClass, SemanticMap, Task } from "../masks/segmentation.js";
import type { ImageSource } from "./source.js";

/**
 * One split of a data set, opened for a task. Labels index `classes`, whatever ids the files use; all three forms use
 * the same classes, so that a panoptic model can be scored as a semantic and an instance one too (AP_pan^Th, mIoU_pan).
 * Sizes are those of the upright image. Reading throws InputError that names the file.
 */
export interface LabelledSource extends ImageSource {
  readonly task: Task;
  readonly classes: readonly SegmentationClass[];
  /** The forms in which labels can be had; the task's own is among them. */
  readonly forms: ReadonlySet<Task>;
  /** The image's id in the data set's files (COCO `image_id`), for predictions that others will read. */
  imageId(index: number): number | string;
  semantic(index: number): Promise<SemanticMap>;
  instances(index: number): Promise<InstanceSet>;
  panoptic(index: number): Promise<PanopticMap>;
  /** Of Cityscapes alone, whose benchmark needs more than the labels in these forms; absent where its files are. */
  readonly cityscapes?: CityscapesLabels;
}

export interface CityscapesLabels {
  /** Pixels that belong to no class of the benchmark: what is detected there is no error. */
  ignored(index: number): Promise<RunLengths>;
  /** The objects of the source's classes, by whose sizes pixels are weighted. */
  objects(index: number): Promise<InstanceSet>;
}

/** @throws InputError that names the image when its labels have another size */
export function requireLabelSize(name: string, image: Size, labels: Size): void {
  if (image.width === labels.width && image.height === labels.height) return;
  const expected = `labels of the image's size (${image.width}x${image.height})`;
  throw new InputError({ where: name, expected, found: `labels of ${labels.width}x${labels.height}` });
}
