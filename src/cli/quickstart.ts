/** @file `mask-jepa quickstart` */

import type { Command } from "commander";
import { INTERRUPTED } from "../run/stop-request.js";
import { append } from "./arguments.js";
import { openTerminal } from "./terminal.js";

interface Flags {
  images?: string[];
  out: string;
}

const EXAMPLES = `
Examples:
  mask-jepa quickstart
  mask-jepa quickstart --images photos --out runs/photos`;

async function quickstart({ images, out }: Flags): Promise<void> {
  const { runQuickstart } = await import("../quickstart/quickstart.js");
  const { interrupted } = await runQuickstart({ images, out, reporter: openTerminal() });
  if (interrupted) process.exitCode = INTERRUPTED;
}

export function addQuickstart(program: Command): void {
  program
    .command("quickstart")
    .description(
      "pretrain a small model, fine-tune it with and without pretraining, and show it all in report.html: 4 minutes",
    )
    .option("--images <dir>", "your own images instead of generated scenes (repeatable)", append)
    .option("--out <dir>", "folder of the run and the report", "runs/quickstart")
    .addHelpText("after", EXAMPLES)
    .action(quickstart);
}
