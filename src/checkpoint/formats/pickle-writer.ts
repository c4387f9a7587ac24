/** @file Writing the few kinds of objects that weights files hold, as pickle protocol 2 (PyTorch) or 4 (NumPy). */

/** What a writer can be given: plain data and calls of named functions. */
export type Picklable =
  | null
  | boolean
  | number
  | string
  | Uint8Array
  | PickledTuple
  | PickledDict
  | PickledCall
  | PickledGlobal
  | PickledPersistent;

export interface PickledTuple {
  readonly tuple: readonly Picklable[];
}
/** An OrderedDict when `ordered`; `attributes` are set on the object itself, as a state dict's `_metadata` is. */
export interface PickledDict {
  readonly dict: Iterable<readonly [string, Picklable]>;
  readonly ordered?: boolean;
  readonly attributes?: PickledDict;
}
/** The result of a function, with a state given to it afterwards. */
export interface PickledCall {
  readonly call: PickledGlobal;
  readonly args: readonly Picklable[];
  readonly state?: PickledTuple;
}
export interface PickledGlobal {
  readonly module: string;
  readonly name: string;
}
/** What the reader finds by an id of its own. */
export interface PickledPersistent {
  readonly persistent: PickledTuple;
}

const bytesOf = (text: string) => new TextEncoder().encode(text);

function uint32(opcode: string, value: number): Uint8Array {
  const bytes = Buffer.alloc(5, opcode, "latin1");
  bytes.writeUInt32LE(value, 1);
  return bytes;
}

function* integer(value: number): Generator<Uint8Array> {
  if (Number.isInteger(value) && value >= 0 && value < 256) yield Uint8Array.of(0x4b, value);
  else if (Number.isInteger(value) && Math.abs(value) < 2 ** 31) yield uint32("J", value >>> 0);
  else if (Number.isSafeInteger(value)) {
    const bytes = Buffer.alloc(10, "\x8a\x08", "latin1"); // LONG1 of eight bytes
    bytes.writeBigInt64LE(BigInt(value), 2);
    yield bytes;
  } else {
    const bytes = Buffer.alloc(9, "G", "latin1");
    bytes.writeDoubleBE(value, 1);
    yield bytes;
  }
}

function* text(value: string): Generator<Uint8Array> {
  const bytes = bytesOf(value);
  yield uint32("X", bytes.length);
  yield bytes;
}

function* tuple(items: readonly Picklable[]): Generator<Uint8Array> {
  yield bytesOf("(");
  for (const item of items) yield* value(item);
  yield bytesOf("t");
}

const ORDERED_DICT: PickledGlobal = { module: "collections", name: "OrderedDict" };

function* dict({ dict: entries, ordered, attributes }: PickledDict): Generator<Uint8Array> {
  if (ordered) yield* value({ call: ORDERED_DICT, args: [] });
  else yield bytesOf("}");
  yield bytesOf("(");
  for (const [key, entry] of entries) {
    yield* text(key);
    yield* value(entry);
  }
  yield bytesOf("u");
  if (!attributes) return;
  yield* dict(attributes);
  yield bytesOf("b");
}

function* value(given: Picklable): Generator<Uint8Array> {
  if (given === null) yield bytesOf("N");
  else if (typeof given === "boolean") yield Uint8Array.of(given ? 0x88 : 0x89);
  else if (typeof given === "number") yield* integer(given);
  else if (typeof given === "string") yield* text(given);
  else if (given instanceof Uint8Array) {
    yield uint32("B", given.length);
    yield given;
  } else if ("tuple" in given) yield* tuple(given.tuple);
  else if ("dict" in given) yield* dict(given);
  else if ("module" in given) yield bytesOf(`c${given.module}\n${given.name}\n`);
  else if ("persistent" in given) {
    yield* tuple(given.persistent.tuple);
    yield bytesOf("Q");
  } else {
    yield* value(given.call);
    yield* tuple(given.args);
    yield bytesOf("R");
    if (!given.state) return;
    yield* tuple(given.state.tuple);
    yield bytesOf("b");
  }
}

/** The bytes of a pickle, in pieces. Byte strings are not copied; they need protocol 3 or later. */
export function* pickle(root: Picklable, protocol: 2 | 4): Generator<Uint8Array> {
  yield Uint8Array.of(0x80, protocol);
  yield* value(root);
  yield bytesOf(".");
}
