import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openWeights } from "../../src/checkpoint/formats/weights-file.js";
import { describeReport, loadWeights } from "../../src/checkpoint/load-weights.js";
import { RandomStream } from "../../src/core/random.js";
import { type Shape, type TensorData, zeros } from "../../src/core/tensor-data.js";
import { exportModel } from "../../src/export/export-model.js";
import { modelConfig, preprocessorConfig } from "../../src/export/huggingface-config.js";
import { saveWeights } from "../../src/export/save-weights.js";
import type { TargetName } from "../../src/export/target.js";
import { nameList } from "../support/name-lists.js";
import { temporaryDirectory } from "../support/temporary-directory.js";
import { saveTinyModel, tinyModel, tinyWeights } from "../support/tiny-model.js";

/** The shapes of a real model with every length divided, so that it stays small, and random values. */
function reduced(list: string): Map<string, TensorData> {
  const random = new RandomStream({ seed: 1, purpose: "test" });
  const small = (shape: Shape) => shape.map((size) => (size > 8 && size % 3 === 0 ? 3 : Math.min(size, 2)));
  return new Map(
    [...nameList(list)].map(([name, shape]) => {
      const tensor = zeros(/index$|tracked$/.test(name) ? "int64" : "float32", small(shape));
      for (let i = 0; i < tensor.data.length; i++) {
        tensor.data[i] = (tensor.dtype === "int64" ? BigInt(random.integer(1000)) : random.uniform()) as never;
      }
      return [name, tensor];
    }),
  );
}

const backboneOf = (tensors: ReadonlyMap<string, TensorData>) =>
  new Map([...tensors].filter(([name]) => name.startsWith("backbone.")));

function expectEqual(found: ReadonlyMap<string, TensorData>, expected: ReadonlyMap<string, TensorData>): void {
  expect([...found.keys()].sort()).toEqual([...expected.keys()].sort());
  for (const [name, { dtype, shape, data }] of found) {
    const wanted = expected.get(name)!;
    expect([dtype, shape], name).toEqual([wanted.dtype, wanted.shape]);
    expect(
      Buffer.from(data.buffer, data.byteOffset, data.byteLength).equals(Buffer.from(wanted.data.buffer)),
      name,
    ).toBe(true);
  }
}

describe("there and back is the identity on every tensor", () => {
  const models = ["mask2former-resnet50", "mask2former-swin-tiny"];
  const whole: [TargetName, string][] = [
    ["canonical", ".safetensors"],
    ["detectron2", ".pth"],
    ["detectron2", ".pkl"],
    ["huggingface", ".safetensors"],
    ["huggingface", ".bin"],
  ];
  it.each(models.flatMap((model) => whole.map(([to, suffix]) => [model, to, suffix] as const)))(
    "%s as %s%s",
    async (model, to, suffix) => {
      const path = join(temporaryDirectory(), `weights${suffix}`);
      const tensors = reduced(model);
      await saveWeights(path, tensors, { to, source: model });
      expectEqual((await loadWeights(path)).tensors, tensors);
    },
  );

  const backbones: [TargetName, string][] = [
    ["timm", ".pth"],
    ["timm", ".safetensors"],
    ["detectron2", ".pkl"],
    ["huggingface", ".safetensors"],
  ];
  it.each(models.flatMap((model) => backbones.map(([to, suffix]) => [model, to, suffix] as const)))(
    "the backbone of %s as %s%s",
    async (model, to, suffix) => {
      const path = join(temporaryDirectory(), `weights${suffix}`);
      const tensors = backboneOf(reduced(model));
      await saveWeights(path, tensors, { to, source: model });
      // timm's Swin Transformers have no norms of outputs.
      const kept = [...tensors].filter(([name]) => to !== "timm" || !/^backbone\.norm\d\./.test(name));
      expectEqual((await loadWeights(path)).tensors, new Map(kept));
    },
  );

  it.each(["huggingface-mask2former-swin-tiny", "huggingface-resnet50", "torchvision-resnet50", "timm-swin-tiny"])(
    "%s, through the names of Mask2Former",
    async (list) => {
      const folder = temporaryDirectory();
      const [foreign, canonical, back] = ["a", "b", "c"].map((name) => join(folder, `${name}.pth`));
      const tensors = reduced(list);
      await saveWeights(foreign, tensors, { to: "canonical", source: list }); // its own names, as they are
      const read = await loadWeights(foreign);
      await saveWeights(canonical, read.tensors, { to: "canonical", source: list });
      const to = list.startsWith("huggingface") ? "huggingface" : "timm";
      await saveWeights(back, (await loadWeights(canonical)).tensors, { to, source: list });
      const second = await loadWeights(back);
      expect(second.layout).toBe(read.layout);
      expectEqual(second.tensors, read.tensors);
    },
  );
});

it("tensors for which a target has no name are listed, and stay behind only by name", async () => {
  const path = join(temporaryDirectory(), "weights.safetensors");
  const tensors = new Map([...reduced("mask2former-resnet50"), ["extra.0.weight", zeros("float32", [2, 2])]]);
  const options = { to: "huggingface", source: "x.pth" } as const;
  await expect(saveWeights(path, tensors, options)).rejects.toThrow(/1 without one\n {2}extra\.0\.weight/);
  const { plan } = await saveWeights(path, tensors, { ...options, leaveOut: [/^extra\./] });
  expect(plan.leftOut).toEqual(["extra.0.weight"]);
});

it("a report says what was recognised and what went where", async () => {
  const path = join(temporaryDirectory(), "weights.pth");
  const tensors = new Map([...reduced("torchvision-resnet50")].map(([name, tensor]) => [`module.${name}`, tensor]));
  tensors.set("epoch.loss", zeros("float32", [1]));
  await saveWeights(path, tensors, { to: "canonical", source: "x" });
  const { report } = await loadWeights(path);
  const text = describeReport(report);
  expect(text).toMatch(/weights\.pth: torchvision or timm ResNet, PyTorch, 320 tensors/);
  expect(text).toMatch(/names begin with module\./);
  expect(text).toMatch(/module\.layer\*\.\*\.conv\*\.\* -> backbone\.res\*\.\*\.conv\*\.\* \(48\)/);
  expect(text).toMatch(/left aside: epoch\.loss/);
});

describe("export of a run", () => {
  const model = tinyModel("panoptic");
  const saved = async () => saveTinyModel(join(temporaryDirectory(), "run"), model);

  it("to detectron2, with the class weights of its loss, and none where nobody knows that", async () => {
    const out = join(temporaryDirectory(), "model.pth");
    await exportModel({ checkpoint: await saved(), to: "detectron2", out });
    expectEqual((await loadWeights(out)).tensors, tinyWeights());
    const weights = { class: 2, mask: 5, dice: 5 };
    const criterion = { weights, noObject: 0.1, points: 64, oversampling: 3, importance: 0.75 };
    const run = await saveTinyModel(join(temporaryDirectory(), "run"), { ...model, criterion });
    await exportModel({ checkpoint: run, to: "detectron2", out, overwrite: true });
    const { tensors } = await loadWeights(out);
    expect([...tensors.get("criterion.empty_weight")!.data]).toEqual([1, 1, 1, 1, Math.fround(0.1)]);
  });

  it("with group norm only under its own names: no other implementation has such a ResNet", async () => {
    const weights = tinyWeights();
    for (const name of weights.keys()) if (name.includes(".running_")) weights.delete(name);
    const checkpoint = await saveTinyModel(join(temporaryDirectory(), "run"), model, weights);
    const out = join(temporaryDirectory(), "model.safetensors");
    for (const to of ["detectron2", "huggingface", "timm"] as const) {
      await expect(exportModel({ checkpoint, to, out })).rejects.toThrow(/ResNet with batch norm.*found group norm/);
    }
    await exportModel({ checkpoint, to: "canonical", out });
    expectEqual((await loadWeights(out)).tensors, weights);
  });

  it("to timm: the backbone alone", async () => {
    const out = join(temporaryDirectory(), "backbone.safetensors");
    const { plan } = await exportModel({ checkpoint: await saved(), to: "timm", out });
    expectEqual((await loadWeights(out)).tensors, backboneOf(tinyWeights()));
    expect(plan.leftOut).toContain("sem_seg_head.predictor.query_feat.weight");
  });

  it("a model that transformers cannot express is refused", async () => {
    const out = join(temporaryDirectory(), "folder");
    await expect(exportModel({ checkpoint: await saved(), to: "huggingface", out })).rejects.toThrow(
      /4 sampling points.* found 4 heads, 2 points/,
    );
    expect(existsSync(out)).toBe(false);
  });

  it("to Hugging Face: a folder with its configuration", async () => {
    const out = join(temporaryDirectory(), "model");
    const { files } = await saveWeights(out, backboneOf(reduced("mask2former-resnet50")), {
      to: "huggingface",
      source: "x",
    });
    expect(files).toEqual([join(out, "model.safetensors"), join(out, "config.json")]);
    expect(JSON.parse(readFileSync(files[1], "utf8"))).toMatchObject({ model_type: "resnet", depths: [3, 4, 6, 3] });
  });

  it("the configuration follows from the shapes, the classes and the sizes of images", () => {
    const facts = { classes: Array.from({ length: 150 }, (_, i) => `class ${i}`), shortEdge: 512, longEdge: 2048 };
    const config = modelConfig(nameList("mask2former-swin-tiny"), "run", facts);
    expect(config).toMatchObject({
      model_type: "mask2former",
      num_queries: 100,
      decoder_layers: 10,
      encoder_layers: 6,
    });
    expect(config.backbone_config).toMatchObject({ depths: [2, 2, 6, 2], num_heads: [3, 6, 12, 24], window_size: 7 });
    expect(config).toMatchObject({ id2label: { 149: "class 149" }, label2id: { "class 149": 149 } });
    expect(preprocessorConfig("Mask2FormerImageProcessor", 150, facts).size).toEqual({
      shortest_edge: 512,
      longest_edge: 2048,
    });
  });
});

const PYTHON = "/usr/bin/python3";
function whyNoTorch(): string | undefined {
  try {
    execFileSync(PYTHON, ["-c", "import torch"], { stdio: "ignore" });
    return undefined;
  } catch {
    return "no python3-torch";
  }
}
const reason = whyNoTorch();

describe.skipIf(reason !== undefined)(`with PyTorch itself${reason ? ` (skipped: ${reason})` : ""}`, () => {
  const python = (script: string, ...args: string[]) =>
    execFileSync(PYTHON, ["-c", script, ...args], { encoding: "utf8" });

  it("what is written here is read there with the same values and versions", async () => {
    const folder = temporaryDirectory();
    const [torchFile, pickle, safetensors] = ["a.pth", "a.pkl", "a.safetensors"].map((name) => join(folder, name));
    const tensors = reduced("mask2former-resnet50");
    for (const path of [torchFile, pickle]) await saveWeights(path, tensors, { to: "detectron2", source: "x" });
    await saveWeights(safetensors, tensors, { to: "canonical", source: "x" });
    const script = `
import json, pickle, struct, sys, torch
model = torch.load(sys.argv[1])["model"]
arrays = pickle.load(open(sys.argv[2], "rb"), encoding="latin1")["model"]
data = open(sys.argv[3], "rb").read()
length, = struct.unpack("<Q", data[:8])
header = json.loads(data[8 : 8 + length])
header.pop("__metadata__")
same = header.keys() == model.keys() == arrays.keys()
for name, entry in header.items():
    begin, end = (8 + length + offset for offset in entry["data_offsets"])
    same = same and list(model[name].shape) == entry["shape"] == list(arrays[name].shape)
    same = same and model[name].numpy().tobytes() == data[begin:end] == arrays[name].tobytes()
print(same, len(header), model._metadata["sem_seg_head.predictor"], arrays._metadata["sem_seg_head"])`;
    expect(python(script, torchFile, pickle, safetensors).trim()).toBe(
      `True ${tensors.size} {'version': 2} {'version': 2}`,
    );
  });

  it.each(["True", "False"])("what is written there is read here (zip format: %s)", async (zipped) => {
    const path = join(temporaryDirectory(), "a.pth");
    const script = `
import sys, torch
base = torch.arange(60, dtype=torch.float32).reshape(3, 4, 5)
state = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4)).state_dict()
state.update({"transposed": base.permute(2, 0, 1), "half": base[:, 1:3].half(), "brain": base[1].bfloat16(),
              "tied": base, "double": base[0].double(), "long": torch.tensor([-(2**60), 7])})
torch.save({"state_dict": state, "epoch": 3}, sys.argv[1], _use_new_zipfile_serialization=${zipped})
print(float(state["0.weight"].sum()))`;
    const sum = Number(python(script, path));
    const file = await openWeights(path);
    const read = async (name: string) =>
      Array.from((await file.tensors.get(name)!.read()).data as Float32Array, Number);
    expect(file.part).toBe("state_dict");
    const total = (await read("0.weight")).reduce((a, b) => a + b, 0);
    expect(total).toBeCloseTo(sum, 4);
    expect((await read("transposed")).slice(0, 8)).toEqual([0, 5, 10, 15, 20, 25, 30, 35]);
    expect((await read("half")).slice(0, 6)).toEqual([5, 6, 7, 8, 9, 10]);
    expect((await read("brain")).slice(0, 3)).toEqual([20, 21, 22]);
    expect(await read("tied")).toEqual(Array.from({ length: 60 }, (_, i) => i));
    expect((await read("double")).at(-1)).toBe(19);
    expect((await file.tensors.get("long")!.read()).data[0]).toBe(-(2n ** 60n));
    await file.close();
  });

  it("the loading hooks of the original code, asked for their versions, rename nothing", async () => {
    const path = join(temporaryDirectory(), "a.pth");
    await saveWeights(path, reduced("mask2former-resnet50"), { to: "detectron2", source: "x" });
    const script = `
import sys, torch
from torch import nn
seen = {}
class Versioned(nn.Module):
    def __init__(self, **children):
        super().__init__()
        for name, child in children.items(): self.add_module(name, child)
    def _load_from_state_dict(self, state, prefix, metadata, *rest):
        seen[prefix] = metadata.get("version")
predictor = Versioned()
head = Versioned(predictor=predictor, pixel_decoder=Versioned())
model = Versioned(sem_seg_head=head, backbone=Versioned(stem=Versioned(conv1=Versioned(norm=Versioned()))))
model.load_state_dict(torch.load(sys.argv[1])["model"], strict=False)
print(seen["sem_seg_head."], seen["sem_seg_head.predictor."], seen["backbone.stem.conv1.norm."])`;
    expect(python(script, path).trim()).toBe("2 2 3");
  });
});

it("a file that only stands for another is told apart", async () => {
  const path = join(temporaryDirectory(), "model.safetensors");
  writeFileSync(path, "version https://git-lfs.github.com/spec/v1\n");
  await expect(loadWeights(path)).rejects.toThrow(/a pointer of Git LFS/);
});
