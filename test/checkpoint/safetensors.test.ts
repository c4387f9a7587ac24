import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { digestFile, openSafetensors, readSafetensors, writeSafetensors } from "../../src/checkpoint/safetensors.js";
import { InputError, ShapeError } from "../../src/core/errors.js";
import { floats, type TensorData } from "../../src/core/tensor-data.js";
import { temporaryDirectory } from "../support/temporary-directory.js";

/** A file with this header (text, or the object that becomes it) and data. */
function safetensors(header: unknown, data: Uint8Array | number = 0): Uint8Array {
  const json = new TextEncoder().encode(typeof header === "string" ? header : JSON.stringify(header));
  const bytes = typeof data === "number" ? new Uint8Array(data) : data;
  const file = new Uint8Array(8 + json.length + bytes.length);
  new DataView(file.buffer).setBigUint64(0, BigInt(json.length), true);
  file.set(json, 8);
  file.set(bytes, 8 + json.length);
  return file;
}

function withLength(length: bigint, rest = "{}"): Uint8Array {
  const file = safetensors(rest);
  new DataView(file.buffer).setBigUint64(0, length, true);
  return file;
}

function temporaryFile(bytes: Uint8Array): string {
  const path = join(temporaryDirectory(), "weights.safetensors");
  writeFileSync(path, bytes);
  return path;
}

const f32 = (begin: number, end: number, shape: readonly number[] = [(end - begin) / 4]) => ({
  dtype: "F32",
  shape,
  data_offsets: [begin, end],
});
const entry = (fields: object) => safetensors({ a: { ...f32(0, 8), ...fields } }, 8);

describe("a file that breaks a rule of the format is refused with its name and the reason", () => {
  const cases: [string, Uint8Array, RegExp][] = [
    ["empty file", new Uint8Array(0), /0 bytes/],
    ["shorter than its length field", new Uint8Array(7), /7 bytes/],
    ["empty header", withLength(0n, ""), /the end.*where "\{" belongs/],
    ["header longer than the file", withLength(99n), /99 bytes in a file of 10/],
    ["header over 100 MB", withLength(100_000_001n), /100000001 bytes/],
    ["header of 2^63 bytes", withLength(2n ** 63n), /9223372036854775808 bytes/],
    ["not UTF-8", safetensors('{"\xff":0}'.replace("\xff", "?")).map((b) => (b === 0x3f ? 0xff : b)), /not UTF-8/],
    ["byte-order mark", safetensors("\ufeff{}"), /where "\{" belongs/],
    ["not JSON", safetensors("safe"), /"s" at character 0/],
    ["an array", safetensors("[]"), /"\[" at character 0/],
    ["deep nesting", safetensors("[".repeat(1_000_000)), /character 0/],
    ["deep nesting in a tensor", safetensors(`{"a":${'{"a":'.repeat(100_000)}`), /unknown key "a"/],
    ["unfinished string", safetensors('{"a'), /unfinished string/],
    ["string that ends in an escape", safetensors('{"a\\'), /unfinished string/],
    ["bad escape", safetensors('{"\\x":0}'), /invalid string/],
    ["text behind the object", safetensors("{}x"), /"x" at character 2/],
    ["trailing comma", safetensors(`{"a":${JSON.stringify(f32(0, 8))},}`, 8), /where "\\"" belongs/],
    [
      "duplicate tensor",
      safetensors(`{"a":${JSON.stringify(f32(0, 8))},"a":${JSON.stringify(f32(0, 8))}}`, 8),
      /"a" twice/,
    ],
    ["duplicate key by an escape", safetensors('{"a":{"dtype":"F32","d\\u0074ype":"F32"}}'), /"dtype" twice/],
    ["duplicate metadata", safetensors('{"__metadata__":{"k":"1","k":"2"}}'), /"k" twice/],
    ["metadata of numbers", safetensors({ __metadata__: { k: 1 } }), /"1" at character/],
    ["metadata that is no object", safetensors({ __metadata__: "k" }), /where "\{" belongs/],
    ["overlap", safetensors({ a: f32(0, 8), b: f32(4, 12) }, 12), /"b" that overlaps/],
    ["two tensors on one range", safetensors({ a: f32(0, 8), b: f32(0, 8) }, 8), /"b" that overlaps/],
    ["hole", safetensors({ a: f32(0, 8), b: f32(12, 16) }, 16), /hole of 4 bytes before tensor "b"/],
    ["hole at the start", safetensors({ a: f32(4, 8) }, 8), /hole of 4 bytes before tensor "a"/],
    ["reversed range", entry({ data_offsets: [8, 0] }), /ends \(0\) before it begins \(8\)/],
    ["range behind the file", safetensors({ a: f32(0, 8) }, 4), /ends at byte 8 of 4/],
    ["shape that does not fit", entry({ shape: [3] }), /8 bytes, where F32 makes 12/],
    ["dtype that does not fit", entry({ dtype: "I64" }), /8 bytes, where I64 makes 16/],
    [
      "overflowing shape",
      safetensors('{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}}'),
      /overflows/,
    ],
    [
      "overflow that wraps to 0",
      safetensors('{"a":{"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0]}}'),
      /overflows/,
    ],
    ["unknown dtype", entry({ dtype: "F31" }), /unknown dtype "F31"/],
    ["dtype of an object's own", entry({ dtype: "constructor" }), /unknown dtype/],
    ["negative size", entry({ shape: [-2] }), /"-" at character/],
    ["fractional size", entry({ shape: [2.5] }), /"\." at character/],
    [
      "size with an exponent",
      safetensors('{"a":{"dtype":"F32","shape":[2e0],"data_offsets":[0,8]}}', 8),
      /"e" at character/,
    ],
    ["three offsets", entry({ data_offsets: [0, 4, 8] }), /pair of data_offsets/],
    ["no shape", safetensors({ a: { dtype: "F32", data_offsets: [0, 8] } }, 8), /without dtype, shape/],
    ["unknown field", entry({ stride: [1] }), /unknown key "stride" in tensor "a"/],
    ["bytes behind the last tensor", safetensors({ a: f32(0, 8) }, 9), /1 bytes that belong to no tensor/],
    ["data without tensors", safetensors("{}", 1), /1 bytes that belong to no tensor/],
  ];

  it.each(cases)("%s", async (_, bytes, reason) => {
    const path = temporaryFile(bytes);
    const error = await openSafetensors(path).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(InputError);
    expect((error as InputError).problem.where).toBe(path);
    expect((error as InputError).problem.found).toMatch(reason);
  });

  it("a missing file and a folder", async () => {
    const directory = temporaryDirectory();
    await expect(openSafetensors(join(directory, "none"))).rejects.toThrow(
      /none: expected .* nothing of that name \(ENOENT\)/,
    );
    mkdirSync(join(directory, "folder"));
    await expect(openSafetensors(join(directory, "folder"))).rejects.toThrow(InputError);
  });
});

describe("what the format allows", () => {
  it("spaces behind the header, no tensors, tensors without elements, names in any order", async () => {
    expect(await readSafetensors(temporaryFile(safetensors("{}   ")))).toEqual(new Map());
    const data = new Uint8Array(Float32Array.of(1, 2, 3).buffer);
    const file = { late: f32(4, 12), early: f32(0, 4), none: f32(4, 4, [0, 7]), scalar: f32(12, 12, [0]) };
    const tensors = await readSafetensors(temporaryFile(safetensors(file, data)));
    expect([...tensors.keys()]).toEqual(["late", "early", "none", "scalar"]);
    expect([...tensors.get("late")!.data]).toEqual([2, 3]);
    expect(tensors.get("none")).toMatchObject({ shape: [0, 7], data: new Float32Array(0) });
  });

  it("a tensor named __proto__ stays a tensor", async () => {
    const tensors = await readSafetensors(
      temporaryFile(safetensors('{"__proto__":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}', 1)),
    );
    expect([...tensors.keys()]).toEqual(["__proto__"]);
    expect(Object.hasOwn(Object.prototype, "dtype")).toBe(false);
  });

  it("F16 and BF16 become float32", async () => {
    const bits = Uint16Array.of(0x3c00, 0xc000, 0x0001, 0x7bff, 0xfc00, 0x7e00, 0x3f80, 0xc049, 0x0080, 0x7f80);
    const header = {
      half: { dtype: "F16", shape: [2, 3], data_offsets: [0, 12] },
      brain: { dtype: "BF16", shape: [4], data_offsets: [12, 20] },
    };
    const tensors = await readSafetensors(temporaryFile(safetensors(header, new Uint8Array(bits.buffer))));
    expect(tensors.get("half")).toMatchObject({ dtype: "float32", shape: [2, 3] });
    expect([...tensors.get("half")!.data]).toEqual([1, -2, 2 ** -24, 65504, -Infinity, NaN]);
    expect([...tensors.get("brain")!.data]).toEqual([1, -3.140625, 2 ** -126, Infinity]);
  });

  it("a type that this project does not read is refused when it is asked for, not before", async () => {
    const header = { a: { dtype: "U64", shape: [1], data_offsets: [0, 8] }, b: f32(8, 12) };
    const file = await openSafetensors(temporaryFile(safetensors(header, 12)));
    expect((await file.tensor("b")).shape).toEqual([1]);
    await expect(file.tensor("a")).rejects.toThrow(/expected tensor "a" as F32, .*, found U64/);
    await expect(file.tensor("bb")).rejects.toThrow(/Did you mean "b"/);
    await file.close();
  });
});

describe("writing", () => {
  const tensors = new Map<string, TensorData>([
    ["10", floats([2, 2], [1, -2, 3.5, Number.NaN])],
    ["b", { dtype: "bool", shape: [3], data: Uint8Array.of(1, 0, 1) }],
    ['9 "ü\\\n', { dtype: "int64", shape: [], data: BigInt64Array.of(-(2n ** 63n)) }],
  ]);

  it("keeps order, shapes, types and bits; pads the header; digests the file", async () => {
    const path = join(temporaryDirectory(), "a.safetensors");
    const digest = await writeSafetensors(path, tensors, { step: "12" });
    const bytes = readFileSync(path);
    expect(Number(bytes.readBigUInt64LE(0)) % 8).toBe(0);
    expect(digest.bytes).toBe(bytes.length);
    expect(await digestFile(path)).toEqual(digest);
    const file = await openSafetensors(path);
    expect([...file.metadata]).toEqual([["step", "12"]]);
    expect([...(await file.readAll())]).toEqual([...tensors]);
    await file.close();
  });

  it("refuses data that does not fill its shape, and leaves nothing", async () => {
    const path = join(temporaryDirectory(), "a.safetensors");
    const wrong = new Map([["a", { dtype: "float32", shape: [3], data: new Float32Array(2) } as TensorData]]);
    await expect(writeSafetensors(path, wrong)).rejects.toThrow(ShapeError);
    await expect(openSafetensors(path)).rejects.toThrow(/ENOENT/);
  });
});
