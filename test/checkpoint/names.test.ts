import { describe, expect, it } from "vitest";
import { LAYOUTS, recognise } from "../../src/checkpoint/names/layouts.js";
import { joinedShape } from "../../src/checkpoint/rows.js";
import type { Shape } from "../../src/core/tensor-data.js";
import { architectureOf } from "../../src/finetune/composition.js";
import { PRESETS } from "../../src/finetune/presets.js";
import { inferenceWeights } from "../../src/predict/model-graph.js";
import { nameList } from "../support/name-lists.js";

/** Canonical names and shapes that a list of foreign ones becomes. */
function canonicalOf(foreign: ReadonlyMap<string, Shape>): { layout: string; names: Map<string, Shape> } {
  const { layout, prefix, plan, aside } = recognise(foreign.keys(), "list");
  expect(plan.unmatched).toEqual([]);
  const names = plan.moves.map(
    ({ from, to }) => [to[0], joinedShape(from.map((name) => foreign.get(prefix + name)!))] as const,
  );
  return {
    layout: `${layout.name}${prefix && ` below ${prefix}`}${aside.length ? `, ${aside.length} aside` : ""}`,
    names: new Map(names),
  };
}

const sorted = (names: ReadonlyMap<string, Shape>) => [...names].map(([name, shape]) => `${name} [${shape}]`).sort();
const isCounter = (name: string) => name.endsWith(".num_batches_tracked");
const without = (names: ReadonlyMap<string, Shape>, drop: (name: string) => boolean) =>
  new Map([...names].filter(([name]) => !drop(name)));
const backboneOf = (names: ReadonlyMap<string, Shape>) => without(names, (name) => !name.startsWith("backbone."));

const RESNET = nameList("mask2former-resnet50");
const SWIN = nameList("mask2former-swin-tiny");

/** Of models as they are built here; the golden cases show that these are the names of the official code. */
const built = (preset: string, ...beside: string[]) =>
  new Map<string, Shape>([
    ...inferenceWeights(architectureOf(PRESETS[preset], 150)),
    ...beside.map((name) => [name, []] as const),
    ["criterion.empty_weight", [151]],
  ]);
const MASKFORMER_RESNET = built("maskformer-r50-ade20k-semantic");
const MASKFORMER_SWIN = built("maskformer-swin-t-ade20k-semantic");
const ONEFORMER_RESNET = built("oneformer-r50-ade20k", "criterion.logit_scale");
const ONEFORMER_SWIN = built("oneformer-swin-t-ade20k", "criterion.logit_scale");

describe("names of real implementations become those of Mask2Former, with their shapes", () => {
  it.each([
    ["torchvision-resnet50", "torchvision-resnet"],
    ["timm-resnet50", "torchvision-resnet"],
    ["huggingface-resnet50", "huggingface-resnet"],
    ["huggingface-resnet50-classifier", "huggingface-resnet below resnet., 2 aside"],
  ])("%s", (list, layout) => {
    const found = canonicalOf(nameList(list));
    expect(found.layout).toBe(layout);
    const names = without(found.names, (name) => isCounter(name) || name.includes(".fc."));
    expect(sorted(names)).toEqual(sorted(backboneOf(RESNET)));
  });

  const isIndex = (name: string) => name.endsWith("relative_position_index");
  const isOutputNorm = (name: string) => /^backbone\.norm\d\./.test(name);
  const isClassifier = (name: string) => /^backbone\.(norm|head)\./.test(name);

  it("huggingface-swin-tiny", () => {
    const found = canonicalOf(nameList("huggingface-swin-tiny"));
    expect(found.layout).toBe("huggingface-swin");
    expect(sorted(without(found.names, isClassifier))).toEqual(sorted(without(backboneOf(SWIN), isIndex)));
  });

  it.each([
    ["timm-swin-tiny", "timm-swin"],
    ["huggingface-swin-tiny-classifier", "huggingface-swin below swin., 2 aside"],
  ])("%s, which has no norms of the outputs", (list, layout) => {
    const found = canonicalOf(nameList(list));
    expect(found.layout).toBe(layout);
    const names = without(found.names, (name) => isIndex(name) || isClassifier(name));
    expect(sorted(names)).toEqual(sorted(without(backboneOf(SWIN), (name) => isIndex(name) || isOutputNorm(name))));
  });

  it.each([
    ["huggingface-mask2former-resnet50", "huggingface", RESNET],
    ["huggingface-mask2former-swin-tiny", "huggingface", SWIN],
    ["huggingface-maskformer-resnet50", "huggingface-maskformer", MASKFORMER_RESNET],
    ["huggingface-maskformer-swin-tiny", "huggingface-maskformer", MASKFORMER_SWIN],
    ["huggingface-oneformer-resnet50", "huggingface-oneformer", ONEFORMER_RESNET],
    ["huggingface-oneformer-swin-tiny", "huggingface-oneformer", ONEFORMER_SWIN],
  ])("%s", (list, layout, canonical) => {
    const found = canonicalOf(nameList(list));
    expect(found.layout).toBe(layout);
    const names = without(found.names, (name) => isCounter(name) || isClassifier(name) || isIndex(name));
    expect(sorted(names)).toEqual(sorted(without(canonical, isIndex)));
  });
});

describe("names of Mask2Former become those of real implementations, and back", () => {
  it.each([
    ["huggingface-mask2former-resnet50", "huggingface", RESNET],
    ["huggingface-mask2former-swin-tiny", "huggingface", SWIN],
    ["huggingface-maskformer-resnet50", "huggingface-maskformer", MASKFORMER_RESNET],
    ["huggingface-maskformer-swin-tiny", "huggingface-maskformer", MASKFORMER_SWIN],
    ["huggingface-oneformer-resnet50", "huggingface-oneformer", ONEFORMER_RESNET],
    ["huggingface-oneformer-swin-tiny", "huggingface-oneformer", ONEFORMER_SWIN],
    ["torchvision-resnet50", "torchvision-resnet", backboneOf(RESNET)],
    ["huggingface-resnet50", "huggingface-resnet", backboneOf(RESNET)],
    ["huggingface-swin-tiny", "huggingface-swin", backboneOf(SWIN)],
    ["timm-swin-tiny", "timm-swin", backboneOf(SWIN)],
  ])("%s", (list, layout, canonical) => {
    const { rules } = LAYOUTS.find(({ name }) => name === layout)!;
    const { moves, unmatched } = rules.write(canonical.keys());
    expect(unmatched).toEqual([]);
    const real = nameList(list);
    const written = new Set(moves.flatMap(({ to }) => to));
    const extra = [...written].filter((name) => !real.has(name));
    expect(extra.filter((name) => !/^norm\d\.|relative_position_index$/.test(name))).toEqual([]); // not in classifiers
    const lacking = [...real.keys()].filter((name) => !written.has(name) && !isCounter(name));
    const unused = /^(fc|norm|head\.fc)\.|(^|swin\.|encoder\.model\.)layernorm\.|relative_position_index$/;
    expect(lacking.filter((name) => !unused.test(name))).toEqual([]);
    const back = rules.read(written);
    expect(back.unmatched).toEqual([]);
    expect(back.moves.map(({ to }) => to[0]).sort()).toEqual([...canonical.keys()].sort());
  });
});

describe("other layouts", () => {
  const names = (list: string, change: (name: string) => string) =>
    new Map([...nameList(list)].map(([name, shape]) => [change(name), shape]));

  it("OneFormer keeps its names", () => {
    const oneformer = nameList("oneformer-resnet50");
    const found = canonicalOf(oneformer);
    expect(found.layout).toBe("oneformer");
    expect(sorted(found.names)).toEqual(sorted(oneformer));
  });

  it("releases of Mask2Former call the content of the queries static_query", () => {
    const released = names("mask2former-resnet50", (name) => name.replace("query_feat", "static_query"));
    const found = canonicalOf(released);
    expect(found.layout).toBe("mask2former-release");
    expect(sorted(found.names)).toEqual(sorted(RESNET));
  });

  it("MP-Former has label encodings and no positions of the queries", () => {
    const mpFormer = names("mask2former-resnet50", (name) => name.replace("query_embed", "label_enc"));
    expect(canonicalOf(mpFormer).layout).toBe("mp-former");
  });

  it("first versions of Mask2Former have no module for the pixel decoder", () => {
    const found = canonicalOf(names("mask2former-resnet50", (name) => name.replace("pixel_decoder.", "")));
    expect(found.layout).toBe("mask2former-1");
    expect(sorted(found.names)).toEqual(sorted(RESNET));
  });

  it.each([
    ["maskformer", (name: string) => name],
    ["maskformer-1", (name: string) => name.replace("pixel_decoder.", "")],
  ])("files of MaskFormer name its head in two ways: %s", (layout, change) => {
    const found = canonicalOf(new Map([...MASKFORMER_RESNET].map(([name, shape]) => [change(name), shape])));
    expect(found.layout).toBe(layout);
    expect(sorted(found.names)).toEqual(sorted(MASKFORMER_RESNET));
  });

  it("MoBY keeps a Swin Transformer below encoder., beside its slow copy", () => {
    const swin = [...backboneOf(SWIN)].map(([name, shape]) => [name.slice("backbone.".length), shape] as const);
    const moby = new Map(
      ["encoder_k.", "encoder."].flatMap((copy) => swin.map(([name, shape]) => [copy + name, shape])),
    );
    moby.set("projector.linear_out.weight", [256, 4096]);
    const found = canonicalOf(moby);
    expect(found.layout).toBe(`microsoft-swin below encoder., ${swin.length + 1} aside`);
    expect(sorted(found.names)).toEqual(sorted(backboneOf(SWIN)));
  });

  it("VICRegL keeps torchvision's ResNet below module.backbone.", () => {
    const vicreg = names("torchvision-resnet50", (name) => `module.backbone.${name}`);
    vicreg.set("module.projector.0.weight", [8192, 2048]);
    expect(canonicalOf(vicreg).layout).toBe("torchvision-resnet below module.backbone., 1 aside");
  });

  it("older transformers keep Mask2Former's Swin one level deeper, with the norms by number", () => {
    const older = names("huggingface-mask2former-swin-tiny", (name) =>
      name
        .replace("hidden_states_norms.stage", "hidden_states_norms.")
        .replace(/(hidden_states_norms\.)(\d)/, (_, start: string, n: string) => start + (Number(n) - 1))
        .replace(/pixel_level_module\.encoder\.(?!hidden)/, "pixel_level_module.encoder.model."),
    );
    const found = canonicalOf(without(older, (name) => name.includes("swin.layernorm.")));
    expect(sorted(found.names)).toEqual(sorted(without(SWIN, (name) => name.endsWith("relative_position_index"))));
  });

  it("names of no layout are shown", () => {
    expect(() => recognise(["a.0.weight", "a.1.weight", "b"], "x.pth")).toThrow(/a\.\*\.weight \(2\)\n {2}b/);
  });
});
