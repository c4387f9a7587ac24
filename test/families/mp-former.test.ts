import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Architecture, familyOf } from "../../src/families/families.js";
import { type MpFormerOptions, mpFormer } from "../../src/families/mp-former.js";
import { type DrawnBatch, NO_OBJECT, UNSUPERVISED } from "../../src/families/training.js";
import { architectureOf } from "../../src/finetune/composition.js";
import { PRESETS } from "../../src/finetune/presets.js";
import { buildTraining } from "../../src/finetune/programs.js";
import { resolveSettings, resumeSettings, toYaml } from "../../src/finetune/settings-resolution.js";
import { asConstants } from "../../src/nn/scope.js";
import { toOnnx } from "../../src/onnx/emit.js";
import { IMAGE, inferenceGraph, inferenceWeights, LOGITS, MASKS } from "../../src/predict/model-graph.js";
import { resolveSettings as resolvePretraining } from "../../src/pretrain/settings-resolution.js";
import type { Runtime } from "../../src/runtime/contract.js";
import { createRuntime } from "../../src/runtime/create-runtime.js";
import { freshWeights } from "../../src/weights/starting-weights.js";
import { temporaryDirectory } from "../support/temporary-directory.js";
import { smallestFinetuning, squares } from "../support/tiny-finetuning.js";
import { randomImagesOf } from "../support/tiny-pretraining.js";

const CLASSES = 3;
const tiny = (...sets: string[]) => smallestFinetuning("model.family=mp-former", "model.decoderLayers=5", ...sets);
const modelOf = (...sets: string[]) => architectureOf(tiny(...sets), CLASSES) as MpFormerOptions & Architecture;

const settings = tiny();
const objects = [[], squares(settings, 2), squares(settings, 5)];
const size = settings.data.crop;
const batch = (step = 0, seed = 0) => ({ seed, step, objects, classes: [], task: "panoptic" as const, size });
const draw = (model: MpFormerOptions, step = 0, seed = 0) =>
  mpFormer.training!.draw(model, batch(step, seed)) as DrawnBatch;
const floats = (drawn: ReturnType<typeof draw>, name: string, first = 0, count = objects.length) =>
  drawn.inputs(first, count).get(name) as Float32Array;
const sum = (values: ArrayLike<number>) => Array.from(values).reduce((a, b) => a + b, 0);

describe("pilots", () => {
  test("stand in groups, one for each object, and those of no group are not supervised", () => {
    const { queries, repeats } = draw(modelOf("model.pilotQueries=12", "model.pilotGroups=2")).given.get("dn")!;
    const none = UNSUPERVISED;
    expect(repeats).toBe(2);
    expect([...queries[2]]).toEqual([0, 1, 2, 3, 4, 0, 1, 2, 3, 4, none, none]);
    expect([...queries[1]]).toEqual([0, 1, ...Array(3).fill(NO_OBJECT), 0, 1, ...Array(3).fill(NO_OBJECT), none, none]);
    expect(new Set(queries[0].slice(0, 10))).toEqual(new Set([NO_OBJECT]));
  });

  test("make as many groups as fit where 100 or more are asked for, and none where not even one fits", () => {
    const groups = (pilots: number) =>
      draw(modelOf(`model.pilotQueries=${pilots}`, "model.pilotGroups=100")).given.get("dn")!.repeats;
    expect([100, 103, 12].map(groups)).toEqual([20, 20, 2]);
    const model = modelOf("model.pilotQueries=100", "model.pilotGroups=100");
    const { queries, repeats } = draw({ ...model, pilots: { ...model.pilots, queries: 4 } }).given.get("dn")!;
    expect(repeats).toBe(0);
    expect(new Set(queries.flatMap((numbers) => [...numbers]))).toEqual(new Set([UNSUPERVISED]));
  });

  test("are of other objects each step where there is no room for all", () => {
    const model = modelOf("model.pilotQueries=3");
    const of = (step: number, seed = 0) => [...draw(model, step, seed).given.get("dn")!.queries[2]];
    expect(of(0)).toEqual(of(0));
    expect(new Set([0, 1, 2, 3, 4, 5].map((step) => of(step).join())).size).toBeGreaterThan(2);
    for (const step of [0, 1, 2]) expect(of(step)).toEqual([...new Set(of(step))].sort((a, b) => a - b));
  });

  test("see their own group and all queries, which do not see them", () => {
    const apart = floats(draw(modelOf("model.pilotQueries=12", "model.pilotGroups=2")), "pilot groups");
    const all = 12 + settings.decoder.queries;
    const row = (query: number) => [...apart.subarray(query * all, query * all + 12)].join("");
    expect(row(0)).toBe("000001111111");
    expect(row(9)).toBe("111110000011");
    expect(row(11)).toBe("111111111111");
    expect(row(12)).toBe("111111111111");
    for (let query = 0; query < all; query++) expect(sum(apart.subarray(query * all + 12, (query + 1) * all))).toBe(0);
  });

  test("are made of their objects' classes, a share of them of a random one", () => {
    const labels = (noise: number, step: number) =>
      floats(draw(modelOf("model.pilotQueries=5", `model.labelNoise=${noise}`), step), "pilot labels");
    const exact = labels(0, 0);
    objects.forEach((found, image) => {
      found.forEach(({ label }, i) => {
        expect(exact[(image * 5 + i) * CLASSES + label]).toBe(1);
      });
    });
    expect(sum(exact)).toBe(7);
    const changed = Array.from({ length: 60 }, (_, step) => sum(labels(0.6, step).map((value, i) => value * exact[i])));
    // Of 7 labels a share of 0.6 is drawn anew, of which a third is what it was.
    expect(sum(changed) / 60).toBeCloseTo(7 * (1 - 0.6 * (2 / 3)), 0);
  });

  test("see the cells that their object touches, and with noise others too, drawn for each layer, group and head", () => {
    const plain = draw(modelOf("model.pilotQueries=5"));
    const coarse = floats(plain, "pilot masks of level 0");
    // A square from (0, 4) to (19, 23) lies in the first of 2 x 2 cells of 32 pixels.
    expect([...coarse.subarray(5 * 4, 6 * 4)]).toEqual([0, 1, 1, 1]);
    expect(sum(coarse.subarray(0, 5 * 4))).toBe(20); // the image without objects
    expect([...plain.inputs(0, 1).keys()].filter((name) => name.includes("masks"))).toHaveLength(3);

    const noisy = modelOf(
      "model.pilotQueries=10",
      "model.pilotGroups=2",
      "model.maskNoise=2",
      "model.maskNoiseOfHeads=true",
    );
    const { heads } = noisy.transformerDecoder;
    const drawn = draw(noisy);
    const masks = [0, 3].map((layer) => floats(drawn, `pilot masks of layer ${layer}`));
    expect(masks[0].length).toBe(3 * heads * 10 * 4);
    const last = (values: Float32Array, head: number, pilot: number) =>
      values.subarray(((2 * heads + head) * 10 + pilot) * 4, ((2 * heads + head) * 10 + pilot + 1) * 4).join("");
    const variants = [0, 1].flatMap((set) =>
      [0, 1, 2, 3].flatMap((head) => [0, 5].map((p) => last(masks[set], head, p))),
    );
    expect(new Set(variants).size).toBeGreaterThan(1);
    const few = modelOf("model.pilotAllLayers=false", "model.maskNoise=0.1");
    expect([...draw(few).inputs(0, 1).keys()].filter((name) => name.includes("layer"))).toHaveLength(4);
  });

  test("do not depend on how a batch is cut into micro-batches", () => {
    const drawn = draw(modelOf("model.maskNoise=0.5"));
    for (const [name, whole] of drawn.inputs(0, 3)) {
      if (name === "pilot groups") continue;
      const parts = [0, 1, 2].flatMap((first) => [...floats(drawn, name, first, 1)]);
      expect(parts).toEqual(Array.from(whole as Float32Array));
    }
  });
});

describe("a trained one", () => {
  let runtime: Runtime;
  beforeAll(async () => {
    runtime = await createRuntime({ device: "cpu", cores: 1 });
  });
  afterAll(() => runtime.dispose());

  test("predicts what a Mask2Former with positions of zero does", async () => {
    const model = modelOf();
    const { pilots: _, ...rest } = model;
    const twin: Architecture = { ...rest, family: "mask2former" };
    const { declarations } = buildTraining(model, 1, [64, 64]).weights;
    const { weights } = freshWeights(declarations, 1);
    const positions = [...inferenceWeights(twin)].filter(([name]) => !weights.has(name));
    expect(positions.map(([name]) => name)).toEqual(["sem_seg_head.predictor.query_embed.weight"]);
    for (const [name, shape] of positions) {
      weights.set(name, { dtype: "float32", shape, data: new Float32Array(shape.reduce((a, b) => a * b)) });
    }
    const answers: (Float32Array | undefined)[][] = [];
    for (const architecture of [model, twin]) {
      const graph = inferenceGraph(architecture, { width: 64, height: 96 }, (graph) => asConstants(graph, weights));
      const program = await runtime.compile(toOnnx(graph), { name: graph.name, frozenWeights: true });
      const image = runtime.allocate("float32", [1, 3, 96, 64]);
      await image.write({ dtype: "float32", shape: image.shape, data: randomImagesOf(3 * 96 * 64, 0) });
      const outputs = [LOGITS, MASKS].map((name) => {
        const { shape } = graph.outputs.get(name)!;
        return [name, runtime.allocate("float32", shape)] as const;
      });
      await program.run({ [IMAGE]: image }, Object.fromEntries(outputs));
      answers.push(await Promise.all(outputs.map(async ([, tensor]) => (await tensor.read()).data.slice())));
    }
    expect(answers[0]).toEqual(answers[1]);
    expect([...inferenceWeights(model).keys()]).not.toContain("sem_seg_head.predictor.label_enc.weight");
  });
});

describe("settings", () => {
  test("the published schedules are its presets", () => {
    const { optim, run, model } = PRESETS["mp-former-r50-coco-instance-12ep"];
    expect(run.steps).toBe(88_500);
    expect(optim.milestones.map((share) => Math.round(share * 88_500))).toEqual([73_750, 81_125]);
    expect(model).toMatchObject({ family: "mp-former", pilotGroups: 1, labelNoise: 0.2, maskNoise: 0 });
    expect(PRESETS["mp-former-r50-cityscapes-panoptic"].optim).toMatchObject({ schedule: "multistep" });
    expect(PRESETS["mp-former-r50-cityscapes-panoptic"].model).toMatchObject({ norm: "batch" });
  });

  test("another preset becomes one of its family with the numbers that both have", () => {
    const { model } = resolveSettings({ preset: "scenes", sets: ["model.family=mp-former", "model.labelNoise=0.5"] });
    expect(model).toMatchObject({
      family: "mp-former",
      hiddenDim: 64,
      decoderLayers: 3,
      labelNoise: 0.5,
      pilotGroups: 1,
    });
    const back = resolveSettings({ preset: "mp-former-r50-ade20k-semantic", sets: ["model.family=mask2former"] });
    expect(back.model).toEqual(PRESETS["mask2former-r50-ade20k-semantic"].model);
  });

  test.each([
    ["model.family=mpformer", `found "mpformer". Did you mean "mp-former"?`],
    ["model.labelNoise=0.5", `found "model.labelNoise". It needs model.family mp-former.`],
    ["model.labelNoize=0.5", `Did you mean "model.labelNoise"?`],
  ])("%s is refused", (set, message) => {
    expect(() => resolveSettings({ sets: [set] })).toThrow(message);
  });

  test("a run goes on with its family alone, and pretraining is Mask2Former's", () => {
    const stored = join(temporaryDirectory(), "config.yaml");
    writeFileSync(stored, toYaml(resolveSettings({ sets: ["model.family=mp-former"] })));
    const flags = [{ path: ["model", "family"], value: "mask2former", where: "--family mask2former" }];
    expect(() => resumeSettings(stored, { flags })).toThrow("found changes of model.family.");
    expect(() => resolvePretraining({ sets: ["model.family=mp-former"] })).toThrow("with finetune --family");
  });

  test("as many groups as pilots at most", () => {
    const sets = ["model.family=mp-former", "model.pilotGroups=7", "model.pilotQueries=6"];
    expect(() => resolveSettings({ sets })).toThrow(
      "at least one pilot a group, model.pilotQueries of 7 or more, found 6",
    );
    expect(familyOf({ family: "mp-former" }).title).toBe("MP-Former");
  });
});
