/** @file What the commands share that read or write weights. */

import { Option } from "commander";
import { TARGETS } from "../checkpoint/names/targets.js";
import { InputError } from "../core/errors.js";

export function targetOption(): Option {
  return new Option("--to <names>", "whose names the tensors get").choices(TARGETS);
}

/** Regular expressions from `--leave-out`. Throws `InputError`. */
export function patternsOf(texts: readonly string[] = []): RegExp[] {
  return texts.map((text) => {
    try {
      return new RegExp(text);
    } catch {
      throw new InputError({ where: `--leave-out ${text}`, expected: "a regular expression", found: "something else" });
    }
  });
}

const megabytes = (bytes: number) => (bytes / 1e6).toFixed(1);

/** The path of weights given as a file, a folder or `hf:owner/name`; a download shows how far it is. Throws `InputError`. */
export async function fetchedWeights(location: string): Promise<string> {
  const { locateWeights } = await import("../checkpoint/weights-location.js");
  const { stderr } = process;
  let shown = -1;
  const path = await locateWeights(location, (done, total) => {
    const percent = total > 0 ? Math.floor((100 * done) / total) : 0;
    const step = stderr.isTTY ? 1 : 10;
    if (Math.floor(percent / step) === shown) return;
    shown = Math.floor(percent / step);
    const line = `${location}: ${megabytes(done)} of ${megabytes(total)} MB (${percent} %)`;
    stderr.write(stderr.isTTY ? `\r${line}` : `${line}\n`);
  });
  if (shown >= 0 && stderr.isTTY) stderr.write("\n");
  return path;
}
