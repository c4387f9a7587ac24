import { existsSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { openWeights } from "../../src/checkpoint/formats/weights-file.js";
import type { Shape, TensorData } from "../../src/core/tensor-data.js";

const FOLDER = "test/fixtures/checkpoints";

interface Stored {
  dtype: string;
  shape: Shape;
  /** Numbers; "NaN", "Infinity", "-0" and such as text. */
  values: (number | string | boolean)[];
}

const manifest = JSON.parse(readFileSync(`${FOLDER}/manifest.json`, "utf8")) as Record<string, Record<string, Stored>>;

async function read(name: string): Promise<{ tensors: Map<string, TensorData>; types: string[] }> {
  const file = await openWeights(`${FOLDER}/${name}`);
  try {
    const tensors = new Map<string, TensorData>();
    const prefix = name.startsWith("train_") ? "model." : "";
    for (const [key, tensor] of file.tensors) tensors.set(prefix + key, await tensor.read());
    return { tensors, types: [...file.tensors.values()].map(({ type }) => type) };
  } finally {
    await file.close();
  }
}

const NUMPY_TYPES: Record<string, string> = { f4: "float32", f2: "float16", f8: "float64", i8: "int64", u1: "uint8" };

function expectValues(found: ReadonlyMap<string, TensorData>, expected: Record<string, Stored>): void {
  expect([...found.keys()].sort()).toEqual(Object.keys(expected).sort());
  for (const [name, { dtype, data, shape }] of found) {
    const { values, shape: wanted } = expected[name];
    expect(shape, name).toEqual(wanted);
    const numbers = values.map((value) => (dtype === "float32" ? Math.fround(Number(value)) : Number(value)));
    expect(Array.from(data as ArrayLike<number | bigint>, Number), name).toEqual(numbers);
  }
}

describe("files of real tools load to their values", () => {
  it.each(Object.keys(manifest))("%s", async (name) => {
    const { tensors, types } = await read(name);
    expectValues(tensors, manifest[name]);
    expect(types).toEqual(
      [...tensors.keys()].map((key) => {
        const { dtype } = manifest[name][key];
        return NUMPY_TYPES[dtype.replace(/^[<>|]/, "")] ?? dtype;
      }),
    );
  });

  it("deflated_zip.pth", async () => {
    expectValues((await read("deflated_zip.pth")).tensors, manifest["state_dict_zip.pth"]);
  });
});

describe("what is damaged is refused with its reason", () => {
  it.each([
    ["empty.pth", /an empty file/],
    ["not_a_checkpoint.pth", /expected a whole pickle/],
    ["truncated.pkl", /its end at byte 755, .* \(the last name before it is "stem\.conv1\.norm\.weight"\)/],
    ["truncated_legacy.pth", /"index": no bytes: the file ends at byte 2480, before its storage/],
    ["truncated_zip.pth", /without the directory of its records, which lies at the end/],
    ["missing_record_zip.pth", /"index": no record data\/0 in the archive/],
    ["out_of_bounds_zip.pth", /tensor "w" with 4000 bytes over a storage of 16/],
    ["out_of_bounds_legacy.pth", /tensor "w" with 4000 bytes over a storage of 16/],
    ["out_of_bounds_offset_zip.pth", /tensor "w" with 28 bytes over a storage of 16/],
  ])("%s", async (name, reason) => {
    await expect(read(name)).rejects.toThrow(reason);
    await expect(read(name)).rejects.toMatchObject({ name: "InputError" });
  });
});

it.each(["malicious.pkl", "malicious_zip.pth", "malicious_legacy.pth"])(
  "%s runs nothing and is refused by what it names",
  async (name) => {
    await expect(read(name)).rejects.toThrow(/names "posix\.system".* Nothing of it was run/s);
    expect(existsSync("/tmp/pwned")).toBe(false);
  },
);
