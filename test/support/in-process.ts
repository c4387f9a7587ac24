/** @file The command line in this process. */

import { vi } from "vitest";
import { main } from "../../src/cli/main.js";

export interface Printed {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs one command line; gives its exit code and what it printed. */
export async function runMain(...argv: readonly string[]): Promise<Printed> {
  const printed = { out: "", err: "" };
  const collect = (key: keyof typeof printed, end: string) => (text: unknown) => {
    printed[key] += `${text}${end}`;
    return true;
  };
  const spies = [
    vi.spyOn(process.stdout, "write").mockImplementation(collect("out", "")),
    vi.spyOn(process.stderr, "write").mockImplementation(collect("err", "")),
    vi.spyOn(console, "log").mockImplementation(collect("out", "\n")),
    vi.spyOn(console, "error").mockImplementation(collect("err", "\n")),
  ];
  process.stdout.setMaxListeners(0); // every command opens a terminal
  try {
    return { code: await main(argv), ...printed };
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
}
