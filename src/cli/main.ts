/** @file The command line: commands, and how faults become messages and exit codes. */

import { Command, CommanderError } from "commander";
import { InputError } from "../core/errors.js";
import { manifest } from "../core/manifest.js";
import { memoryFault } from "../core/out-of-memory.js";
import { INTERRUPTED } from "../run/stop-request.js";
import { addConvert } from "./convert.js";
import { addData } from "./data.js";
import { addDoctor } from "./doctor.js";
import { addEvaluate } from "./evaluate.js";
import { addExport } from "./export.js";
import { addFinetune } from "./finetune.js";
import { addPredict } from "./predict.js";
import { addPretrain } from "./pretrain.js";
import { addQuickstart } from "./quickstart.js";
import { addSampleData } from "./sample-data.js";
import { addSettings } from "./settings.js";
import { addVisualize } from "./visualize.js";

/** 0 done, 1 the work failed, 2 the command line was not understood, 130 a signal ended the run. */
export type ExitCode = 0 | 1 | 2 | typeof INTERRUPTED;

function createProgram(): Command {
  const { version, description } = manifest();
  const program = new Command("mask-jepa")
    .description(description)
    .version(version)
    .option("--debug", "show the stack of an error")
    .exitOverride()
    .showHelpAfterError("Run it with --help to see what there is.");
  const commands = [
    addPretrain,
    addFinetune,
    addEvaluate,
    addPredict,
    addData,
    addSampleData,
    addSettings,
    addVisualize,
    addQuickstart,
    addConvert,
    addExport,
    addDoctor,
  ];
  for (const add of commands) add(program);
  return program;
}

function report(error: unknown, debug: boolean): ExitCode {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2; // commander has printed it
  const known = error instanceof InputError || !(error instanceof Error);
  const fault = known ? error : memoryFault(error, "this command");
  if (fault instanceof InputError) console.error(`error: ${debug ? fault.stack : fault.message}`);
  else console.error("unexpected error:", error);
  return 1;
}

/** Who closes our output early (`| head`) has seen enough; that must not end a training run. */
function ignoreClosedPipes(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE") throw error;
    });
  }
}

/**
 * Runs one command line.
 * @param argv arguments after the program's name
 * @returns the process's exit code; never throws
 */
export async function main(argv: readonly string[]): Promise<ExitCode> {
  const program = createProgram();
  try {
    await program.parseAsync(argv, { from: "user" });
    return process.exitCode === INTERRUPTED ? INTERRUPTED : 0;
  } catch (error) {
    return report(error, program.opts<{ debug?: boolean }>().debug === true);
  }
}

ignoreClosedPipes();
