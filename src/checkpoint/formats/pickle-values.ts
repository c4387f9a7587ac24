/** @file What a pickle can hold here: plain data, and stand-ins for the few classes on the allow-list. */

import type { ByteStore } from "./stored-tensor.js";

/** A class or function that a pickle may name. What has no `call` is only ever an argument. */
export class PickleGlobal {
  constructor(
    readonly name: string,
    readonly call?: (args: readonly unknown[], spend: (objects: number) => void) => unknown,
  ) {}
}

/** Takes the state that a BUILD instruction gives. */
export interface Buildable {
  setState(state: unknown): void;
}

export function isBuildable(value: unknown): value is Buildable {
  return typeof value === "object" && value !== null && "setState" in value;
}

export class PickleTuple {
  constructor(readonly items: readonly unknown[]) {}
}

export class PickleList {
  readonly items: unknown[] = [];
}

const NO_ENTRIES: ReadonlyMap<unknown, unknown> = new Map();

/** A dict or OrderedDict, or the attributes of an object that is read as nothing but its data. */
export class PickleDict implements Buildable {
  private filled: Map<unknown, unknown> | undefined; // made for the first entry: an empty one takes 200 bytes

  /** Nothing is read of what is set on the object itself, e.g. a state dict's `_metadata`. */
  setState(): void {}

  get entries(): ReadonlyMap<unknown, unknown> {
    return this.filled ?? NO_ENTRIES;
  }

  get(key: string): unknown {
    return this.entries.get(key);
  }

  set(key: unknown, value: unknown): void {
    this.filled ??= new Map();
    this.filled.set(key, value);
  }
}

/** Byte strings: in memory, or still in the file. `latin1` is how Python 2 and protocol 2 spell them. */
export class PickleBytes {
  constructor(readonly content: { readonly latin1: string } | { readonly store: ByteStore }) {}

  /** Bytes to read when asked for; undefined where the text is no byte string. */
  store(): ByteStore | undefined {
    if ("store" in this.content) return this.content.store;
    const { latin1 } = this.content;
    for (let i = 0; i < latin1.length; i++) if (latin1.charCodeAt(i) > 0xff) return undefined;
    const bytes = Buffer.from(latin1, "latin1");
    return {
      length: bytes.length,
      read: async (target, begin) => target.set(bytes.subarray(begin, begin + target.length)),
    };
  }
}
