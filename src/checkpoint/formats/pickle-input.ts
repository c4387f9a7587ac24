/** @file A cursor over the bytes of a pickle. Long strings stay in the file and are read when a tensor is. */

import { type ByteSource, damaged } from "./byte-source.js";
import type { ByteStore } from "./stored-tensor.js";

const WINDOW = 2 ** 16;
/** Longer strings are not brought into memory while the pickle is parsed. */
export const MAX_INLINE = 2 ** 15;
/**
 * Longer lines occur in no pickle: names and numbers of protocol 0, and strings, which newer protocols spell otherwise.
 */
const MAX_LINE = 2 ** 22;

export class PickleInput {
  private window = new Uint8Array(0);
  private windowStart = 0;

  constructor(
    readonly source: ByteSource,
    public position = 0,
  ) {}

  private available(length: number): void {
    const { path, size } = this.source;
    if (this.position + length <= size) return;
    throw damaged(path, `its end at byte ${size}, where ${length} bytes from byte ${this.position} on belong`);
  }

  byte(): number {
    const at = this.position - this.windowStart;
    if (at >= 0 && at < this.window.length) {
      this.position++;
      return this.window[at];
    }
    this.available(1);
    this.window = new Uint8Array(Math.min(WINDOW, this.source.size - this.position));
    this.windowStart = this.position;
    this.source.readSync(this.window, this.position);
    return this.byte();
  }

  bytes(length: number): Buffer {
    this.available(length);
    const at = this.position - this.windowStart;
    const result = Buffer.alloc(length);
    if (at >= 0 && at + length <= this.window.length) result.set(this.window.subarray(at, at + length));
    else this.source.readSync(result, this.position);
    this.position += length;
    return result;
  }

  skip(length: number): void {
    this.available(length);
    this.position += length;
  }

  u16(): number {
    return this.bytes(2).readUInt16LE();
  }

  u32(): number {
    return this.bytes(4).readUInt32LE();
  }

  /** A length of eight bytes. */
  u64(): number {
    return Number(this.bytes(8).readBigUInt64LE());
  }

  /** Up to the next line break, without it; Latin-1. */
  line(): string {
    const pieces: string[] = [];
    let length = 0;
    for (;;) {
      const first = this.byte();
      if (first === 0x0a) return pieces.join("");
      // From here to the line break or to the end of the window, whichever comes first.
      const start = this.position - 1 - this.windowStart;
      const found = this.window.indexOf(0x0a, start);
      const end = found < 0 ? this.window.length : found;
      pieces.push(Buffer.from(this.window.subarray(start, end)).toString("latin1"));
      this.position = this.windowStart + end;
      length += end - start;
      if (length > MAX_LINE) throw damaged(this.source.path, `a line of more than ${MAX_LINE} bytes in a pickle`);
    }
  }

  /** Skips `length` bytes, which stay in the file. */
  stored(length: number): ByteStore {
    const { source, position } = this;
    this.skip(length);
    return { length, read: (target, begin) => source.read(target, position + begin) };
  }

  /** Skips `length` bytes of UTF-8 whose characters each stand for a byte. */
  storedText(length: number): ByteStore {
    const { source, position } = this;
    this.skip(length);
    return {
      length: undefined,
      async read(target, begin) {
        if (begin !== 0) throw new RangeError("storedText: text can only be read from its start");
        await decodeLatin1(source, position, length, target);
      },
    };
  }
}

/** Decodes UTF-8 of characters up to U+00FF into bytes. Throws `InputError` unless that fills `target` exactly. */
async function decodeLatin1(source: ByteSource, position: number, length: number, target: Uint8Array): Promise<void> {
  const wrong = (found: string) => damaged(source.path, `${found} at byte ${position}`);
  if (length < target.length || length > 2 * target.length) {
    throw wrong(`a text of ${length} bytes for an array of ${target.length}`);
  }
  const piece = new Uint8Array(Math.min(length, 2 ** 20));
  let filled = 0;
  for (let done = 0; done < length; ) {
    let part = piece.subarray(0, Math.min(piece.length, length - done));
    await source.read(part, position + done);
    if (done + part.length < length && part[part.length - 1] >= 0xc0) part = part.subarray(0, -1); // half a character
    for (let i = 0; i < part.length; ) {
      const byte = part[i++];
      if (byte < 0x80)
        target[filled++] = byte; // beyond the end: no effect
      else if ((byte === 0xc2 || byte === 0xc3) && part[i] >> 6 === 2) {
        target[filled++] = ((byte & 3) << 6) | (part[i++] & 0x3f);
      } else throw wrong("text that spells no bytes");
    }
    done += part.length;
  }
  if (filled !== target.length) throw wrong(`${filled} bytes for an array of ${target.length}`);
}
