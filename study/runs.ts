/** @file The runs of a study as commands of the product: begun, gone on with where they were cut off, left alone where they have ended. */

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { InputError } from "../src/core/errors.js";
import { RUN_FILES } from "../src/run/run-files.js";

/** Compiled, this file is in dist-scripts/study. */
const PROGRAM = fileURLToPath(new URL("../../bin/mask-jepa.js", import.meta.url));

export interface Run {
  readonly command: "pretrain" | "finetune" | "probe";
  /** Its folder. */
  readonly out: string;
  /** Everything but --out and --cores. */
  readonly arguments: readonly string[];
}

/** As a person would type it. */
export const commandLine = ({ command, out, arguments: rest }: Run): string =>
  ["npx", "mask-jepa", command, ...rest, "--out", out]
    .map((word) => (UNSAFE.test(word) ? `'${word}'` : word))
    .join(" ");

/** What a shell makes something of. */
const UNSAFE = /[^\w./:=,@+-]/;

/** Says of a run that it came to its end; beside the run's folder, which is the product's. */
const mark = ({ out }: Run) => `${out}.ended`;

/** Takes a run to its end. @throws InputError with the end of what it printed when it fails */
export async function takeRun(run: Run, cores: number): Promise<void> {
  if (existsSync(mark(run))) return;
  await mkdir(dirname(run.out), { recursive: true });
  const begun = run.command !== "probe" && existsSync(join(run.out, RUN_FILES.settings));
  const which = begun ? ["--resume", run.out] : [...run.arguments, "--out", run.out];
  const { code, output } = await outcome([run.command, ...which, "--cores", String(cores)]);
  if (code !== 0) {
    const found = output.trim().split("\n").slice(-8).join("\n");
    throw new InputError({ where: commandLine(run), expected: "a run to its end", found });
  }
  await writeFile(mark(run), "");
}

function outcome(words: readonly string[]): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [PROGRAM, ...words], { stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        output = (output + text).slice(-10_000);
      });
    }
    child.on("error", reject).on("close", (code) => resolve({ code, output }));
  });
}
