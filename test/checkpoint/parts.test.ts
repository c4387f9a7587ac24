import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { writeTorch } from "../../src/checkpoint/formats/torch-writer.js";
import { openWeights } from "../../src/checkpoint/formats/weights-file.js";
import { writeSafetensors } from "../../src/checkpoint/safetensors.js";
import { locateWeights } from "../../src/checkpoint/weights-location.js";
import type { TensorData } from "../../src/core/tensor-data.js";
import { temporaryDirectory } from "../support/temporary-directory.js";

const tensor = (...values: number[]): TensorData => ({
  dtype: "float32",
  shape: [values.length],
  data: Float32Array.from(values),
});

async function namesIn(path: string, part?: string): Promise<string[]> {
  const file = await openWeights(path, part);
  await file.close();
  return [...file.tensors.keys()];
}

describe("a part of a file", () => {
  it("is told by the beginning of names where one dictionary holds all", async () => {
    const path = join(temporaryDirectory(), "a.safetensors");
    await writeSafetensors(
      path,
      new Map([
        ["model.a", tensor(1)],
        ["model_ema.a", tensor(2)],
        ["model_emabc", tensor(3)],
      ]),
    );
    expect(await namesIn(path, "model_ema")).toEqual(["model_ema.a"]);
    await expect(namesIn(path, "ema")).rejects.toThrow(/expected a part "ema", found model, model_ema\./);
  });

  it("is told by its name where dictionaries lie side by side", async () => {
    const names = await namesIn("test/fixtures/checkpoints/state_dict_tar.pth", "state_dict");
    expect(names).toContain("conv.weight");
    await expect(namesIn("test/fixtures/checkpoints/state_dict_tar.pth", "ema")).rejects.toThrow(
      /found state_dict, conv/,
    );
  });
});

describe("weights in several files", () => {
  const folder = mkdtempSync(join(tmpdir(), "mask-jepa-shards-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const shard = (i: number, suffix = "safetensors") => `model-0000${i}-of-00002.${suffix}`;
  const index = join(folder, "model.safetensors.index.json");
  const map = { "a.weight": shard(1), "b.weight": shard(2), "b.bias": shard(2) };
  const writeIndex = (weight_map: object) =>
    writeFileSync(index, JSON.stringify({ metadata: { total_size: 12 }, weight_map }));
  beforeAll(async () => {
    await writeSafetensors(join(folder, shard(1)), new Map([["a.weight", tensor(1, 2)]]));
    await writeSafetensors(
      join(folder, shard(2)),
      new Map([
        ["b.weight", tensor(3)],
        ["b.bias", tensor(4)],
      ]),
    );
    writeIndex(map);
  });

  it("are one, from the folder, the index or any of them", async () => {
    for (const place of [folder, index, join(folder, shard(2))]) expect(await locateWeights(place)).toBe(index);
    const file = await openWeights(index);
    expect([...file.tensors.keys()]).toEqual(Object.keys(map));
    expect([...(await file.tensors.get("b.bias")!.read()).data]).toEqual([4]);
    await file.close();
  });

  it("of PyTorch's format as well", async () => {
    const torch = temporaryDirectory();
    await writeTorch(join(torch, shard(1, "bin")), { tensors: new Map([["a.weight", tensor(1)]]) });
    await writeTorch(join(torch, shard(2, "bin")), { tensors: new Map([["b.weight", tensor(2)]]) });
    const weight_map = { "a.weight": shard(1, "bin"), "b.weight": shard(2, "bin") };
    writeFileSync(join(torch, "pytorch_model.bin.index.json"), JSON.stringify({ weight_map }));
    expect(await namesIn(await locateWeights(torch))).toEqual(["a.weight", "b.weight"]);
  });

  it("are refused where one is missing, or the index says what is not so", async () => {
    writeIndex({ ...map, "c.weight": shard(1) });
    await expect(openWeights(index)).rejects.toThrow(
      /model-00001-of-00002\.safetensors: .* found no tensor "c\.weight"/,
    );
    writeIndex({ ...map, "c.weight": shard(3) });
    await expect(openWeights(index)).rejects.toThrow(
      /model-00003-of-00002\.safetensors: expected a file of weights, which .*index\.json names, found none/,
    );
    for (const name of ["../evil.safetensors", "..", "/etc/passwd", ""]) {
      writeIndex({ "a.weight": name });
      await expect(openWeights(index), name).rejects.toThrow(/a "weight_map" from tensors to files beside it/);
    }
    writeFileSync(index, "{");
    await expect(openWeights(index)).rejects.toThrow(/expected valid JSON/);
  });
});

describe("PyTorch's archives of before 0.2", () => {
  const original = readFileSync("test/fixtures/checkpoints/state_dict_tar.pth");
  const changed = (change: (bytes: Buffer) => Buffer) => {
    const path = join(temporaryDirectory(), "a.pth");
    writeFileSync(path, change(Buffer.from(original)));
    return path;
  };

  it("cut off, or with a damaged header, are refused", async () => {
    const cut = (bytes: number) => openWeights(changed((all) => all.subarray(0, bytes)));
    await expect(cut(520)).rejects.toThrow(/a tar archive with the record "sys_info" behind its end/);
    await expect(cut(1024)).rejects.toThrow(/a tar archive that is cut off at byte 1024/);
    const flipped = changed((bytes) => {
      bytes[3] ^= 1;
      return bytes;
    });
    await expect(openWeights(flipped)).rejects.toThrow(/a damaged header at byte 0/);
  });
});

describe("the weights of a folder", () => {
  it("are the file that detectron2 names as its last, else of a usual name, else the only one", async () => {
    const folder = temporaryDirectory();
    const put = (name: string) => copyFileSync("test/fixtures/checkpoints/state_dict_zip.pth", join(folder, name));
    put("model_0004999.pth");
    put("optimizer.pt");
    expect(await locateWeights(folder)).toBe(join(folder, "model_0004999.pth"));
    put("model_0009999.pth");
    await expect(locateWeights(folder)).rejects.toThrow(/found 2: model_0004999\.pth, model_0009999\.pth\. Name one/);
    writeFileSync(join(folder, "last_checkpoint"), "model_0009999.pth\n");
    expect(await locateWeights(folder)).toBe(join(folder, "model_0009999.pth"));
    rmSync(join(folder, "last_checkpoint"));
    put("model_final.pth");
    expect(await locateWeights(folder)).toBe(join(folder, "model_final.pth"));
  });
});
