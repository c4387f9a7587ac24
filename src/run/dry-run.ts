/** @file What a dry run prints: parameters by part, and the estimated memory and time of a step. */

import { availableParallelism } from "node:os";
import { roughDuration } from "../core/duration.js";
import { plural } from "../core/text.js";
import { textTable } from "../core/text-table.js";
import type { Device } from "../runtime/contract.js";
import { createRuntime } from "../runtime/create-runtime.js";
import {
  estimateMemory,
  estimateSeconds,
  type Machine,
  measureMachine,
  type PartCount,
  type StepPlan,
} from "./step-estimate.js";

const MIB = 2 ** 20;
const seconds = (n: number) => `${n.toFixed(n < 10 ? 2 : 0)} s`;
const bytes = (n: number) => (n >= 2 ** 30 ? `${(n / 2 ** 30).toFixed(2)} GiB` : `${(n / MIB).toFixed(1)} MiB`);
const sum = (values: Iterable<number>) => [...values].reduce((a, b) => a + b, 0);
const lines = (rows: readonly (readonly string[])[]) => textTable(rows).join("\n");

function parameterTable(counts: readonly PartCount[]): string {
  const columns = ["online", "learnable", "target", "buffers"] as const;
  const row = (name: string, value: (column: (typeof columns)[number]) => number) => [
    name,
    ...columns.map((column) => value(column).toLocaleString("en-US")),
  ];
  return lines([
    ["Parameters", ...columns],
    ...counts.map((count) => row(`  ${count.part}`, (column) => count[column])),
    row("  total", (column) => sum(counts.map((count) => count[column]))),
  ]);
}

function memoryTable(memory: ReadonlyMap<string, number>): string {
  const rows = [...memory].map(([what, size]) => [`  ${what}`, bytes(size)]);
  return lines([["Memory of a step, estimated", ""], ...rows, ["  total", bytes(sum(memory.values()))]]);
}

function timeText(plan: StepPlan, machine: Machine, steps: number | null): string {
  const took = estimateSeconds(plan, machine);
  const { cores, operations, bandwidth } = machine;
  const where = cores === 1 ? "one core" : `each of ${cores} cores`;
  return lines([
    ["Time of a step, estimated", ""],
    [`  ${plan.images} images`, seconds(took)],
    ["  an image", seconds(took / plan.images)],
    ...(steps === null ? [] : [[`  the whole run, ${plural(steps, "step")}`, roughDuration(took * steps)]]),
  ]).concat(
    `\n  from ${(operations / 1e9).toFixed(0)} GFLOP/s and ${(bandwidth / 1e9).toFixed(1)} GB/s on ${where}, ` +
      "measured just now; loading images and evaluations are not counted",
  );
}

export interface DryRunOptions {
  readonly device: Device;
  /** 0 for all. */
  readonly cores: number;
  /** Of the whole run; null where that depends on images that are not there. */
  readonly steps: number | null;
}

/** Prints the estimates of a step and of the run; on the CPU it measures the machine for about a second. */
export async function printEstimates(
  plan: StepPlan,
  { device, cores, steps }: DryRunOptions,
  print: (text: string) => void,
): Promise<void> {
  print(`${parameterTable(plan.counts)}\n`);
  if (device !== "cpu") {
    print(`${memoryTable(estimateMemory(plan, 1))}\n`);
    print(`The time of a step on ${device} is not estimated.`);
    return;
  }
  const runtime = await createRuntime({ device, cores: cores || availableParallelism() });
  print(`${memoryTable(estimateMemory(plan, runtime.cores))}\n`);
  print(timeText(plan, await measureMachine(runtime), steps));
  runtime.dispose();
}
