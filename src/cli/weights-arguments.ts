/** @file What the commands share that read or write weights. */

import { type Command, Option } from "commander";
import { InputError } from "../core/errors.js";
import { FORMS, type Form } from "../export/forms.js";
import { TARGETS } from "../export/target.js";
import { append } from "./arguments.js";

export function targetOption(): Option {
  return new Option("--to <names>", "whose names the tensors get; detectron2 are those of the official code").choices(
    TARGETS,
  );
}

export interface OutputFlags {
  format?: Form;
  overwrite?: boolean;
  leaveOut?: string[];
}

/** The options of what is written. */
export function addOutputOptions(command: Command): Command {
  return command
    .addOption(
      new Option(
        "--format <form>",
        "safetensors, PyTorch or pickle (default: by the suffix, else what the other side reads)",
      ).choices(FORMS),
    )
    .option("--overwrite", "replace files that are there; never what is read")
    .option("--leave-out <pattern>", "tensors that may stay behind, a regular expression (repeatable)", append);
}

/** What these options mean. Throws `InputError`. */
export function outputOf({ format, overwrite, leaveOut }: OutputFlags) {
  return { form: format, overwrite, leaveOut: patternsOf(leaveOut) };
}

/** Regular expressions from `--leave-out`. Throws `InputError`. */
function patternsOf(texts: readonly string[] = []): RegExp[] {
  return texts.map((text) => {
    try {
      return new RegExp(text);
    } catch {
      throw new InputError({ where: `--leave-out ${text}`, expected: "a regular expression", found: "something else" });
    }
  });
}
