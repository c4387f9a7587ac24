/**
 * @file Tar archives, read where their records lie: headers of 512 bytes, each before the bytes of its record.
 * Format: https://www.gnu.org/software/tar/manual/html_node/Standard.html
 */

import { quote } from "../safetensors-header.js";
import { type ByteSource, damaged, section } from "./byte-source.js";

const BLOCK = 512;
/** Archives of weights have four records. */
const MAX_RECORDS = 1000;
const CHECKSUM = { begin: 148, end: 156 };
/** Types of headers that describe a file; all others describe the next header, a folder or a link. */
const FILES = ["0", "\0", "7"];

/** Whether the first block of a file is the header of a tar archive. */
export const isTar = (start: Uint8Array): boolean =>
  Buffer.from(start.subarray(257, 262)).toString("latin1") === "ustar";

const textIn = (header: Buffer, begin: number, length: number) =>
  header.toString("latin1", begin, begin + length).split("\0")[0];

/** An octal number in ASCII, or for more than 8 GiB one in base 256. */
function sizeIn(header: Buffer): number {
  if (header[124] & 0x80) return Number(header.readBigUInt64BE(128));
  const text = textIn(header, 124, 12).trim();
  return /^[0-7]+$/.test(text) ? Number.parseInt(text, 8) : Number.NaN;
}

/** The sum of all bytes, those of the checksum itself counted as blanks. */
function hasItsChecksum(header: Buffer): boolean {
  const own = header.subarray(CHECKSUM.begin, CHECKSUM.end);
  const sum = header.reduce((a, b) => a + b, 0) - own.reduce((a, b) => a + b, 0) + 0x20 * own.length;
  return Number.parseInt(textIn(header, CHECKSUM.begin, own.length).trim(), 8) === sum;
}

/**
 * The files of a tar archive by name, as parts of it. Of a name that is there twice, the last one counts.
 * @throws InputError naming the archive and the reason
 */
export function readTar(source: ByteSource): ReadonlyMap<string, ByteSource> {
  const records = new Map<string, ByteSource>();
  const header = Buffer.alloc(BLOCK);
  for (let at = 0; at + BLOCK <= source.size; ) {
    source.readSync(header, at);
    if (header.every((byte) => byte === 0)) return records; // the end
    const name = textIn(header, 0, 100);
    const size = sizeIn(header);
    const fail = (found: string) => damaged(source.path, `a tar archive with ${found}`);
    if (!hasItsChecksum(header)) throw fail(`a damaged header at byte ${at}`);
    if (!(at + BLOCK + size <= source.size)) throw fail(`the record ${quote(name)} behind its end`);
    if (records.size >= MAX_RECORDS) throw fail(`more than ${MAX_RECORDS} records`);
    if (FILES.includes(String.fromCharCode(header[156]))) records.set(name, section(source, at + BLOCK, size));
    at += BLOCK + Math.ceil(size / BLOCK) * BLOCK;
  }
  throw damaged(source.path, `a tar archive that is cut off at byte ${source.size}`);
}
