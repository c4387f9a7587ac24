/**
 * @file How the benchmark talks with the process that takes the steps: one JSON object a line, the same on both sides.
 */

import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Values } from "./job.js";

export type Request = { cmd: "step" /** Safetensors file with the batch. */; inputs: string } | { cmd: "quit" };

/** One step: a whole update, with the losses before it, or the inference on one image. */
export interface StepResult {
  /** Wall time. */
  ms: number;
  /** Processor time of all threads. */
  cpu_ms: number;
  values: Values;
  /** Highest resident memory of the process so far, MiB. */
  peak_rss_mb: number;
}

export interface Side {
  name: string;
  command: string;
  args: readonly string[];
}

interface Conversation {
  /** The next line, parsed. Throws when the process ends instead. */
  receive(): Promise<unknown>;
  send(request: Request): void;
}

function converse(name: string, child: ChildProcess): Conversation {
  const { stdin, stdout, stderr } = child as ChildProcess & { stdin: NodeJS.WritableStream };
  let complaints = "";
  stderr?.on("data", (text) => {
    complaints += text;
  });
  stdin.on("error", () => {}); // a process that died says why on its standard error
  const failed = new Promise<never>((_, reject) => child.once("error", reject));
  const ended = new Promise<string>((resolve) =>
    child.once("close", (code, signal) => resolve(`${signal ?? `exit code ${code}`}`)),
  );
  failed.catch(() => {}); // also when nobody waits
  const lines = createInterface({ input: stdout as NodeJS.ReadableStream })[Symbol.asyncIterator]();
  return {
    async receive() {
      const { value, done } = await Promise.race([lines.next(), failed]);
      if (done) throw new Error(`${name} ended (${await ended}):\n${complaints.trim().slice(-4000)}`);
      return JSON.parse(value);
    },
    send: (request) => void stdin.write(`${JSON.stringify(request)}\n`),
  };
}

/**
 * Starts a process of this side, takes one step per file, and ends it.
 * `check` sees every result at once and may throw. Throws Error with the process's own words when it dies.
 */
export async function takeSteps(
  { name, command, args }: Side,
  inputs: readonly string[],
  check: (result: StepResult, step: number) => void = () => {},
): Promise<StepResult[]> {
  const child = spawn(command, args, { stdio: "pipe" });
  try {
    const { receive, send } = converse(name, child);
    await receive(); // ready
    const results: StepResult[] = [];
    for (const [step, file] of inputs.entries()) {
      send({ cmd: "step", inputs: file });
      const result = (await receive()) as StepResult;
      check(result, step);
      results.push(result);
    }
    send({ cmd: "quit" });
    await new Promise((resolve) => (child.exitCode === null ? child.once("exit", resolve) : resolve(undefined)));
    return results;
  } finally {
    child.kill();
  }
}
