/** @file Ctrl-C and SIGTERM: the first asks the run to stop after its step, the second quits at once. */

export interface StopRequest {
  readonly requested: boolean;
  /** Stops listening. */
  dispose(): void;
}

const SIGNALS = ["SIGINT", "SIGTERM"] as const;
/** What a shell reports for a program that Ctrl-C ended. */
export const INTERRUPTED = 130;

/** `announce` is told once, at the first signal. */
export function listenForStop(announce: (signal: string) => void): StopRequest {
  let requested = false;
  const onSignal = (signal: NodeJS.Signals) => {
    if (requested) process.exit(INTERRUPTED);
    requested = true;
    announce(signal);
  };
  for (const signal of SIGNALS) process.on(signal, onSignal);
  return {
    get requested() {
      return requested;
    },
    dispose() {
      for (const signal of SIGNALS) process.off(signal, onSignal);
    },
  };
}
