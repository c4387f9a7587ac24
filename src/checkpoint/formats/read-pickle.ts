/**
 * @file Reading pickles of protocols 0 to 5 without executing anything: a class or function is a name on an allow-list
 * or the end of the reading. Format: https://docs.python.org/3/library/pickletools.html
 */

import { InputError } from "../../core/errors.js";
import { quote } from "../safetensors-header.js";
import type { PickleInput } from "./pickle-input.js";
import { INSTRUCTIONS } from "./pickle-instructions.js";
import { type PickleContext, PickleMachine } from "./pickle-machine.js";

/** The name that was being filled in when the reading failed: the last dotted string on the stack. */
function lastName({ stack }: PickleMachine): string | undefined {
  return stack.findLast((value): value is string => typeof value === "string" && /^[^.\s]+(\.[^.\s]+)+$/.test(value));
}

/**
 * Reads one pickle from the input, which then stands behind it.
 * @throws InputError for damage, for anything that is not on the allow-list, and for what would take too much memory
 */
export function readPickle(input: PickleInput, context: PickleContext): unknown {
  const machine = new PickleMachine(input, context);
  try {
    while (!machine.stopped) {
      const code = input.byte();
      const instruction = INSTRUCTIONS.get(code);
      if (!instruction) throw machine.fail(`the unknown instruction ${code}`);
      instruction(machine);
    }
    return machine.pop();
  } catch (error) {
    const name = lastName(machine);
    if (!(error instanceof InputError) || name === undefined) throw error;
    const { found, ...rest } = error.problem;
    throw new InputError({ ...rest, found: `${found} (the last name before it is ${quote(name)})` });
  }
}
