/**
 * @file Ctrl-C, SIGTERM and a terminal that closes: the first asks the run to stop after its step, the second quits at
 * once.
 */

import { basename } from "node:path";
import { ENDING_SIGNALS } from "../io/ending-signals.js";

export interface StopRequest {
  readonly requested: boolean;
  /** Stops listening. */
  dispose(): void;
}

/** What a shell reports for a program that Ctrl-C ended; a run that any of the signals ended reports it. */
export const INTERRUPTED = 130;

/**
 * Whether the process was started by `nohup`, to outlive its terminal. That had SIGHUP ignored, which Node undoes at
 * its start; the name of what a shell starts is in `_`.
 */
const outlivesTerminal = () => basename(process.env._ ?? "") === "nohup";

/** Lets a process that `nohup` started outlive its terminal. */
export function heedNohup(): void {
  if (outlivesTerminal()) process.on("SIGHUP", () => {});
}

/** `announce` is told once, at the first signal. */
export function listenForStop(announce: (signal: string) => void): StopRequest {
  let requested = false;
  const onSignal = (signal: NodeJS.Signals) => {
    if (requested) process.exit(INTERRUPTED);
    requested = true;
    announce(signal);
  };
  const heeded = ENDING_SIGNALS.filter((signal) => signal !== "SIGHUP" || !outlivesTerminal());
  for (const signal of heeded) process.on(signal, onSignal);
  return {
    get requested() {
      return requested;
    },
    dispose() {
      for (const signal of heeded) process.off(signal, onSignal);
    },
  };
}
