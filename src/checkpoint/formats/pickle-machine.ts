/** @file The state of the pickle virtual machine: stack, marks and memo, and what its instructions do to them. */

import { InputError } from "../../core/errors.js";
import { quote } from "../safetensors-header.js";
import { damaged } from "./byte-source.js";
import type { PickleInput } from "./pickle-input.js";
import { isBuildable, PickleBytes, PickleDict, PickleGlobal, PickleList } from "./pickle-values.js";

/** What an attacker could make large out of few bytes: objects, memo and stack. Checkpoints have some ten thousand. */
const MAX_OBJECTS = 1_000_000;

export interface PickleContext {
  /** The allow-list: undefined refuses. */
  resolve(name: string): PickleGlobal | undefined;
  /** What a persistent id stands for. */
  persistent?: (id: unknown) => unknown;
}

export class PickleMachine {
  readonly stack: unknown[] = [];
  readonly marks: number[] = [];
  readonly memo = new Map<number, unknown>();
  stopped = false;
  private objects = 0;

  constructor(
    readonly input: PickleInput,
    private readonly context: PickleContext,
  ) {}

  fail(found: string): InputError {
    return damaged(this.input.source.path, `${found} at byte ${this.input.position} of a pickle`, "a whole pickle");
  }

  /** Counts objects about to be made, against a limit. */
  readonly spend = (objects: number): void => {
    this.objects += objects;
    if (this.objects > MAX_OBJECTS) throw this.fail(`more than ${MAX_OBJECTS} objects`);
  };

  push(value: unknown): void {
    if (this.stack.length >= MAX_OBJECTS) throw this.fail(`more than ${MAX_OBJECTS} values on the stack`);
    this.stack.push(value);
  }

  pushNew(value: object): void {
    this.spend(1);
    this.push(value);
  }

  pop(): unknown {
    if (this.stack.length <= (this.marks.at(-1) ?? 0)) throw this.fail("too few values");
    return this.stack.pop();
  }

  top(): unknown {
    if (this.stack.length <= (this.marks.at(-1) ?? 0)) throw this.fail("too few values");
    return this.stack[this.stack.length - 1];
  }

  mark(): void {
    if (this.marks.length >= MAX_OBJECTS) throw this.fail(`more than ${MAX_OBJECTS} marks`);
    this.marks.push(this.stack.length);
  }

  /** Everything above the last mark. */
  popMark(): unknown[] {
    const at = this.marks.pop();
    if (at === undefined) throw this.fail("no mark");
    return this.stack.splice(at);
  }

  memoize(index: number): void {
    this.spend(1);
    this.memo.set(index, this.top());
  }

  recall(index: number): void {
    if (!this.memo.has(index)) throw this.fail(`a reference to ${index}, which was not stored`);
    this.push(this.memo.get(index));
  }

  global(module: string, name: string): void {
    const full = `${module}.${name}`;
    const found = this.context.resolve(full);
    if (!found) {
      throw new InputError({
        where: this.input.source.path,
        expected: "a pickle of tensors, arrays and plain data",
        found: `one that names ${quote(full)}, which could run code or hold anything`,
        fix: "Nothing of it was run. Save the state dict alone, e.g. as safetensors, where the file comes from.",
      });
    }
    this.push(found);
  }

  call(callee: unknown, args: readonly unknown[]): void {
    if (!(callee instanceof PickleGlobal) || !callee.call) {
      throw this.fail(
        `a call of ${callee instanceof PickleGlobal ? quote(callee.name) : "a value that is no function"}`,
      );
    }
    this.spend(1);
    const result = callee.call(args, this.spend);
    if (result === undefined) throw this.fail(`arguments that ${quote(callee.name)} does not take`);
    this.push(result);
  }

  persistent(id: unknown): void {
    const value = this.context.persistent?.(id);
    if (value === undefined) throw this.fail(`an unknown persistent id ${quote(String(id))}`);
    this.pushNew(value as object);
  }

  build(): void {
    const state = this.pop();
    const target = this.top();
    if (!isBuildable(target)) throw this.fail("a state for a value that takes none");
    target.setState(state);
  }

  append(items: readonly unknown[]): void {
    const list = this.top();
    if (!(list instanceof PickleList)) throw this.fail("items for a value that is no list");
    for (const item of items) list.items.push(item);
  }

  setItems(pairs: readonly unknown[]): void {
    const dict = this.top();
    if (!(dict instanceof PickleDict)) throw this.fail("entries for a value that is no dict");
    if (pairs.length % 2 === 1) throw this.fail("a key without a value");
    for (let i = 0; i < pairs.length; i += 2) dict.set(keyOf(pairs[i]), pairs[i + 1]);
  }
}

/** Python 2 keys are byte strings. */
function keyOf(key: unknown): unknown {
  return key instanceof PickleBytes && "latin1" in key.content ? key.content.latin1 : key;
}
