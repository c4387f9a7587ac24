/**
 * @file Zip archives, read as if an attacker had written them: names are keys and never paths, every record lies within
 * the file and overlaps no other, and what unpacks to many times its size is refused. Format:
 * https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
 */

import { crc32, inflateRawSync } from "node:zlib";
import type { InputError } from "../../core/errors.js";
import { quote } from "../safetensors-header.js";
import { type ByteSource, damaged, memorySource, section } from "./byte-source.js";
import type { ByteStore } from "./stored-tensor.js";

const LOCAL = 0x04034b50;
const CENTRAL = 0x02014b50;
const END = 0x06054b50;
const END_64 = 0x06064b50;
const LOCATOR_64 = 0x07064b50;
const [STORED, DEFLATED] = [0, 8];
const LOCAL_BYTES = 30;
const CENTRAL_BYTES = 46;
const END_BYTES = 22;
const LOCATOR_BYTES = 20;
const MAX_COMMENT = 0xffff;
/** Unpacked bytes over the file's size: trained weights reach 2 at most. */
const MAX_RATIO = 16;
const UNPACKED_ANYWAY = 2 ** 20;

export interface ZipRecord {
  readonly name: string;
  readonly method: number;
  readonly crc: number;
  readonly packedBytes: number;
  readonly bytes: number;
  /** Of its packed bytes within the file. */
  readonly begin: number;
}

function readAt(source: ByteSource, position: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  source.readSync(bytes, position);
  return bytes;
}

interface Directory {
  readonly begin: number;
  readonly bytes: number;
  readonly records: number;
}

/** The directory of an archive larger than 4 GiB, or with more than 65,534 records. */
function findDirectory64(source: ByteSource, end: number): Directory | undefined {
  if (end < LOCATOR_BYTES) return undefined;
  const locator = readAt(source, end - LOCATOR_BYTES, LOCATOR_BYTES);
  if (locator.readUInt32LE(0) !== LOCATOR_64) return undefined;
  const at = Number(locator.readBigUInt64LE(8));
  if (at + 56 > source.size) throw damaged(source.path, `a zip64 directory at byte ${at} of ${source.size}`);
  const record = readAt(source, at, 56);
  if (record.readUInt32LE(0) !== END_64) throw damaged(source.path, "a zip archive without its zip64 directory");
  const [records, bytes, begin] = [32, 40, 48].map((offset) => Number(record.readBigUInt64LE(offset)));
  return { records, bytes, begin };
}

function findDirectory(source: ByteSource): Directory {
  const length = Math.min(source.size, END_BYTES + MAX_COMMENT);
  const tail = readAt(source, source.size - length, length);
  for (let at = length - END_BYTES; at >= 0; at--) {
    if (tail.readUInt32LE(at) !== END || at + END_BYTES + tail.readUInt16LE(at + 20) !== length) continue;
    const [records, bytes, begin] = [
      tail.readUInt16LE(at + 10),
      tail.readUInt32LE(at + 12),
      tail.readUInt32LE(at + 16),
    ];
    return findDirectory64(source, source.size - length + at) ?? { records, bytes, begin };
  }
  throw damaged(
    source.path,
    `${source.size} bytes of a zip archive without the directory of its records, which lies at the end`,
  );
}

/** Sizes and place of a record larger than 4 GiB, in the order in which their short fields are full. */
function zip64Fields(extra: Buffer, needed: number): number[] | undefined {
  for (let at = 0; at + 4 <= extra.length; ) {
    const [id, length] = [extra.readUInt16LE(at), extra.readUInt16LE(at + 2)];
    if (id === 1) {
      if (length < 8 * needed || at + 4 + length > extra.length) return undefined;
      return Array.from({ length: needed }, (_, i) => Number(extra.readBigUInt64LE(at + 4 + 8 * i)));
    }
    at += 4 + length;
  }
  return undefined;
}

/** One entry of the directory, and where its bytes lie by its local header. */
function readEntry(source: ByteSource, directory: Buffer, at: number): { record: ZipRecord; end: number } {
  const fail = (found: string) => damaged(source.path, `a zip archive with ${found}`);
  if (at + CENTRAL_BYTES > directory.length || directory.readUInt32LE(at) !== CENTRAL) {
    throw fail(`a damaged directory at its byte ${at}`);
  }
  const [flags, method] = [directory.readUInt16LE(at + 8), directory.readUInt16LE(at + 10)];
  const [nameBytes, extraBytes, commentBytes] = [28, 30, 32].map((offset) => directory.readUInt16LE(at + offset));
  const nameEnd = at + CENTRAL_BYTES + nameBytes;
  const end = nameEnd + extraBytes + commentBytes;
  if (end > directory.length) throw fail(`a damaged directory at its byte ${at}`);
  const name = directory.toString("utf8", at + CENTRAL_BYTES, nameEnd);
  const short = [24, 20, 42].map((offset) => directory.readUInt32LE(at + offset)); // bytes, packed bytes, local header
  const full = short.map((value) => value === 0xffffffff);
  const long = full.includes(true)
    ? zip64Fields(directory.subarray(nameEnd, nameEnd + extraBytes), full.filter(Boolean).length)
    : [];
  if (!long) throw fail(`no size of the record ${quote(name)}`);
  const [bytes, packedBytes, header] = short.map((value, i) => (full[i] ? (long.shift() as number) : value));
  if (flags & 1) throw fail(`the encrypted record ${quote(name)}`);
  if (method !== STORED && method !== DEFLATED)
    throw fail(`the record ${quote(name)} packed by the unknown method ${method}`);
  if (method === STORED && bytes !== packedBytes) throw fail(`two sizes of the record ${quote(name)}`);
  if (!(header + LOCAL_BYTES <= source.size)) throw fail(`the record ${quote(name)} behind its end`);
  const local = readAt(source, header, LOCAL_BYTES);
  if (local.readUInt32LE(0) !== LOCAL || local.readUInt16LE(8) !== method || local.readUInt16LE(26) !== nameBytes) {
    throw fail(`no record ${quote(name)} where its directory names it`);
  }
  const begin = header + LOCAL_BYTES + nameBytes + local.readUInt16LE(28);
  if (!(begin + packedBytes <= source.size)) throw fail(`the record ${quote(name)} behind its end`);
  return { record: { name, method, crc: directory.readUInt32LE(at + 16), packedBytes, bytes, begin }, end };
}

/**
 * The records of a zip archive by name.
 * @throws InputError naming the file and the reason
 */
export function readZipDirectory(source: ByteSource): ReadonlyMap<string, ZipRecord> {
  const { begin, bytes, records } = findDirectory(source);
  const fail = (found: string) => damaged(source.path, `a zip archive with ${found}`);
  if (!(begin + bytes <= source.size) || records * CENTRAL_BYTES > bytes) {
    throw fail(`a directory of ${records} records and ${bytes} bytes at byte ${begin} of ${source.size}`);
  }
  const directory = readAt(source, begin, bytes);
  const found = new Map<string, ZipRecord>();
  for (let i = 0, at = 0; i < records; i++) {
    const { record, end } = readEntry(source, directory, at);
    if (found.has(record.name)) throw fail(`two records ${quote(record.name)}`);
    found.set(record.name, record);
    at = end;
  }
  checkSizes([...found.values()], source.size, fail);
  return found;
}

function checkSizes(records: readonly ZipRecord[], fileBytes: number, fail: (found: string) => InputError): void {
  const inOrder = records.filter(({ packedBytes }) => packedBytes > 0).sort((a, b) => a.begin - b.begin);
  for (let i = 1; i < inOrder.length; i++) {
    if (inOrder[i - 1].begin + inOrder[i - 1].packedBytes > inOrder[i].begin) {
      throw fail(`the overlapping records ${quote(inOrder[i - 1].name)} and ${quote(inOrder[i].name)}`);
    }
  }
  const unpacked = records.reduce((sum, { bytes }) => sum + bytes, 0);
  if (unpacked > MAX_RATIO * fileBytes + UNPACKED_ANYWAY) {
    throw fail(`${fileBytes} bytes that unpack to ${unpacked}, which no weights do`);
  }
}

function wrongChecksum(source: ByteSource, { name }: ZipRecord): InputError {
  return damaged(source.path, `a zip archive whose record ${quote(name)} does not have its checksum`);
}

function inflate(source: ByteSource, record: ZipRecord): Uint8Array {
  const packed = readAt(source, record.begin, record.packedBytes);
  try {
    // One byte more than declared tells a record that unpacks to more.
    const bytes = inflateRawSync(packed, { maxOutputLength: record.bytes + 1 });
    if (bytes.length === record.bytes) return bytes;
  } catch {
    // Damaged: said below.
  }
  throw damaged(source.path, `a zip archive whose record ${quote(record.name)} does not unpack to its size`);
}

/** A record's bytes, all at once: for the small ones. Throws `InputError`. */
export function recordSource(source: ByteSource, record: ZipRecord): ByteSource {
  const bytes = record.method === DEFLATED ? inflate(source, record) : readAt(source, record.begin, record.packedBytes);
  if (crc32(bytes) !== record.crc) throw wrongChecksum(source, record);
  return memorySource(source.path, bytes);
}

/** A record's bytes, read when asked for and compared with their checksum the first time. */
export function recordStore(source: ByteSource, record: ZipRecord): ByteStore {
  const part = section(source, record.begin, record.packedBytes);
  let checked = false;
  let unpacked: ByteSource | undefined;
  return {
    length: record.bytes,
    async read(target, begin) {
      if (record.method === DEFLATED) {
        unpacked ??= recordSource(source, record);
        return unpacked.read(target, begin);
      }
      if (!checked && target.length < record.bytes && (await checksumOf(part)) !== record.crc) {
        throw wrongChecksum(source, record);
      }
      await part.read(target, begin);
      if (!checked && target.length === record.bytes && crc32(target) !== record.crc)
        throw wrongChecksum(source, record);
      checked = true;
    },
  };
}

async function checksumOf(source: ByteSource): Promise<number> {
  const piece = new Uint8Array(Math.min(source.size, 2 ** 20));
  let crc = 0;
  for (let done = 0; done < source.size; ) {
    const part = piece.subarray(0, Math.min(piece.length, source.size - done));
    await source.read(part, done);
    crc = crc32(part, crc);
    done += part.length;
  }
  return crc;
}
