/** @file What is judged: the tasks that were asked for, whatever models were trained and a source was opened for. */

import { InputError } from "../core/errors.js";
import type { LabelledSource } from "../data/labelled-source.js";
import type { Task } from "../masks/segmentation.js";

/** Whether a model of one task gives the output of another. */
export const gives = (model: Task, task: Task): boolean => model === task || model === "panoptic";

/**
 * The source as if it was opened for the task that decides: the panoptic one where it is among these, else the first.
 * As it is when none is asked for.
 * @throws InputError for a task that it has no labels for
 */
export function judgedSource(source: LabelledSource, tasks: readonly Task[] = []): LabelledSource {
  if (tasks.length === 0) return source;
  const there = source.task === "panoptic" ? [...source.forms] : [source.task];
  const missing = tasks.find((task) => !there.includes(task));
  if (missing) {
    const expected = `some of the tasks that models and labels have: ${there.join(", ")}`;
    throw new InputError({ where: "--task", expected, found: missing });
  }
  return { ...source, task: decidingTask(tasks) };
}

/** The task by whose score models are compared. */
export const decidingTask = (tasks: readonly Task[]): Task => (tasks.includes("panoptic") ? "panoptic" : tasks[0]);
