/**
 * @file The header of a safetensors file: `u64 length | JSON | data`, parsed as if an attacker had written it. The JSON
 * is read by a parser of exactly this grammar, so that a repeated key is seen and memory stays near the file's size.
 * Format: https://github.com/huggingface/safetensors#format
 */

import { InputError, ShapeError } from "../core/errors.js";
import { BYTES, type DType, type Shape, sizeOf, type TensorData } from "../core/tensor-data.js";
import { ELEMENT_TYPES, type ElementType } from "./formats/element-type.js";

export interface Entry {
  /** As stored: F32, F16, BF16, I64, ... */
  readonly stored: string;
  readonly shape: Shape;
  /** Byte range [begin, end) within the data part. */
  readonly begin: number;
  readonly end: number;
}

export interface Header {
  readonly entries: ReadonlyMap<string, Entry>;
  readonly metadata: ReadonlyMap<string, string>;
}

/** Bytes of the length field. */
export const LENGTH_BYTES = 8;
/** The format's own limit for the JSON part. */
export const MAX_HEADER_BYTES = 100_000_000;

/** Every type of the format: bytes of an element, and how it is read (absent: this project does not read it). */
export const STORED: ReadonlyMap<string, { bytes: number; type?: ElementType }> = new Map([
  ["F32", { bytes: 4, type: ELEMENT_TYPES.get("float32") }],
  ["F64", { bytes: 8, type: ELEMENT_TYPES.get("float64") }],
  ["F16", { bytes: 2, type: ELEMENT_TYPES.get("float16") }],
  ["BF16", { bytes: 2, type: ELEMENT_TYPES.get("bfloat16") }],
  ["I64", { bytes: 8, type: ELEMENT_TYPES.get("int64") }],
  ["I32", { bytes: 4, type: ELEMENT_TYPES.get("int32") }],
  ["I16", { bytes: 2, type: ELEMENT_TYPES.get("int16") }],
  ["I8", { bytes: 1, type: ELEMENT_TYPES.get("int8") }],
  ["U8", { bytes: 1, type: ELEMENT_TYPES.get("uint8") }],
  ["BOOL", { bytes: 1, type: ELEMENT_TYPES.get("bool") }],
  ["U64", { bytes: 8 }],
  ["U32", { bytes: 4 }],
  ["U16", { bytes: 2 }],
  ["F8_E4M3", { bytes: 1 }],
  ["F8_E5M2", { bytes: 1 }],
]);

const STORED_AS: Record<DType, string> = {
  float32: "F32",
  float64: "F64",
  int64: "I64",
  int32: "I32",
  bool: "BOOL",
  uint8: "U8",
};

export function damaged(path: string, found: string): InputError {
  return new InputError({
    where: path,
    expected: "a valid safetensors file",
    found,
    fix: "The file is damaged or not a safetensors file: copy or download it again.",
  });
}

/** A name from a file, made safe and short enough to print. */
export function quote(name: string): string {
  return JSON.stringify(name.length > 80 ? `${name.slice(0, 77)}...` : name);
}

/**
 * A cursor over `{"name": {"dtype": ..., "shape": [...], "data_offsets": [a, b]}, "__metadata__": {"key": "value"}}`.
 */
class HeaderReader {
  private at = 0;

  constructor(
    private readonly text: string,
    private readonly fail: (found: string) => InputError,
  ) {}

  private skipSpace(): void {
    while (" \t\n\r".includes(this.text.charAt(this.at) || "x")) this.at++;
  }

  private next(): string {
    this.skipSpace();
    return this.text.charAt(this.at);
  }

  private take(symbol: string): void {
    if (this.next() !== symbol) throw this.unexpected(JSON.stringify(symbol));
    this.at++;
  }

  private unexpected(wanted: string): InputError {
    const found = this.next();
    return this.fail(
      `${found ? quote(found) : "the end"} at character ${this.at} of its header, where ${wanted} belongs`,
    );
  }

  string(): string {
    this.take('"');
    const start = this.at - 1;
    while (this.text[this.at] !== '"') {
      if (this.at >= this.text.length) throw this.fail("an unfinished string in its header");
      this.at += this.text[this.at] === "\\" ? 2 : 1;
    }
    this.at++;
    try {
      return JSON.parse(this.text.slice(start, this.at)) as string;
    } catch {
      throw this.fail(`an invalid string at character ${start} of its header`);
    }
  }

  integers(): number[] {
    const digits = /0|[1-9][0-9]*/y;
    const values: number[] = [];
    this.take("[");
    while (this.next() !== "]") {
      if (values.length > 0) this.take(",");
      this.skipSpace();
      digits.lastIndex = this.at;
      const text = digits.exec(this.text)?.[0];
      if (text === undefined) throw this.unexpected("a whole number");
      this.at += text.length;
      values.push(Number(text));
    }
    this.take("]");
    return values;
  }

  /** Calls `member` at every value; a repeated key is an error. */
  object(member: (key: string) => void): void {
    const keys = new Set<string>();
    this.take("{");
    while (this.next() !== "}") {
      if (keys.size > 0) this.take(",");
      const key = this.string();
      if (keys.has(key)) throw this.fail(`the key ${quote(key)} twice`);
      keys.add(key);
      this.take(":");
      member(key);
    }
    this.take("}");
  }

  entry(name: string): Entry {
    let stored: string | undefined;
    let shape: number[] | undefined;
    let offsets: number[] | undefined;
    this.object((key) => {
      if (key === "dtype") stored = this.string();
      else if (key === "shape") shape = this.integers();
      else if (key === "data_offsets") offsets = this.integers();
      else throw this.fail(`the unknown key ${quote(key)} in tensor ${quote(name)}`);
    });
    if (stored === undefined || shape === undefined || offsets?.length !== 2) {
      throw this.fail(`tensor ${quote(name)} without dtype, shape or a pair of data_offsets`);
    }
    return { stored, shape, begin: offsets[0], end: offsets[1] };
  }

  finish(): void {
    if (this.next() !== "") throw this.unexpected("the end");
  }
}

/** Bytes that a shape takes; undefined above 2^53, where numbers stop being exact. */
function bytesOf(shape: Shape, elementBytes: number): number | undefined {
  let bytes = elementBytes;
  for (const d of shape) {
    bytes *= d;
    if (!Number.isSafeInteger(bytes)) return undefined;
  }
  return bytes;
}

function checkEntry(name: string, { stored, shape, begin, end }: Entry, dataBytes: number): string | undefined {
  const element = STORED.get(stored);
  if (!element) return `tensor ${quote(name)} of unknown dtype ${quote(stored)}`;
  if (end < begin) return `tensor ${quote(name)} that ends (${end}) before it begins (${begin})`;
  if (end > dataBytes) return `tensor ${quote(name)} that ends at byte ${end} of ${dataBytes}`;
  const bytes = bytesOf(shape, element.bytes);
  if (bytes === undefined) return `tensor ${quote(name)} whose size overflows`;
  if (bytes !== end - begin) return `tensor ${quote(name)} of ${end - begin} bytes, where ${stored} makes ${bytes}`;
  return undefined;
}

/** Entries in the order in which their bytes lie in the file. */
export const inFileOrder = (entries: ReadonlyMap<string, Entry>): [string, Entry][] =>
  [...entries].sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end);

/** The tensors must fill the data part without overlap, hole or rest, in whatever order the header names them. */
function checkLayout(entries: ReadonlyMap<string, Entry>, dataBytes: number): string | undefined {
  let filled = 0;
  for (const [name, { begin, end }] of inFileOrder(entries)) {
    if (begin < filled) return `tensor ${quote(name)} that overlaps the one before it`;
    if (begin > filled) return `a hole of ${begin - filled} bytes before tensor ${quote(name)}`;
    filled = end;
  }
  return filled === dataBytes ? undefined : `${dataBytes - filled} bytes that belong to no tensor`;
}

/** Length of the JSON part. Throws `InputError` when the file cannot hold it. */
export function parseLength(prefix: Uint8Array, fileBytes: number, path: string): number {
  if (prefix.byteLength < LENGTH_BYTES) throw damaged(path, `${fileBytes} bytes`);
  const length = new DataView(prefix.buffer, prefix.byteOffset).getBigUint64(0, true);
  if (length > MAX_HEADER_BYTES)
    throw damaged(path, `a header of ${length} bytes (at most ${MAX_HEADER_BYTES} are allowed)`);
  if (Number(length) > fileBytes - LENGTH_BYTES)
    throw damaged(path, `a header of ${length} bytes in a file of ${fileBytes}`);
  return Number(length);
}

/**
 * Parses and checks the JSON part.
 * @param dataBytes bytes of the file behind the header
 * @throws InputError naming `path` and the reason
 */
export function parseHeader(json: Uint8Array, dataBytes: number, path: string): Header {
  const fail = (found: string) => damaged(path, found);
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(json);
  } catch {
    throw fail("a header that is not UTF-8");
  }
  const entries = new Map<string, Entry>();
  const metadata = new Map<string, string>();
  const reader = new HeaderReader(text, fail);
  reader.object((name) => {
    if (name === "__metadata__") reader.object((key) => metadata.set(key, reader.string()));
    else entries.set(name, reader.entry(name));
  });
  reader.finish();
  for (const [name, entry] of entries) {
    const fault = checkEntry(name, entry, dataBytes);
    if (fault) throw fail(fault);
  }
  const fault = checkLayout(entries, dataBytes);
  if (fault) throw fail(fault);
  return { entries, metadata };
}

/**
 * Length field and JSON for tensors that follow in the given order, padded with spaces so that the data is 8-byte
 * aligned. Throws `ShapeError` for a tensor whose data does not fit its shape.
 */
export function buildHeader(tensors: ReadonlyMap<string, TensorData>, metadata: Record<string, string>): Uint8Array {
  // Members are joined by hand: an object would put whole-number keys first.
  const members: string[] = [];
  if (Object.keys(metadata).length > 0) members.push(`"__metadata__":${JSON.stringify(metadata)}`);
  let begin = 0;
  for (const [name, { dtype, shape, data }] of tensors) {
    if (data.length !== sizeOf(shape) || name === "__metadata__") {
      throw new ShapeError(`safetensors ${quote(name)}`, `${sizeOf(shape)} elements for [${shape}]`, `${data.length}`);
    }
    const end = begin + data.length * BYTES[dtype];
    members.push(
      `${JSON.stringify(name)}:${JSON.stringify({ dtype: STORED_AS[dtype], shape, data_offsets: [begin, end] })}`,
    );
    begin = end;
  }
  const json = new TextEncoder().encode(`{${members.join(",")}}`);
  const header = new Uint8Array(LENGTH_BYTES + Math.ceil(json.length / 8) * 8).fill(0x20);
  new DataView(header.buffer).setBigUint64(0, BigInt(header.length - LENGTH_BYTES), true);
  header.set(json, LENGTH_BYTES);
  return header;
}
