/**
 * @file Places of published weights say in their names what these were trained for:
 * `mask2former-swin-tiny-coco-panoptic`.
 */

import { TASKS, type Task } from "../masks/segmentation.js";

/** The one task among the words of a name; undefined where there is none, or more than one. */
export function placeTask(name: string): Task | undefined {
  const words = name.toLowerCase().split(/[^a-z]+/);
  const found = TASKS.filter((task) => words.includes(task));
  return found.length === 1 ? found[0] : undefined;
}
