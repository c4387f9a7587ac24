/**
 * @file One training for all tasks (OneFormer's oneformer_unified_dataset_mapper.py): which task an image is for, what
 * it asks for where labels are panoptic, and the texts of that.
 */

import { RandomStream } from "../core/random.js";
import type { Target, Task } from "../masks/segmentation.js";
import type { ClassFacts, TrainingBatch } from "./training.js";

/** Shares of the tasks, the rest panoptic (INPUT.TASK_PROB). */
const UP_TO: readonly (readonly [Task, number])[] = [
  ["semantic", 0.33],
  ["instance", 0.66],
];

/** The task of each image: drawn where labels serve all of them, else theirs. */
export function drawTasks({ seed, step, objects, task }: TrainingBatch): Task[] {
  return objects.map((_, sample) => {
    if (task !== "panoptic") return task;
    const chance = new RandomStream({ seed, step, sample, purpose: "task" }).uniform();
    return UP_TO.find(([, limit]) => chance < limit)?.[0] ?? "panoptic";
  });
}

const isSeen = ({ mask }: Target) => mask.includes(1);

function union(targets: readonly Target[]): Target {
  const [first, ...others] = targets;
  if (others.length === 0) return first;
  const mask = first.mask.slice();
  for (const other of others) for (let i = 0; i < mask.length; i++) mask[i] |= other.mask[i];
  return { ...first, mask };
}

/**
 * What a task asks for among the objects of panoptic labels: all of them, the things, or the pixels of each class
 * together, in the order in which classes first occur; nothing that is not seen.
 */
export function objectsFor(task: Task, objects: readonly Target[], classes: readonly ClassFacts[]): Target[] {
  const seen = objects.filter(isSeen);
  if (task === "panoptic") return seen;
  if (task === "instance") return seen.filter(({ label }) => classes[label].isThing);
  const labels = [...new Set(seen.map(({ label }) => label))];
  return labels.map((label) => union(seen.filter((target) => target.label === label)));
}

const article = (task: Task) => (task === "instance" ? "an" : "a");

/**
 * `rows` texts: "a photo with a CLASS" for each object, class by class, and then the task's own as often as there is
 * room.
 */
export function textsFor(
  task: Task,
  objects: readonly Pick<Target, "label">[],
  classes: readonly ClassFacts[],
  rows: number,
): string[] {
  const labels = objects.map(({ label }) => label).sort((a, b) => a - b);
  const own = `${article(task)} ${task} photo`;
  return Array.from({ length: rows }, (_, i) =>
    i < labels.length ? `a photo with a ${classes[labels[i]].name}` : own,
  );
}
