import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { writeSafetensors } from "../../src/checkpoint/safetensors.js";
import { openDataSet } from "../../src/data/datasets/open-data.js";
import { openSemanticSplit } from "../../src/data/datasets/semantic-split.js";
import { runFinetuning } from "../../src/finetune/run.js";
import { weightsOptions } from "../../src/pretrain/composition.js";
import { runPretraining } from "../../src/pretrain/run.js";
import { startingWeights } from "../../src/pretrain/starting-weights.js";
import { type ProbeRunOptions, runProbe } from "../../src/probe/run.js";
import { labelSubsets } from "../../src/probe/shares.js";
import { dataFolder } from "../support/data-folders.js";
import { runMain } from "../support/in-process.js";
import { recordedReporter } from "../support/recorded-reporter.js";
import { smallestFinetuning, writeScenes } from "../support/tiny-finetuning.js";
import { smallestSettings } from "../support/tiny-pretraining.js";

const folder = mkdtempSync(join(tmpdir(), "mask-jepa-probe-"));
const scenes = join(folder, "scenes");
const trained = join(folder, "trained");
const frozen = join(folder, "frozen");

async function pretrain(out: string, ...sets: string[]): Promise<void> {
  const settings = smallestSettings("run.steps=1", ...sets);
  settings.data.images = [join(scenes, "images", "train")];
  await runPretraining({ settings, out, start: "new" });
}

beforeAll(async () => {
  await writeScenes(scenes, 15); // 12 and 3
  await pretrain(trained);
  const backbone = join(folder, "backbone.safetensors");
  await writeSafetensors(backbone, await startingWeights(weightsOptions(smallestSettings("run.seed=9")), new Map()));
  await pretrain(frozen, "model.norm=frozen", "backbone.frozen=true", `backbone.weights=${backbone}`);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const probe = (checkpoints: readonly string[], more: Partial<ProbeRunOptions> = {}) =>
  runProbe({ checkpoints, data: scenes, shortEdge: 64, device: "cpu", cores: 2, ...more });

describe("a probe", () => {
  test("of a run scores its maps under the starting weights and the trained ones, and writes what it found", async () => {
    const out = join(folder, "out");
    const { code, out: text } = await runMain(
      ...["probe", "--checkpoint", trained, "--data", scenes, "--short-edge", "64", "--out", out],
      ...["--labels", "25%", "100%", "--subsets", "2"],
    );
    expect(code).toBe(0);
    expect(text).toContain("Linear classifiers of 12 images of train, scored on 3 images of val");
    expect(text).toMatch(/mIoU 25%\s+mIoU 100%\s+pixel accuracy\s+purity\s+edge F/);
    expect(text).toMatch(/F_i1, start +8 +32 +\d+\.\d +\d+\.\d ± \d+\.\d +\d+\.\d/);
    const result = JSON.parse(readFileSync(join(out, "probe.json"), "utf8"));
    const { maps } = result.models[0];
    expect(maps.map(({ map, weights }: Record<string, string>) => `${map} ${weights}`)).toEqual(
      ["res2", "res3", "res4", "res5", "F_i1", "F_last"].flatMap((map) => [`${map} start`, `${map} trained`]),
    );
    const channels = maps.filter(({ weights }: Record<string, string>) => weights === "start");
    expect(channels.map((map: Record<string, number>) => [map.stride, map.channels])).toEqual([
      [4, 8],
      [8, 16],
      [16, 32],
      [32, 64],
      [8, 32],
      [4, 32],
    ]);
    for (const { shares, effectiveRank, channels, clusterPurity, edges } of maps) {
      expect(shares.map(({ labels, images, seeds }: Record<string, unknown>) => [labels, images, seeds])).toEqual([
        ["25%", 3, [0, 1]],
        ["100%", 12, [0]],
      ]);
      expect(shares[0].miou.values).toHaveLength(2);
      expect(shares[0].miou.deviation).toBeGreaterThanOrEqual(0);
      expect(shares[1].miou).toMatchObject({ deviation: null, values: [shares[1].miou.mean] });
      expect(shares[1].pixelAccuracy.mean).toBeGreaterThan(0);
      expect(shares[1].iou).toHaveLength(result.data.classes.length);
      expect(effectiveRank).toBeGreaterThan(1);
      expect(effectiveRank).toBeLessThanOrEqual(channels);
      expect(clusterPurity).toBeGreaterThanOrEqual(result.models[0].singleClusterPurity);
      expect(edges.f).toBeGreaterThan(0);
    }
    const page = readFileSync(join(out, "probe.html"), "utf8");
    for (const label of ["image", "labels", "F_i1, start", "F_last, trained", "k-means before", "PCA after", "edges"]) {
      expect(page.split(`<span>${label}</span>`).length - 1, label).toBe(label === "image" ? 6 : 3);
    }
    expect(page).not.toMatch(/(src|href)="(?!data:)/);
  });

  test("sees a frozen backbone once, of several models the same images, and repeats to the bit", async () => {
    const { result } = await probe([frozen, trained], { out: join(folder, "two") });
    const names = result.models.map(({ maps }) => maps.map(({ map, weights }) => `${map} ${weights}`));
    expect(names[0]).toEqual([
      ...["res2", "res3", "res4", "res5"].map((map) => `${map} both`),
      ...["F_i1", "F_last"].flatMap((map) => [`${map} start`, `${map} trained`]),
    ]);
    expect(names[1]).toHaveLength(12);
    const again = await probe([frozen], { cores: 1, out: join(folder, "again") });
    expect(again.result.models).toEqual([result.models[0]]);
  });

  test("takes fine-tuned models, and images without starting weights that can be had are scored without", async () => {
    const run = join(folder, "tuned");
    const settings = smallestFinetuning("run.steps=1", `data.path=${scenes}`, "data.task=semantic");
    await runFinetuning({ settings, out: run, start: "new" });
    const { result } = await probe([run], { limit: 3, out: join(folder, "tuned-probe") });
    expect(result.models[0]).toMatchObject({ kind: "fine-tuned model", step: 1 });
    expect(result.data).toMatchObject({ train: { images: 3 }, test: { images: 3 } });
    expect(result.models[0].maps).toHaveLength(12);

    rmSync(join(folder, "backbone.safetensors"));
    const reporter = recordedReporter();
    const only = await probe([frozen], { reporter, limit: 2 });
    expect(only.result.models[0].maps.map(({ weights }) => weights)).toEqual(Array(6).fill("trained"));
    expect(reporter.lines.join("\n")).toMatch(
      /Warning: .* is probed without the weights that it began with\. .*backbone/,
    );
    expect(only.files.json).toBe(join(frozen, "probe", "probe.json"));
  });
});

describe("what cannot be probed is one line", () => {
  test.each([
    { what: "labels", options: { labels: ["ten"] }, message: /--labels: expected a share such as 10%/ },
    { what: "split", options: { testSplit: "tset" }, message: /the split tset/ },
    { what: "data", options: { data: join(folder, "none") }, message: /none/ },
  ])("$what", async ({ options, message }) => {
    await expect(probe([trained], options)).rejects.toThrow(message);
  });

  test("labels of ignored values alone, before anything is computed or written", async () => {
    const data = dataFolder(join(folder, "void"));
    data.yaml("data.yaml", {
      classes: ["a", "b"],
      ignore: 255,
      train: { images: "train", semantic: "train_labels" },
      test: { images: "test", semantic: "test_labels" },
    });
    for (const [split, label] of Object.entries({ train: 1, test: 255 })) {
      await data.photo(`${split}/1.png`, 3, 2);
      data.labels(`${split}_labels/1.png`, Array(2).fill(Array(3).fill(label)));
    }
    await expect(probe([trained], { data: data.root, out: join(folder, "void-out") })).rejects.toThrow(
      `${data.root} test: expected a pixel of a class, found only pixels of ignored values in 1 image`,
    );
    expect(existsSync(join(folder, "void-out"))).toBe(false);
  });

  test("a folder that is no run", async () => {
    await expect(probe([scenes])).rejects.toThrow("a folder of labelled data");
  });
});

describe("shares of the labels", () => {
  test("are those of finetune --labels by their seeds, once where they are all images, and of the images that are there", () => {
    const images = [10, 20, 30, 40];
    const { shares, subsets } = labelSubsets(["50%", "50%", "4"], 2, images);
    expect(shares.map(({ labels, images, subsets }) => [labels, images, subsets])).toEqual([
      ["50%", 2, [0, 1]],
      ["4", 4, [2]],
    ]);
    expect([...subsets[2].indices]).toEqual(images);
    expect(() => labelSubsets(["5"], 2, images)).toThrow(/--labels: expected at most 4 labelled images, found 5/);
    expect([...subsets[0].indices].every((index) => images.includes(index))).toBe(true);
  });
});

test("data with objects alone gets a class for what they leave free; of two objects the smaller one is seen", async () => {
  const data = dataFolder(join(folder, "objects"));
  await data.photo("val2017/1.png", 4, 3);
  data.json("annotations/instances_val2017.json", {
    images: [{ id: 1, file_name: "1.png", width: 4, height: 3 }],
    categories: [
      { id: 5, name: "cell" },
      { id: 6, name: "core" },
    ],
    annotations: [
      {
        id: 1,
        image_id: 1,
        category_id: 6,
        iscrowd: 0,
        area: 1,
        bbox: [1, 1, 1, 1],
        segmentation: [[1, 1, 2, 1, 2, 2, 1, 2]],
      },
      {
        id: 2,
        image_id: 1,
        category_id: 5,
        iscrowd: 0,
        area: 6,
        bbox: [0, 0, 3, 2],
        segmentation: [[0, 0, 3, 0, 3, 2, 0, 2]],
      },
    ],
  });
  const split = await openSemanticSplit(await openDataSet(data.root), "val");
  expect(split.classes.map(({ id, name }) => [id, name])).toEqual([
    [5, "cell"],
    [6, "core"],
    [7, "background"],
  ]);
  const { labels } = await split.semantic(0);
  expect([...labels].join("")).toBe("0002" + "0102" + "2222");
});
