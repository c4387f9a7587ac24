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
