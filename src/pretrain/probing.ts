/** @file Probes of a run between its steps: when, what is told of them, and which checkpoint is the best by them. */

import { roughDuration } from "../core/duration.js";
import type { Measurement } from "../run/training-loop.js";
import type { StepRecord } from "../viz/metric-curves.js";
import { bestProbe, type ProbeMonitor, probeMetric } from "./probe-monitor.js";

export interface ProbingOptions {
  /** Steps between probes. */
  readonly every: number;
  /** Length of the whole run. */
  readonly steps: number;
  /** What the run has logged so far. */
  readonly logged: readonly StepRecord[];
  /** Images that are learned from and scored on. */
  readonly images: { readonly train: number; readonly test: number };
}

export class Probing {
  /** The best score so far. */
  private best: number;
  private told = false;

  constructor(
    private readonly monitor: ProbeMonitor,
    private readonly options: ProbingOptions,
  ) {
    this.best = bestProbe(options.logged)?.miou ?? Number.NEGATIVE_INFINITY;
  }

  /**
   * Whether it is time after so many steps: at every so many, at the first, for a start to compare with, and at the
   * last.
   */
  isDue(step: number): boolean {
    const { every, steps } = this.options;
    return step % every === 0 || step === 1 || step === steps;
  }

  /** A better score than all before is a reason to save. The first probe of a process says what it costs. */
  async measure(step: number): Promise<Measurement> {
    const { every, images } = this.options;
    const started = performance.now();
    const scores = await this.monitor.measure();
    const seconds = (performance.now() - started) / 1000;
    const known = scores.flatMap(({ map, miou }) => (miou === null ? [] : [{ map, miou }]));
    const [deciding] = known;
    const isBest = deciding !== undefined && deciding.miou > this.best;
    if (isBest) this.best = deciding.miou;
    const text = known.map(({ map, miou }) => `${miou.toFixed(1)} on ${map}`).join(", ") || "not defined";
    const cost =
      `A probe of ${images.train} + ${images.test} images takes ${roughDuration(seconds)} at most, ` +
      `one is taken every ${every} steps`;
    const messages = [`step ${step}: mIoU of a linear probe ${text}`, ...(this.told ? [] : [cost])];
    this.told = true;
    return {
      metrics: Object.fromEntries(known.map(({ map, miou }) => [probeMetric(map), miou])),
      messages,
      save: isBest,
      ...(deciding && { score: { metric: `probe mIoU of ${deciding.map}`, value: deciding.miou, goal: "max" } }),
    };
  }

  dispose(): Promise<void> {
    return this.monitor.dispose();
  }
}
