/**
 * Mutated weights files: whatever is in them, they load or are refused with an `InputError`. A few thousand by default;
 * `FUZZ_RUNS=100000 npx vitest run test/checkpoint/fuzz.test.ts` for more, FUZZ_SEED for others.
 */

import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { openWeights } from "../../src/checkpoint/formats/weights-file.js";
import { writeSafetensors } from "../../src/checkpoint/safetensors.js";
import { InputError } from "../../src/core/errors.js";
import { RandomStream } from "../../src/core/random.js";
import { floats } from "../../src/core/tensor-data.js";
import { temporaryDirectory } from "../support/temporary-directory.js";

const RUNS = Number(process.env.FUZZ_RUNS ?? 2000);
const SEED = Number(process.env.FUZZ_SEED ?? 1);
const GOLDEN = "test/fixtures/checkpoints";
/** Tensors take at most this much of a file's size, and a constant. */
const MOST = { ratio: 8, bytes: 2 ** 20 };

const EDGES = [0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x7fffffff, 0xffffffff];
/** Instructions of pickles that do most: calls, references, marks, long strings. */
const OPCODES = Buffer.from("R\x81bQPco\x93(th\x94u.\x8e\x8d\x8b", "latin1");

function mutate(original: Buffer, other: Buffer, random: RandomStream): Buffer {
  let bytes = Buffer.from(original);
  for (let count = 1 + random.integer(4); count > 0; count--) {
    const at = random.integer(bytes.length + 1);
    const length = random.integer(Math.min(64, bytes.length - at + 1));
    const rest = bytes.subarray(at);
    const kind = random.integer(8);
    if (kind === 0 && at < bytes.length) bytes[at] ^= 1 << random.integer(8);
    else if (kind === 1 && at < bytes.length) bytes[at] = random.integer(256);
    else if (kind === 2 && at < bytes.length) bytes[at] = OPCODES[random.integer(OPCODES.length)];
    else if (kind === 3 && at + 8 <= bytes.length) {
      const edge = EDGES[random.integer(EDGES.length)];
      if (random.integer(2)) bytes.writeUInt32LE(edge, at);
      else bytes.writeBigUInt64LE(BigInt(edge) << BigInt(random.integer(32)), at);
    } else if (kind === 4) bytes = bytes.subarray(0, at);
    else if (kind === 5) bytes = Buffer.concat([bytes.subarray(0, at), rest.subarray(length)]);
    else if (kind === 6) bytes = Buffer.concat([bytes.subarray(0, at), rest.subarray(0, length), rest]);
    else {
      const from = random.integer(other.length + 1);
      bytes = Buffer.concat([bytes.subarray(0, at), other.subarray(from, from + length), rest]);
    }
  }
  return bytes;
}

/** Opens a file and reads all of its tensors; returns their bytes, or undefined when it was refused. */
async function readAll(path: string): Promise<number | undefined> {
  try {
    const file = await openWeights(path);
    let bytes = 0;
    try {
      for (const tensor of file.tensors.values()) bytes += (await tensor.read()).data.byteLength;
    } finally {
      await file.close();
    }
    return bytes;
  } catch (error) {
    if (error instanceof InputError) return undefined;
    throw error;
  }
}

it(`${RUNS} mutated files load or are refused, within memory and without a trace`, { timeout: 3_600_000 }, async () => {
  const folder = temporaryDirectory();
  const path = join(folder, "mutated.bin");
  const tensors = new Map([["a.weight", floats([2, 3], [1, 2, 3, 4, 5, 6])]]);
  await writeSafetensors(path, tensors, { format: "pt" });
  const seeds = [
    path,
    ...readdirSync(GOLDEN)
      .filter((name) => /\.(pth|pkl)$/.test(name))
      .map((name) => join(GOLDEN, name)),
  ]
    .map((name) => readFileSync(name))
    .filter(({ length }) => length > 0);
  const before = process.memoryUsage().rss;
  let loaded = 0;
  for (let run = 0; run < RUNS; run++) {
    const random = new RandomStream({ seed: SEED, step: run, purpose: "fuzz" });
    const pick = () => seeds[random.integer(seeds.length)];
    const mutated = mutate(pick(), pick(), random);
    writeFileSync(path, mutated);
    const bytes = await readAll(path).catch((error) => {
      throw new Error(`run ${run} of seed ${SEED} (${mutated.length} bytes): ${error.stack}`);
    });
    if (bytes === undefined) continue;
    loaded++;
    expect(bytes, `run ${run}`).toBeLessThanOrEqual(MOST.ratio * mutated.length + MOST.bytes);
  }
  expect(loaded).toBeGreaterThan(RUNS / 50);
  expect(loaded).toBeLessThan(RUNS / 2);
  expect(process.memoryUsage().rss - before).toBeLessThan(2 ** 29);
  expect(readdirSync(folder)).toEqual(["mutated.bin"]);
  expect(existsSync("/tmp/pwned")).toBe(false);
});
