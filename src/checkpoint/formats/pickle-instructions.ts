/** @file The instructions of pickle protocols 0 to 5 by their byte. */

import { MAX_INLINE } from "./pickle-input.js";
import type { PickleMachine } from "./pickle-machine.js";
import { PickleBytes, PickleDict, PickleList, PickleTuple } from "./pickle-values.js";

type Instruction = (m: PickleMachine) => void;

/** Longer integers occur in no checkpoint. */
const MAX_INTEGER_BYTES = 1024;

function integerLine(m: PickleMachine): number | bigint {
  const text = m.input.line().replace(/L$/, "");
  if (!/^-?\d{1,2000}$/.test(text)) throw m.fail("no whole number");
  return narrowed(BigInt(text));
}

/** A number where that is exact. */
function narrowed(value: bigint): number | bigint {
  return BigInt.asIntN(53, value) === value ? Number(value) : value;
}

/** Two's complement, little-endian. */
function long(m: PickleMachine, length: number): number | bigint {
  if (length > MAX_INTEGER_BYTES) throw m.fail(`an integer of ${length} bytes`);
  const digits = m.input.bytes(length).reverse().toString("hex");
  return length === 0 ? 0 : narrowed(BigInt.asIntN(8 * length, BigInt(`0x${digits}`)));
}

function text(m: PickleMachine, length: number): void {
  if (length > MAX_INLINE) m.pushNew(new PickleBytes({ store: m.input.storedText(length) }));
  else m.push(m.input.bytes(length).toString("utf8"));
}

function bytes(m: PickleMachine, length: number): void {
  m.pushNew(new PickleBytes({ store: m.input.stored(length) }));
}

/** A string of Python 2: a name, or the bytes of an array. */
function string2(m: PickleMachine, length: number): void {
  if (length > MAX_INLINE) bytes(m, length);
  else m.push(m.input.bytes(length).toString("latin1"));
}

const ESCAPES: Record<string, string> = { n: "\n", t: "\t", r: "\r", b: "\b", f: "\f", v: "\v", a: "\x07" };

/** `'a\x00\n'` as Python 2 writes it. */
function quotedLine(m: PickleMachine): string {
  const quoted = m.input.line();
  if (quoted.length < 2 || !/^(['"]).*\1$/s.test(quoted)) throw m.fail("a string without quotes");
  return quoted.slice(1, -1).replace(/\\(x[0-9a-fA-F]{2}|.)/gs, (_, code: string) => {
    return code.length === 3 ? String.fromCharCode(Number.parseInt(code.slice(1), 16)) : (ESCAPES[code] ?? code);
  });
}

/** Python's raw-unicode-escape: only \uXXXX and \UXXXXXXXX are escapes. */
function unicodeLine(m: PickleMachine): string {
  return m.input.line().replace(/\\u([0-9a-fA-F]{4})|\\U([0-9a-fA-F]{8})/g, (_, short?: string, full?: string) => {
    const point = Number.parseInt(short ?? full ?? "", 16);
    if (point > 0x10ffff) throw m.fail("a character beyond Unicode");
    return String.fromCodePoint(point);
  });
}

function floatLine(m: PickleMachine): number {
  const line = m.input.line();
  const value = { nan: Number.NaN, inf: Number.POSITIVE_INFINITY, "-inf": Number.NEGATIVE_INFINITY }[line];
  if (value !== undefined) return value;
  if (line.trim() === "" || Number.isNaN(Number(line))) throw m.fail("no number");
  return Number(line);
}

function tuple(m: PickleMachine, length: number): void {
  const items = Array.from({ length }, () => m.pop()).reverse();
  m.pushNew(new PickleTuple(items));
}

function argumentsOf(m: PickleMachine, args: unknown): readonly unknown[] {
  if (!(args instanceof PickleTuple)) throw m.fail("arguments that are no tuple");
  return args.items;
}

function list(m: PickleMachine, items: readonly unknown[]): void {
  m.pushNew(new PickleList());
  m.append(items);
}

function dict(m: PickleMachine, pairs: readonly unknown[]): void {
  m.pushNew(new PickleDict());
  m.setItems(pairs);
}

/** A class from the stack with keyword arguments, which no class on the allow-list takes. */
function newWithKeywords(m: PickleMachine): void {
  const keywords = m.pop();
  if (!(keywords instanceof PickleDict) || keywords.entries.size > 0) throw m.fail("keyword arguments");
  const args = argumentsOf(m, m.pop());
  m.call(m.pop(), args);
}

function call(m: PickleMachine): void {
  const args = argumentsOf(m, m.pop());
  m.call(m.pop(), args);
}

function stackGlobal(m: PickleMachine): void {
  const [name, module] = [m.pop(), m.pop()];
  if (typeof name !== "string" || typeof module !== "string") throw m.fail("a class whose name is no string");
  m.global(module, name);
}

/** The class comes first above the mark, then its arguments. */
function callAboveMark(m: PickleMachine): void {
  const [callee, ...args] = m.popMark();
  m.call(callee, args);
}

function instance(m: PickleMachine): void {
  m.global(m.input.line(), m.input.line());
  const callee = m.pop();
  m.call(callee, m.popMark());
}

/** Sets stay lists: nothing here asks them what they hold. */
function addItems(m: PickleMachine): void {
  m.append(m.popMark());
}

const refuse =
  (found: string): Instruction =>
  (m) => {
    throw m.fail(found);
  };

export const INSTRUCTIONS: ReadonlyMap<number, Instruction> = new Map(
  (
    [
      // Control, stack, memo
      ["\x80", (m) => (m.input.byte() > 5 ? refuse("a protocol newer than 5")(m) : undefined)],
      [".", (m) => (m.stopped = true)],
      ["\x95", (m) => m.input.u64()], // FRAME: only a hint for reading ahead
      ["(", (m) => m.mark()],
      ["0", (m) => (m.stack.length === m.marks.at(-1) ? m.popMark() : m.pop())],
      ["1", (m) => m.popMark()],
      ["2", (m) => m.push(m.top())],
      ["p", (m) => m.memoize(Number(integerLine(m)))],
      ["q", (m) => m.memoize(m.input.byte())],
      ["r", (m) => m.memoize(m.input.u32())],
      ["\x94", (m) => m.memoize(m.memo.size)],
      ["g", (m) => m.recall(Number(integerLine(m)))],
      ["h", (m) => m.recall(m.input.byte())],
      ["j", (m) => m.recall(m.input.u32())],
      // Constants and numbers
      ["N", (m) => m.push(null)],
      ["\x88", (m) => m.push(true)],
      ["\x89", (m) => m.push(false)],
      [
        "I",
        (m) => {
          const value = m.input.line(); // 00 and 01 are the booleans
          if (/^0[01]$/.test(value)) m.push(value === "01");
          else if (/^-?\d{1,2000}$/.test(value)) m.push(narrowed(BigInt(value)));
          else throw m.fail("no whole number");
        },
      ],
      ["L", (m) => m.push(integerLine(m))],
      ["J", (m) => m.push(m.input.bytes(4).readInt32LE())],
      ["K", (m) => m.push(m.input.byte())],
      ["M", (m) => m.push(m.input.u16())],
      ["\x8a", (m) => m.push(long(m, m.input.byte()))],
      ["\x8b", (m) => m.push(long(m, m.input.u32()))],
      ["F", (m) => m.push(floatLine(m))],
      ["G", (m) => m.push(m.input.bytes(8).readDoubleBE())],
      // Strings
      ["S", (m) => m.push(quotedLine(m))],
      ["T", (m) => string2(m, m.input.u32())],
      ["U", (m) => string2(m, m.input.byte())],
      ["V", (m) => m.push(unicodeLine(m))],
      ["X", (m) => text(m, m.input.u32())],
      ["\x8c", (m) => text(m, m.input.byte())],
      ["\x8d", (m) => text(m, m.input.u64())],
      ["B", (m) => bytes(m, m.input.u32())],
      ["C", (m) => bytes(m, m.input.byte())],
      ["\x8e", (m) => bytes(m, m.input.u64())],
      ["\x96", (m) => bytes(m, m.input.u64())],
      // Containers
      [")", (m) => m.pushNew(new PickleTuple([]))],
      ["\x85", (m) => tuple(m, 1)],
      ["\x86", (m) => tuple(m, 2)],
      ["\x87", (m) => tuple(m, 3)],
      ["t", (m) => m.pushNew(new PickleTuple(m.popMark()))],
      ["]", (m) => m.pushNew(new PickleList())],
      ["l", (m) => list(m, m.popMark())],
      ["a", (m) => m.append([m.pop()])],
      ["e", (m) => m.append(m.popMark())],
      ["}", (m) => m.pushNew(new PickleDict())],
      ["d", (m) => dict(m, m.popMark())],
      ["s", (m) => m.setItems([m.pop(), m.pop()].reverse())],
      ["u", (m) => m.setItems(m.popMark())],
      ["\x8f", (m) => m.pushNew(new PickleList())],
      ["\x90", addItems],
      ["\x91", (m) => list(m, m.popMark())],
      // Classes and functions: names on the allow-list
      ["c", (m) => m.global(m.input.line(), m.input.line())],
      ["\x93", stackGlobal],
      ["R", call],
      ["\x81", call],
      ["\x92", newWithKeywords],
      ["o", callAboveMark],
      ["i", instance],
      ["b", (m) => m.build()],
      ["P", (m) => m.persistent(m.input.line())],
      ["Q", (m) => m.persistent(m.pop())],
      ["\x82", refuse("an entry of Python's extension registry")],
      ["\x83", refuse("an entry of Python's extension registry")],
      ["\x84", refuse("an entry of Python's extension registry")],
      ["\x97", refuse("a buffer outside of the pickle")],
      ["\x98", refuse("a buffer outside of the pickle")],
    ] as [string, Instruction][]
  ).map(([code, instruction]) => [code.charCodeAt(0), instruction]),
);
