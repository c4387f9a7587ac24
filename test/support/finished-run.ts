/** @file What a run left behind, without what depends on the clock. */

import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { readMetrics } from "../../src/run/metrics-log.js";

/** Metrics that differ between equal runs. */
const TIMING = ["images-per-second", "data-wait", "memory-gib"];

/** Numbers of the steps of which a run has checkpoints. */
export function checkpointSteps(run: string): number[] {
  const folder = join(run, "checkpoints");
  return existsSync(folder) ? readdirSync(folder).map((name) => Number(name.replace("step-", ""))) : [];
}

/** Hashes of the weights and moments of the last checkpoint, and all logged records but for their timing. */
export function resultOf(run: string) {
  const steps = checkpointSteps(run).sort((a, b) => a - b);
  const last = join(run, "checkpoints", `step-${String(steps.at(-1)).padStart(8, "0")}`);
  const parts = readdirSync(last).filter((name) => name.endsWith(".safetensors"));
  const hash = (part: string) =>
    createHash("sha256")
      .update(readFileSync(join(last, part)))
      .digest("hex");
  const metrics = readMetrics(join(run, "metrics.jsonl")).map((record) =>
    Object.fromEntries(Object.entries(record).filter(([name]) => !TIMING.includes(name))),
  );
  return {
    steps,
    weights: Object.fromEntries(parts.map((part) => [part, hash(part)])),
    metrics,
    skipped: readMetrics(join(run, "skipped.jsonl")),
  };
}

/** Whether a run has logged this step. */
export function hasLogged(run: string, step: number): boolean {
  return readMetrics(join(run, "metrics.jsonl")).some((record) => record.step >= step);
}
