import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { expect, it } from "vitest";
import { openSafetensors, readSafetensors, writeSafetensors } from "../../src/checkpoint/safetensors.js";
import { InputError } from "../../src/core/errors.js";
import { RandomStream } from "../../src/core/random.js";
import { type DType, floats, sizeOf, type TensorData, zeros } from "../../src/core/tensor-data.js";
import { temporaryDirectory } from "../support/temporary-directory.js";

const tensor = fc
  .record({
    dtype: fc.constantFrom<DType>("float32", "int64", "int32", "bool", "uint8"),
    shape: fc.array(fc.nat({ max: 4 }), { maxLength: 4 }),
    seed: fc.nat(),
  })
  .map(({ dtype, shape, seed }): TensorData => {
    const made = zeros(dtype, shape);
    const random = new RandomStream({ seed, purpose: "test" });
    const bytes = new Uint8Array(made.data.buffer);
    for (let i = 0; i < bytes.length; i++) bytes[i] = random.integer(dtype === "bool" ? 2 : 256);
    return made;
  });
const name = fc.string({ unit: "binary", maxLength: 12 }).filter((text) => text !== "__metadata__");

it("any tensors come back with their names, order, shapes, types and bits", async () => {
  const path = join(temporaryDirectory(), "a.safetensors");
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(name, tensor), { maxLength: 6 }), async (pairs) => {
      const written = new Map(pairs);
      await writeSafetensors(path, written);
      const read = await readSafetensors(path);
      expect([...read.keys()]).toEqual([...written.keys()]);
      for (const [key, { dtype, shape, data }] of written) {
        const found = read.get(key)!;
        expect([found.dtype, found.shape, found.data.length]).toEqual([dtype, shape, sizeOf(shape)]);
        expect(Buffer.from(found.data.buffer).equals(Buffer.from(data.buffer))).toBe(true);
      }
    }),
    { numRuns: 100, seed: 1 },
  );
});

it("a damaged file is refused by an InputError or read within its own size, whatever the damage", async () => {
  const path = join(temporaryDirectory(), "a.safetensors");
  await writeSafetensors(
    path,
    new Map([
      ["first.weight", floats([2, 3], [1, 2, 3, 4, 5, 6])],
      ["b", floats([1], [7])],
    ]),
    { k: "v" },
  );
  const original = readFileSync(path);
  const random = new RandomStream({ seed: 2, purpose: "fuzz" });
  const symbols = Buffer.from('{}[]",:0129-eF\\ \0\xff', "latin1");
  let refused = 0;
  for (let round = 0; round < 3000; round++) {
    let bytes = Buffer.from(original);
    for (let edit = random.integer(3); edit >= 0; edit--) {
      const at = random.integer(bytes.length);
      const kind = random.integer(4);
      if (kind === 0) bytes[at] = random.integer(256);
      else if (kind === 1) bytes[at] = symbols[random.integer(symbols.length)];
      else if (kind === 2) bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + random.integer(9))]);
      else bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(random.integer(bytes.length))]);
      if (bytes.length === 0) break;
    }
    writeFileSync(path, bytes);
    try {
      const file = await openSafetensors(path);
      try {
        for (const { data } of (await file.readAll()).values())
          expect(data.byteLength).toBeLessThanOrEqual(2 * bytes.length);
      } finally {
        await file.close();
      }
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      refused++;
    }
  }
  expect(refused).toBeGreaterThan(1500);
});
