/** @file The runs of a study as commands of the product: begun, gone on with where they were cut off, left alone where they have ended. */

import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
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

/** Holds what a run was begun with: its command, and the text of the settings that this names. */
const order = ({ out }: Run) => `${out}.command`;

async function orderOf({ command, arguments: words }: Run): Promise<string> {
  const file = words[words.indexOf("--config") + 1];
  const config = words.includes("--config") ? await readFile(file, "utf8") : "";
  return `${[command, ...words].join(" ")}\n${config}`;
}

/**
 * Notes what a run is begun with. @throws InputError for one that `isThere`, begun with other settings; one of before
 * these were noted is taken as it is
 */
async function claim(run: Run, isThere: boolean): Promise<void> {
  const wanted = await orderOf(run);
  if (!isThere) {
    await mkdir(dirname(run.out), { recursive: true });
    await writeFile(order(run), wanted);
    return;
  }
  const known = existsSync(order(run)) ? await readFile(order(run), "utf8") : wanted;
  if (known === wanted) return;
  const commands = [wanted, known].map((text) => text.slice(0, text.indexOf("\n")));
  const [expected, found] =
    commands[0] === commands[1]
      ? ["a run of what its --config says now", "one that was begun with what it said before"]
      : commands.map((command) => `a run begun with "${command}"`);
  const fix = `Take another --out, or remove that run and ${mark(run)}.`;
  throw new InputError({ where: run.out, expected, found, fix });
}

/** Runs of a study, each a process. */
export class Runs {
  private readonly active = new Set<ChildProcess>();
  private stopped = false;

  constructor(
    /** That a run may use. */
    private readonly cores: number,
    private readonly program = PROGRAM,
  ) {}

  /**
   * Takes a run to its end.
   * @throws InputError with the end of what it printed when it fails, and where a run of other settings has its folder
   */
  async take(run: Run): Promise<void> {
    const begun = run.command !== "probe" && existsSync(join(run.out, RUN_FILES.settings));
    await claim(run, begun || existsSync(mark(run)));
    if (this.stopped || existsSync(mark(run))) return;
    const which = begun ? ["--resume", run.out] : [...run.arguments, "--out", run.out];
    const { code, output } = await this.outcome([run.command, ...which, "--cores", String(this.cores)]);
    if (code !== 0) {
      const found = output.trim().replace(/\.$/, "").split("\n").slice(-8).join("\n");
      throw new InputError({ where: commandLine(run), expected: "a run to its end", found });
    }
    await writeFile(mark(run), "");
  }

  /** Asks the runs that are at work to save what they have and end; no other one begins. */
  stop(): void {
    this.stopped = true;
    for (const child of this.active) child.kill("SIGINT");
  }

  private outcome(words: readonly string[]): Promise<{ code: number | null; output: string }> {
    return new Promise((resolve, reject) => {
      const child = spawn(process.execPath, [this.program, ...words], {
        stdio: ["ignore", "pipe", "pipe"],
        detached: true, // a run quits at once at a second Ctrl-C: the terminal's reaches it through `stop` alone
      });
      this.active.add(child);
      let output = "";
      for (const stream of [child.stdout, child.stderr]) {
        stream.setEncoding("utf8").on("data", (text: string) => {
          output = (output + text).slice(-10_000);
        });
      }
      child.on("error", reject).on("close", (code) => {
        this.active.delete(child);
        resolve({ code, output });
      });
    });
  }
}
