/** @file From the results of both sides to the numbers that are compared, and to the table. */

import type { Work } from "./job.js";
import type { StepResult } from "./protocol.js";

/** What one side shows, per image. */
export interface Measured {
  /** Wall time, all timed steps in order. */
  ms: number[];
  medianMs: number;
  leastMs: number;
  cpuSeconds: number;
  peakMiB: number;
  /** Peak memory divided by the images that are computed at once. */
  peakMiBPerImageInFlight: number;
  /** Matrix products and convolutions alone. */
  gigaFlopPerSecond: number;
  shareOfPeak: number;
}

/** `gigaFlop` and `gigaByte` are those of one image. */
export interface Comparison extends Work {
  /** The job. */
  title: string;
  size: number;
  images: number;
  /** The machine's matrix product on all cores, GFLOP/s. */
  matrixPeak: number;
  ours: Measured;
  theirs?: Measured;
  /** Largest relative difference of the values of both sides: before any update, after one, and so on. */
  differences: number[];
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
}

/** `timed`: steps without the warm-up; `all`: with it, for the memory. */
export function measured(
  timed: readonly StepResult[],
  all: readonly StepResult[],
  {
    images,
    inFlight,
    gigaFlop,
    matrixPeak,
  }: Pick<Comparison, "images" | "gigaFlop" | "matrixPeak"> & { inFlight: number },
): Measured {
  const ms = timed.map((result) => result.ms / images);
  const medianMs = median(ms);
  const peakMiB = Math.max(...all.map((result) => result.peak_rss_mb));
  const gigaFlopPerSecond = (1000 * gigaFlop) / medianMs;
  return {
    ms,
    medianMs,
    leastMs: Math.min(...ms),
    cpuSeconds: median(timed.map((result) => result.cpu_ms / images / 1000)),
    peakMiB,
    peakMiBPerImageInFlight: peakMiB / inFlight,
    gigaFlopPerSecond,
    shareOfPeak: gigaFlopPerSecond / matrixPeak,
  };
}

const ROWS: readonly [label: string, value: (m: Measured) => number, digits: number][] = [
  ["ms an image, median", (m) => m.medianMs, 0],
  ["ms an image, least", (m) => m.leastMs, 0],
  ["CPU seconds an image", (m) => m.cpuSeconds, 2],
  ["peak memory, MiB", (m) => m.peakMiB, 0],
  ["  per image in flight", (m) => m.peakMiBPerImageInFlight, 0],
  ["GFLOP/s", (m) => m.gigaFlopPerSecond, 0],
  ["% of the matrix peak", (m) => 100 * m.shareOfPeak, 0],
];

/** The comparison as text. */
export function table(comparison: Comparison): string {
  const { title, size, images, gigaFlop, gigaByte, matrixPeak, ours, theirs, differences } = comparison;
  const row = (label: string, cells: readonly string[]) =>
    label.padEnd(24) + cells.map((cell) => cell.padStart(12)).join("");
  const lines = [
    `${title}, ${size}x${size}, ${images} ${images === 1 ? "image" : "images"} at once`,
    `an image: ${gigaFlop.toFixed(0)} GFLOP, ${gigaByte.toFixed(0)} GB through our operators; matrix product: ` +
      `${matrixPeak.toFixed(0)} GFLOP/s`,
    row("", theirs ? ["mask-jepa", "PyTorch", "ratio"] : ["mask-jepa"]),
    ...ROWS.map(([label, value, digits]) => {
      const cells = [value(ours).toFixed(digits)];
      if (theirs) cells.push(value(theirs).toFixed(digits), (value(ours) / value(theirs)).toFixed(2));
      return row(label, cells);
    }),
  ];
  if (theirs) {
    lines.push(`results differ by ${differences.map((d) => d.toExponential(0)).join(", ")} (relative, step by step)`);
  }
  return lines.join("\n");
}
