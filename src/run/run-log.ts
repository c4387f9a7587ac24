/** @file What a run tells: the reporter, metrics.jsonl, TensorBoard, and the list of images it had to skip. */

import { join } from "node:path";
import type { Reporter, Steps } from "../core/reporter.js";
import type { BadFile } from "../data/source.js";
import { type MetricRecord, openMetricsLog, readMetrics } from "./metrics-log.js";
import { RUN_FILES } from "./run-files.js";
import { openEventLog } from "./tensorboard.js";

export interface LoggedStep {
  /** Finished steps. */
  step: number;
  /** For the reporter. */
  losses: Readonly<Record<string, number>>;
  /** By their name in metrics.jsonl and TensorBoard. */
  metrics: Readonly<Record<string, number>>;
  /** Whether the step is logged even when its number is no multiple of logEvery. */
  always: boolean;
  images: number;
  seconds: number;
  /** Seconds in which the step waited for data. */
  waitSeconds: number;
  skipped: readonly BadFile[];
}

/** What a run logged up to a step, by default all; nothing for a folder that is no run's. */
export function loggedMetrics(run: string, last = Number.POSITIVE_INFINITY): MetricRecord[] {
  return readMetrics(join(run, RUN_FILES.metrics)).filter(({ step }) => step <= last);
}

/** What every run measures of its pace. */
function paceOf({ images, seconds, waitSeconds }: LoggedStep): Record<string, number> {
  return {
    "images-per-second": images / seconds,
    "data-wait": waitSeconds / seconds,
    "memory-gib": process.memoryUsage.rss() / 2 ** 30,
  };
}

export interface RunLogOptions {
  /** Finished steps of the checkpoint that the run goes on from; what was logged later is removed. */
  lastStep: number;
  /** Steps of the whole run. */
  total: number;
  logEvery: number;
  reporter: Reporter;
}

export class RunLog {
  private readonly metrics;
  private readonly events;
  private readonly skipped;
  private readonly skippedNames = new Set<string>();
  private readonly logEvery: number;
  private readonly reporter: Reporter;
  private readonly steps: Steps;

  constructor(directory: string, { lastStep, total, logEvery, reporter }: RunLogOptions) {
    this.logEvery = logEvery;
    this.reporter = reporter;
    this.metrics = openMetricsLog(join(directory, RUN_FILES.metrics), lastStep);
    this.skipped = openMetricsLog(join(directory, RUN_FILES.skipped), lastStep);
    this.events = openEventLog(join(directory, RUN_FILES.events), lastStep);
    for (const { file } of readMetrics(join(directory, RUN_FILES.skipped))) this.skippedNames.add(String(file));
    this.steps = reporter.steps(total);
  }

  /** Images that could not be used so far. */
  get skippedCount(): number {
    return this.skippedNames.size;
  }

  step(logged: LoggedStep): void {
    const { step, losses, images, waitSeconds, skipped } = logged;
    if (step % this.logEvery === 0 || logged.always) {
      const values = { ...logged.metrics, ...paceOf(logged) };
      this.metrics.append({ step, ...values });
      this.events.scalars(step, values);
    }
    this.skip(step, skipped);
    this.steps.update({ step, losses, images, waitSeconds });
  }

  /** Lists images that were passed over; each is announced once. */
  skip(step: number, files: readonly BadFile[]): void {
    for (const { file, reason } of files) {
      if (this.skippedNames.has(file)) continue;
      this.skippedNames.add(file);
      this.skipped.append({ step, file, reason });
      this.reporter.say(`Skipped ${file}: ${reason}`);
    }
  }

  close(): void {
    this.steps.end();
    for (const log of [this.metrics, this.skipped, this.events]) log.close();
  }
}
