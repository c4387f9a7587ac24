/** @file Whether a step fits into the memory of this machine. */

import { availableParallelism, totalmem } from "node:os";
import { InputError } from "../core/errors.js";
import { leastMemory, type StepSize } from "./memory-floor.js";

/** What this process may use: the machine's memory, or a container's share of it. */
export function machineMemory(): number {
  const limit = process.constrainedMemory();
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem();
}

const gibibytes = (bytes: number) => `${(bytes / 2 ** 30).toFixed(1)} GiB`;

/** @throws InputError when a step cannot fit into the machine's memory */
export function requireMemory(where: string, step: StepSize, available = machineMemory()): void {
  const needed = leastMemory(step, availableParallelism());
  if (needed <= available) return;
  throw new InputError({
    where,
    expected: `a model and images that fit into the ${gibibytes(available)} of this machine`,
    found: `ones that need more than ${gibibytes(needed)}`,
    fix: "Take smaller images, run.microBatch or run.batch, fewer run.cores, or a smaller model.",
  });
}
