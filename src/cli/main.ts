/** @file The command line: commands, and how faults become messages and exit codes. */

import { Command, CommanderError } from "commander";
import { errorCode, fileFault } from "../io/file-fault.js";
import { manifest } from "../io/manifest.js";
import { heedNohup, INTERRUPTED } from "../run/stop-request.js";
import { explain } from "./faults.js";

/** 0 done, 1 the work failed, 2 the command line was not understood, 130 a signal ended the run. */
export type ExitCode = 0 | 1 | 2 | typeof INTERRUPTED;

/** Commands in the order of the help. Reading the modules of all takes half a second, so that only one's are read. */
const COMMANDS: Readonly<Record<string, () => Promise<(program: Command) => void>>> = {
  pretrain: async () => (await import("./pretrain.js")).addPretrain,
  finetune: async () => (await import("./finetune.js")).addFinetune,
  evaluate: async () => (await import("./evaluate.js")).addEvaluate,
  predict: async () => (await import("./predict.js")).addPredict,
  data: async () => (await import("./data.js")).addData,
  "sample-data": async () => (await import("./sample-data.js")).addSampleData,
  settings: async () => (await import("./settings.js")).addSettings,
  visualize: async () => (await import("./visualize.js")).addVisualize,
  probe: async () => (await import("./probe.js")).addProbe,
  quickstart: async () => (await import("./quickstart.js")).addQuickstart,
  convert: async () => (await import("./convert.js")).addConvert,
  export: async () => (await import("./export.js")).addExport,
  doctor: async () => (await import("./doctor.js")).addDoctor,
};

/** The program with the command that is asked for, or with all where none is. */
async function createProgram(argv: readonly string[]): Promise<Command> {
  const { version, description } = manifest();
  const program = new Command("mask-jepa")
    .description(description)
    .version(version)
    .option("--debug", "show the stack of an error")
    .exitOverride()
    .showHelpAfterError("Run it with --help to see what there is.");
  const asked = argv.find((word) => !word.startsWith("-"));
  const names = asked !== undefined && Object.hasOwn(COMMANDS, asked) ? [asked] : Object.keys(COMMANDS);
  for (const add of await Promise.all(names.map((name) => COMMANDS[name]()))) add(program);
  return program;
}

/** Reports a misspelt option, which may be one that the command requires, before those that are missing. */
async function requireKnownWords(argv: readonly string[]): Promise<void> {
  const program = await createProgram(argv);
  const relax = (command: Command): void => {
    for (const option of command.options) option.makeOptionMandatory(false);
    command.commands.forEach(relax);
    if (command.commands.length === 0) command.action(() => {});
  };
  relax(program);
  await program.parseAsync(argv, { from: "user" });
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
  const onUncaught = (error: unknown) => process.exit(report(error, false));
  process.on("uncaughtException", onUncaught);
  let program: Command | undefined;
  try {
    await requireKnownWords(argv);
    program = await createProgram(argv);
    await program.parseAsync(argv, { from: "user" });
    if (process.exitCode === INTERRUPTED) return INTERRUPTED;
    return outputFailed ? 1 : 0;
  } catch (error) {
    return report(error, program?.opts<{ debug?: boolean }>().debug === true);
  } finally {
    process.off("uncaughtException", onUncaught);
  }
}

surviveOutput();
heedNohup();
