/** @file NumPy arrays in pickles, as versions 1 and 2 write them with protocols 0 to 5. */

import { ELEMENT_TYPES, type ElementType } from "./element-type.js";
import { type Buildable, PickleBytes, PickleDict, PickleGlobal, PickleList, PickleTuple } from "./pickle-values.js";
import { type ByteStore, denseStrides, type StridedTensor } from "./stored-tensor.js";

const CODES: Record<string, string> = {
  f2: "float16",
  f4: "float32",
  f8: "float64",
  i1: "int8",
  i2: "int16",
  i4: "int32",
  i8: "int64",
  u1: "uint8",
  b1: "bool",
};

class NumpyType implements Buildable {
  bigEndian = false;
  constructor(
    readonly code: string,
    readonly type: ElementType | undefined,
  ) {}

  /** (version, byte order, ...) */
  setState(state: unknown): void {
    if (state instanceof PickleTuple) this.bigEndian = state.items[1] === ">";
  }
}

/** An array; its fields are what `__setstate__` was given. */
export class NumpyArray implements Buildable {
  private shape: readonly unknown[] = [];
  private dtype: unknown;
  private columnMajor = false;
  private data: unknown;

  /** (version, shape, dtype, column-major, data) */
  setState(state: unknown): void {
    if (!(state instanceof PickleTuple)) return;
    const [, shape, dtype, columnMajor, data] = state.items;
    this.fill(shape, dtype, columnMajor === true, data);
  }

  fill(shape: unknown, dtype: unknown, columnMajor: boolean, data: unknown): this {
    this.shape = shape instanceof PickleTuple ? shape.items : [shape];
    this.dtype = dtype;
    this.columnMajor = columnMajor;
    this.data = data;
    return this;
  }

  get axes(): number {
    return this.shape.length;
  }

  /** The array as strides over its bytes, or what is wrong with it. */
  strided(): StridedTensor | string {
    if (!(this.dtype instanceof NumpyType)) return "no element type";
    const { type, code, bigEndian } = this.dtype;
    if (!type) return `elements of the NumPy type ${JSON.stringify(code)}`;
    const store = bytesOf(this.data);
    if (!store) return "data that is no byte string";
    const shape = this.shape.map(Number);
    return { type, bigEndian, shape, strides: denseStrides(shape, this.columnMajor), offset: 0, store };
  }
}

function bytesOf(value: unknown): ByteStore | undefined {
  if (value instanceof PickleBytes) return value.store();
  return typeof value === "string" ? new PickleBytes({ latin1: value }).store() : undefined;
}

function dtypeOf([code]: readonly unknown[]): unknown {
  if (typeof code !== "string") return undefined;
  const [, order, name] = /^([<>|=]?)(.*)$/s.exec(code)!;
  const dtype = new NumpyType(code, ELEMENT_TYPES.get(CODES[name]));
  dtype.bigEndian = order === ">";
  return dtype;
}

/** Single numbers count as arrays without axes. */
function scalar([dtype, data]: readonly unknown[]): unknown {
  return new NumpyArray().fill(new PickleTuple([]), dtype, false, data);
}

function fromBuffer([data, dtype, shape, order]: readonly unknown[]): unknown {
  return new NumpyArray().fill(shape, dtype, order === "F", data);
}

/** `_codecs.encode(text, "latin1")`: how protocol 2 writes the byte strings of Python 3. */
function encode([text, encoding]: readonly unknown[]): unknown {
  if (encoding !== "latin1") return undefined;
  if (text instanceof PickleBytes) return text;
  return typeof text === "string" ? new PickleBytes({ latin1: text }) : undefined;
}

/** `bytes()` and `bytearray(...)`. */
function bytes(args: readonly unknown[]): unknown {
  if (args.length === 0) return new PickleBytes({ latin1: "" });
  if (args.length === 2) return encode(args);
  return args[0] instanceof PickleBytes ? args[0] : undefined;
}

/** A dictionary, perhaps from a list of pairs. */
function dictionary(args: readonly unknown[], spend: (objects: number) => void): unknown {
  const dict = new PickleDict();
  const pairs = args.at(-1);
  if (pairs instanceof PickleDict) spend(pairs.entries.size);
  if (pairs instanceof PickleDict) for (const [key, value] of pairs.entries) dict.set(key, value);
  if (!(pairs instanceof PickleList)) return dict;
  spend(pairs.items.length);
  for (const pair of pairs.items) {
    const items = pair instanceof PickleTuple || pair instanceof PickleList ? pair.items : [];
    if (items.length !== 2) return undefined;
    dict.set(items[0], items[1]);
  }
  return dict;
}

/** Sets stay lists. */
function collection([items]: readonly unknown[]): unknown {
  return items instanceof PickleList || items instanceof PickleTuple ? items : new PickleList();
}

type Call = NonNullable<PickleGlobal["call"]>;

/** The plain classes of Python, those that are read as nothing but their attributes, and NumPy's arrays. */
const CALLS: Record<string, Call | undefined> = {
  "collections.OrderedDict": dictionary,
  "collections.defaultdict": dictionary,
  "collections.Counter": dictionary,
  "argparse.Namespace": dictionary,
  "yacs.config.CfgNode": dictionary,
  "_codecs.encode": encode,
  "numpy.ndarray": undefined,
  "numpy.dtype": dtypeOf,
};
for (const builtins of ["builtins", "__builtin__"]) {
  for (const name of ["bytes", "bytearray"]) CALLS[`${builtins}.${name}`] = bytes;
  for (const name of ["set", "frozenset"]) CALLS[`${builtins}.${name}`] = collection;
  for (const name of ["dict", "int", "float", "list"]) {
    // The others serve only as a defaultdict's factory.
    CALLS[`${builtins}.${name}`] = name === "dict" ? dictionary : undefined;
  }
}
for (const core of ["numpy.core", "numpy._core"]) {
  CALLS[`${core}.multiarray._reconstruct`] = () => new NumpyArray();
  CALLS[`${core}.multiarray.scalar`] = scalar;
  CALLS[`${core}.numeric._frombuffer`] = fromBuffer;
}

const GLOBALS = new Map(Object.entries(CALLS).map(([name, call]) => [name, new PickleGlobal(name, call)]));

/** The allow-list of pickles that hold arrays and plain data. */
export function resolveNumpy(name: string): PickleGlobal | undefined {
  return GLOBALS.get(name);
}
