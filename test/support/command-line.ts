/** @file The command line in a child process that a test can watch and stop. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { LAUNCHER } from "./child.js";

export interface RunningCommand {
  /** All that it has printed. */
  readonly output: string;
  /** Waits until `happened`. Throws with the output when the process ends first. */
  until(happened: () => boolean): Promise<void>;
  signal(signal: NodeJS.Signals): void;
  /** Exit code, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>;
}

/** Starts `mask-jepa` with these arguments. */
export function startCommand(args: readonly string[]): RunningCommand {
  const child = spawn(process.execPath, [LAUNCHER, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  }
  let running = true;
  const ended = once(child, "close").then(([code, signal]: (number | NodeJS.Signals)[]) => {
    running = false;
    return signal ?? code;
  });
  return {
    get output() {
      return output;
    },
    async until(happened) {
      while (!happened()) {
        if (!running) throw new Error(`mask-jepa ${args.join(" ")} ended too early:\n${output}`);
        await sleep(5);
      }
    },
    signal: (signal) => child.kill(signal),
    ended,
  };
}

/** Runs a command to its end and returns what it printed. Throws with that when it fails. */
export async function completeCommand(args: readonly string[]): Promise<string> {
  const command = startCommand(args);
  const code = await command.ended;
  if (code !== 0) throw new Error(`mask-jepa ${args.join(" ")} ended with ${code}:\n${command.output}`);
  return command.output;
}
