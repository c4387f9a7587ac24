/** @file The command line: commands, and how faults become messages and exit codes. */

import { Command, CommanderError } from "commander";
import { errorCode, fileFault } from "../io/file-fault.js";
import { manifest } from "../io/manifest.js";
import { heedNohup, INTERRUPTED } from "../run/stop-request.js";
import { addConvert } from "./convert.js";
import { addData } from "./data.js";
import { addDoctor } from "./doctor.js";
import { addEvaluate } from "./evaluate.js";
import { addExport } from "./export.js";
import { explain } from "./faults.js";
import { addFinetune } from "./finetune.js";
import { addPredict } from "./predict.js";
import { addPretrain } from "./pretrain.js";
import { addProbe } from "./probe.js";
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
    addProbe,
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
  const explained = explain(error);
  if (explained) console.error(`error: ${debug ? (error as Error).stack : explained.message}`);
  else console.error("unexpected error, a fault of mask-jepa:", error);
  return 1;
}

let outputFailed = false;

/**
 * Who closes our output early (`| head`), or the terminal, has seen enough; that must not end a training run. Where
 * output was to be kept and cannot be (a full disk), the run goes on as well, and the command has failed.
 */
function surviveOutput(): void {
  process.stderr.on("error", () => {});
  process.stdout.on("error", (error) => {
    if (outputFailed || ["EPIPE", "EIO"].includes(errorCode(error) ?? "")) return;
    outputFailed = true;
    process.exitCode = report(fileFault(error, "standard output", "a place that can be written"), false);
  });
}

/**
 * Runs one command line.
 * @param argv arguments after the program's name
 * @returns the process's exit code; never throws
 */
export async function main(argv: readonly string[]): Promise<ExitCode> {
  const program = createProgram();
  const onUncaught = (error: unknown) => process.exit(report(error, false));
  process.on("uncaughtException", onUncaught);
  try {
    await program.parseAsync(argv, { from: "user" });
    if (process.exitCode === INTERRUPTED) return INTERRUPTED;
    return outputFailed ? 1 : 0;
  } catch (error) {
    return report(error, program.opts<{ debug?: boolean }>().debug === true);
  } finally {
    process.off("uncaughtException", onUncaught);
  }
}

surviveOutput();
heedNohup();
