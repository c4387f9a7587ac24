/** @file `mask-jepa doctor` */

import type { Command } from "commander";
import { InputError } from "../core/errors.js";
import type { Device } from "../runtime/contract.js";
import { deviceOption } from "./arguments.js";
import { type Check, checksFor, type Finding } from "./doctor-checks.js";

const EXAMPLES = `
Examples:
  mask-jepa doctor
  mask-jepa doctor --device webgpu`;

async function findingOf(check: Check): Promise<Finding> {
  try {
    return await check.run();
  } catch (error) {
    if (error instanceof InputError) return { level: "FAIL", found: error.problem.found, advice: error.problem.fix };
    return { level: "FAIL", found: (error as Error).message, advice: "Run `npm ci` again." };
  }
}

/**
 * Runs the checks one after the other and prints a line for each.
 * @throws InputError that names the failed checks
 */
export async function runDoctor(checks: readonly Check[], print: (line: string) => void): Promise<void> {
  const failed: string[] = [];
  const width = Math.max(...checks.map(({ name }) => name.length));
  for (const check of checks) {
    const { level, found, advice } = await findingOf(check);
    print(`${level.padEnd(4)}  ${check.name.padEnd(width)}  ${found}`);
    if (advice) print(`${" ".repeat(width + 8)}${advice}`);
    if (level === "FAIL") failed.push(check.name);
  }
  if (failed.length > 0) {
    throw new InputError({ where: "doctor", expected: "no failed check", found: `FAIL for ${failed.join(", ")}` });
  }
}

export function addDoctor(program: Command): void {
  program
    .command("doctor")
    .description("check this machine: Node, native libraries, memory, disk, and a device's speed and exactness")
    .addOption(deviceOption("device to check"))
    .addHelpText("after", EXAMPLES)
    .action(({ device }: { device: Device }) => runDoctor(checksFor(device), console.log));
}
