import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { crc32, deflateRawSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { memorySource } from "../../src/checkpoint/formats/byte-source.js";
import { openWeights } from "../../src/checkpoint/formats/weights-file.js";
import { readZipDirectory, recordSource } from "../../src/checkpoint/formats/zip-reader.js";
import { temporaryDirectory } from "../support/temporary-directory.js";

interface Entry {
  name: string;
  content: Uint8Array;
  deflated?: boolean;
  /** What the headers say instead of the truth. */
  crc?: number;
  bytes?: number;
  flags?: number;
  method?: number;
  /** Of another entry's record, to overlap it. */
  at?: number;
}

/** A zip archive as its format says, lies included. */
function zip(entries: readonly Entry[], { end64 = false } = {}): Uint8Array {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const {
    name,
    content,
    deflated,
    crc = crc32(content),
    bytes = content.length,
    flags = 0,
    method,
    at,
  } of entries) {
    const packed = deflated ? deflateRawSync(content) : content;
    const shared = Buffer.alloc(26);
    shared.writeUInt16LE(20, 0);
    shared.writeUInt16LE(flags, 2);
    shared.writeUInt16LE(method ?? (deflated ? 8 : 0), 4);
    shared.writeUInt32LE(crc, 10);
    shared.writeUInt32LE(packed.length, 14);
    shared.writeUInt32LE(bytes, 18);
    shared.writeUInt16LE(Buffer.byteLength(name), 22);
    const rest = Buffer.alloc(14);
    rest.writeUInt32LE(at ?? offset, 10);
    directory.push(Buffer.concat([Buffer.from("PK\x01\x02\x14\x00", "latin1"), shared, rest, Buffer.from(name)]));
    if (at !== undefined) continue;
    const record = Buffer.concat([Buffer.from("PK\x03\x04", "latin1"), shared, Buffer.from(name), packed]);
    parts.push(record);
    offset += record.length;
  }
  const listing = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.write("PK\x05\x06", "latin1");
  end.writeUInt16LE(end64 ? 0xffff : entries.length, 10);
  end.writeUInt32LE(end64 ? 0xffffffff : listing.length, 12);
  end.writeUInt32LE(end64 ? 0xffffffff : offset, 16);
  if (!end64) return Buffer.concat([...parts, listing, end]);
  const record = Buffer.alloc(56);
  record.write("PK\x06\x06", "latin1");
  record.writeBigUInt64LE(BigInt(entries.length), 32);
  record.writeBigUInt64LE(BigInt(listing.length), 40);
  record.writeBigUInt64LE(BigInt(offset), 48);
  const locator = Buffer.alloc(20);
  locator.write("PK\x06\x07", "latin1");
  locator.writeBigUInt64LE(BigInt(offset + listing.length), 8);
  return Buffer.concat([...parts, listing, record, locator, end]);
}

const bytes = (text: string) => Buffer.from(text);
const read = (entries: readonly Entry[], options?: { end64: boolean }) => {
  const source = memorySource("x.pth", zip(entries, options));
  return [...readZipDirectory(source).values()].map((record) => {
    const content = recordSource(source, record);
    const target = Buffer.alloc(content.size);
    content.readSync(target, 0);
    return [record.name, target.toString()];
  });
};

it.each([{ end64: false }, { end64: true }])("stored and packed records, %o", (options) => {
  const entries = [
    { name: "a", content: bytes("first") },
    { name: "b/c", content: bytes("second".repeat(100)), deflated: true },
    { name: "empty", content: bytes("") },
  ];
  expect(read(entries, options)).toEqual(entries.map(({ name, content }) => [name, content.toString()]));
});

describe("archives that lie", () => {
  const one = { name: "a", content: bytes("first") };
  it.each<[string, Entry[], RegExp]>([
    ["another checksum", [{ ...one, crc: 1 }], /record "a" does not have its checksum/],
    ["an encrypted record", [{ ...one, flags: 1 }], /the encrypted record "a"/],
    ["an unknown method", [{ ...one, method: 12 }], /packed by the unknown method 12/],
    ["two records of one name", [one, one], /two records "a"/],
    ["a size that is not the packed one", [{ ...one, bytes: 4 }], /two sizes of the record "a"/],
    [
      "a packed record that is shorter than said",
      [{ ...one, deflated: true, bytes: 6 }],
      /does not unpack to its size/,
    ],
    ["a packed record that is longer than said", [{ ...one, deflated: true, bytes: 4 }], /does not unpack to its size/],
    ["overlapping records", [one, { ...one, name: "b", at: 0 }], /the overlapping records|no record "b"/],
    [
      "a bomb",
      [{ name: "bomb", content: Buffer.alloc(2 ** 23), deflated: true }],
      /bytes that unpack to 8388608, which no weights do/,
    ],
  ])("%s", (_, entries, reason) => {
    expect(() => read(entries)).toThrow(reason);
  });

  it("names that climb out of a folder are only names", async () => {
    const entries = [{ name: "../../tmp/evil", content: bytes("x") }];
    expect(read(entries)).toEqual([["../../tmp/evil", "x"]]);
    const path = join(temporaryDirectory(), "a.pth");
    writeFileSync(path, zip(entries));
    await expect(openWeights(path)).rejects.toThrow(/expected one that torch\.save wrote/);
  });

  it("a wrong checksum of a tensor's record is found when it is read", async () => {
    const pickle =
      "\x80\x02}X\x01\x00\x00\x00wctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x02tQK\x00K\x02\x85K\x01\x85\x89NtRs.";
    const path = join(temporaryDirectory(), "a.pth");
    const entries = [
      { name: "archive/data.pkl", content: Buffer.from(pickle, "latin1") },
      { name: "archive/data/0", content: new Uint8Array(8), crc: 7 },
    ];
    writeFileSync(path, zip(entries));
    const file = await openWeights(path);
    await expect(file.tensors.get("w")!.read()).rejects.toThrow(/record "archive\/data\/0" does not have its checksum/);
    await file.close();
  });
});
