/** @file A reporter that remembers what it was told. */

import type { Reporter } from "../../src/core/reporter.js";

export interface RecordedReporter extends Reporter {
  /** Lines that stay, warnings with "Warning:". */
  readonly lines: string[];
  /** Work that was begun, with the parts done at its last update. */
  readonly tasks: { readonly what: string; readonly total: number; done: number; ended: boolean }[];
}

export function recordedReporter(): RecordedReporter {
  const lines: string[] = [];
  const tasks: RecordedReporter["tasks"] = [];
  const begin = (what: string, total: number) => {
    const task = { what, total, done: 0, ended: false };
    tasks.push(task);
    const update = (done: number) => {
      task.done = done;
    };
    const end = () => {
      task.ended = true;
    };
    return { task, update, end };
  };
  return {
    lines,
    tasks,
    say: (text) => lines.push(text),
    warn: (text) => lines.push(`Warning: ${text}`),
    begin,
    steps(total) {
      const { update, end } = begin("steps", total);
      return { update: ({ step }) => update(step), end };
    },
  };
}
