import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { decode } from "fast-png";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { exportModel } from "../../src/export/export-model.js";
import { decompressCounts } from "../../src/masks/coco-masks.js";
import { boundingBox, maskArea, runLengths } from "../../src/masks/run-lengths.js";
import { TASKS, type Task } from "../../src/masks/segmentation.js";
import { type PredictOptions, predictFolder } from "../../src/predict/folder/predict-folder.js";
import { truncateFile, writeImages } from "../support/image-folder.js";
import { runMain } from "../support/in-process.js";
import { saveTinyModel, tinyModel } from "../support/tiny-model.js";

const folder = mkdtempSync(join(tmpdir(), "mask-jepa-predict-"));
const images = join(folder, "images");
const runOf = (task: Task) => join(folder, `run-${task}`);

beforeAll(async () => {
  await writeImages(images, 2);
  await writeImages(join(images, "more"), 1);
  for (const task of TASKS) await saveTinyModel(runOf(task), tinyModel(task));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const predict = (out: string, options: Partial<PredictOptions> = {}) =>
  predictFolder({
    checkpoint: runOf("panoptic"),
    images: [images],
    out: join(folder, out),
    device: "cpu",
    cores: 2,
    ...options,
  });
const json = (...path: string[]) => JSON.parse(readFileSync(join(folder, ...path), "utf8"));
const png = (...path: string[]) => decode(readFileSync(join(folder, ...path)));

test("every command that takes a run says which of its checkpoints it reads, and warns of a damaged one", async () => {
  const run = join(folder, "damaged");
  await saveTinyModel(run, tinyModel("panoptic"));
  mkdirSync(join(run, "checkpoints", "step-00000009"));
  const to = (name: string) => ["--out", join(folder, name)];
  const commands = [
    ["predict", images, "--checkpoint", run, ...to("of-damaged")],
    ["export", "--checkpoint", run, "--to", "canonical", ...to("exported")],
    ["evaluate", "--checkpoint", run, "--data", join(folder, "nowhere")],
  ];
  for (const command of commands) {
    const { out } = await runMain(...command);
    expect(out, command[0]).toMatch(/Warning: Checkpoint skipped: .*step-00000009/);
    expect(out, command[0]).toContain(`Loading step 3 of ${run}\n`);
  }
  expect(json("of-damaged", "predictions.json")).toMatchObject({ checkpoint: run, step: 3 });
});

test("writes overlays, label maps, COCO files and a page that agree with each other", async () => {
  const { count, skipped, interrupted } = await predict("all", { forms: TASKS, threshold: 0 });
  expect([count, skipped, interrupted]).toEqual([3, [], false]);
  const out = join(folder, "all");
  expect(readdirSync(out).sort()).toEqual([
    ...["index.html", "instance", "instances.json", "panoptic", "panoptic.json", "predictions.json", "semantic"],
  ]);
  const summary = json("all", "predictions.json");
  expect(summary.complete).toBe(true);
  expect(summary.images.map(({ id, overlays }: { id: number; overlays: object }) => ({ id, ...overlays }))).toEqual(
    ["000", "001", "more_000"].map((stem, i) => ({
      id: i + 1,
      ...Object.fromEntries(TASKS.map((task) => [task, `${task}/overlays/${stem}.png`])),
    })),
  );

  for (const { overlays, labels } of summary.images) {
    for (const path of [...Object.values(overlays), ...Object.values(labels)] as string[]) {
      const { width, height } = png("all", path);
      expect([width, height]).toEqual([80, 72]);
    }
    const ids = png("all", labels.semantic);
    expect([ids.channels, ids.depth]).toEqual([1, 8]);
    expect([10, 20, 30, 40]).toEqual(expect.arrayContaining([...new Set(ids.data)]));
  }

  const panoptic = json("all", "panoptic.json");
  expect(panoptic.categories.map(({ id, isthing }: { id: number; isthing: number }) => [id, isthing])).toEqual([
    [10, 0],
    [20, 0],
    [30, 1],
    [40, 1],
  ]);
  for (const { file_name, segments_info } of panoptic.annotations) {
    const { data } = png("all", "panoptic", "labels", file_name);
    const areas = new Map<number, number>();
    for (let i = 0; i < data.length; i += 3) {
      const id = data[i] + 256 * data[i + 1] + 65536 * data[i + 2];
      areas.set(id, (areas.get(id) ?? 0) + 1);
    }
    areas.delete(0);
    const listed = segments_info.map(({ id, area }: { id: number; area: number }) => [id, area]);
    expect(segments_info.length).toBeGreaterThan(0);
    expect(new Map(listed)).toEqual(areas);
  }

  const instances = json("all", "instances.json");
  expect(instances.length).toBeGreaterThan(0);
  for (const { image_id, category_id, segmentation, bbox, score } of instances) {
    expect([1, 2, 3]).toContain(image_id);
    expect([30, 40]).toContain(category_id);
    const [height, width] = segmentation.size;
    const mask = runLengths(width, height, decompressCounts(segmentation.counts));
    expect([...boundingBox(mask)]).toEqual(bbox);
    expect(score).toBeGreaterThan(0); // rows without a pixel are left out
    expect(maskArea(mask)).toBeGreaterThan(0);
  }
  expect(readFileSync(join(out, "index.html"), "utf8")).toContain("data:image/jpeg");
});

test("predicts what the model was trained for, the same at every number of cores", async () => {
  for (const task of TASKS) {
    await predict(`one-${task}`, { checkpoint: runOf(task), cores: 1 });
    await predict(`two-${task}`, { checkpoint: runOf(task), cores: 2 });
    expect(existsSync(join(folder, `one-${task}`, task, "overlays", "000.png"))).toBe(true);
    expect(json(`one-${task}`, "predictions.json").forms).toEqual([task]);
    for (const name of readdirSync(join(folder, `one-${task}`, task), { recursive: true, encoding: "utf8" })) {
      if (!name.endsWith(".png")) continue;
      const [one, two] = ["one", "two"].map((cores) => readFileSync(join(folder, `${cores}-${task}`, task, name)));
      expect(one).toEqual(two);
    }
  }
});

test("takes COCO's image ids from file names that are numbers", async () => {
  const numbered = join(folder, "numbered");
  await writeImages(numbered, 2);
  await predict("numbers", { images: [numbered] });
  expect(json("numbers", "panoptic.json").images.map(({ id }: { id: number }) => id)).toEqual([0, 1]);
});

test("leaves nothing that stands in the way when no image can be read after all", async () => {
  const cut = join(folder, "cut");
  await writeImages(cut, 1);
  truncateFile(join(cut, "000.png"));
  await expect(predict("new/cut-out", { images: [cut] })).rejects.toThrow("at least one image that can be read");
  expect(existsSync(join(folder, "new"))).toBe(false);
});

test("warns with the threshold when nothing is kept", async () => {
  const panoptic = await predict("blank", { threshold: 0.99 });
  expect(panoptic.warnings).toEqual([
    expect.stringMatching(
      /^3 of 3 panoptic maps are blank: .* --threshold 0.99 .*Lower it, e.g. --threshold 0\.\d+\.$/,
    ),
  ]);
  expect(new Set(png("blank", "panoptic", "labels", "000.png").data)).toEqual(new Set([0]));
  const suggested = Number(/--threshold (0\.\d+)\.$/.exec(panoptic.warnings[0])?.[1]);
  expect((await predict("again", { threshold: suggested })).warnings.join()).not.toContain("3 of 3");

  const instance = await predict("none", { checkpoint: runOf("instance"), threshold: 0.99 });
  expect(instance.warnings[0]).toContain("3 of 3 images show no instance");
  expect(json("none", "instances.json")).toEqual([]);
});

test("passes over bad images by name", async () => {
  const mixed = join(folder, "mixed");
  await writeImages(mixed, 3);
  truncateFile(join(mixed, "000.png"));
  writeFileSync(join(mixed, "001.png"), "no image");
  const { count, skipped } = await predict("mixed-out", { images: [mixed] });
  expect(count).toBe(1);
  expect(skipped.map(({ file }) => file).sort()).toEqual([join(mixed, "000.png"), join(mixed, "001.png")]);
  expect(json("mixed-out", "predictions.json").skipped.length).toBe(2);
  truncateFile(join(mixed, "002.png"));
  await expect(predict("mixed-none", { images: [mixed] })).rejects.toThrow("at least one image that can be read");
});

describe("the output folder", () => {
  test("may hold earlier predictions only when they are to be replaced", async () => {
    await predict("kept");
    await expect(predict("kept")).rejects.toThrow("found earlier predictions. Replace them with --overwrite");
    // Weights of no run know no step.
    const checkpoint = join(folder, "weights.safetensors");
    await exportModel({ checkpoint: runOf("panoptic"), to: "canonical", out: checkpoint });
    await predict("kept", { overwrite: true, checkpoint });
    expect(json("kept", "predictions.json")).toMatchObject({ checkpoint, complete: true });
    writeFileSync(join(folder, "kept", "mine.txt"), "");
    await predict("kept", { overwrite: true, forms: ["semantic"] });
    expect(readdirSync(join(folder, "kept")).sort()).toEqual([
      "index.html",
      "mine.txt",
      "predictions.json",
      "semantic",
    ]);
  });

  test("must not be somebody else's", async () => {
    mkdirSync(join(folder, "foreign"));
    writeFileSync(join(folder, "foreign", "thesis.txt"), "");
    await expect(predict("foreign", { overwrite: true })).rejects.toThrow("such as thesis.txt");
    expect(readdirSync(join(folder, "foreign"))).toEqual(["thesis.txt"]);
  });

  test("must not lie among the images", async () => {
    await expect(predict("images/out")).rejects.toThrow("outside those of the images");
  });
});

describe("the command", () => {
  test("predicts", async () => {
    const out = join(folder, "command");
    const printed = await runMain(
      ...["predict", "--checkpoint", runOf("semantic"), "--images", images, "--out", out],
      ...["--task", "semantic", "panoptic", "--threshold", "0", "--cores", "1"],
    );
    expect(printed.code).toBe(0);
    expect(printed.out).toContain("3 images segmented");
    expect(json("command", "predictions.json").forms).toEqual(["semantic", "panoptic"]);
  });

  test("tells of one image what it found, and where", async () => {
    const out = join(folder, "one");
    const flags = ["--checkpoint", runOf("panoptic"), "--out", out, "--threshold", "0", "--task", ...TASKS];
    const printed = await runMain("predict", join(images, "000.png"), ...flags);
    expect(printed.code).toBe(0);
    expect(printed.out).toMatch(/^panoptic +pixels +% +score$/m);
    const { segments_info: segments } = json("one", "panoptic.json").annotations[0];
    const areas = segments.map(({ area }: { area: number }) => area).sort((a: number, b: number) => b - a);
    const names = "(?:sky|ground|tree|cone)";
    const listed = [...printed.out.matchAll(new RegExp(`^${names} +(\\d+) +([\\d.]+) +(0\\.\\d\\d|-)$`, "gm"))];
    const [semantic, others] = [
      listed.filter(([, , , score]) => score === "-"),
      listed.filter(([, , , score]) => score !== "-"),
    ];
    expect(semantic.reduce((sum, [, area]) => sum + Number(area), 0)).toBe(80 * 72);
    expect(others.slice(0, areas.length).map(([, area]) => Number(area))).toEqual(areas);
    expect(Number(others[0][2])).toBeCloseTo((100 * areas[0]) / (80 * 72), 1);
    expect(printed.out).toContain(`panoptic overlays: ${join(out, "panoptic", "overlays")}`);
    expect(printed.out).toContain(`COCO instances: ${join(out, "instances.json")}`);
  });

  test("takes files, folders and patterns; two files of one name have results of their own", async () => {
    const out = join(folder, "mixture");
    const places = [join(images, "00?.png"), join(images, "more", "000.png"), "--images", join(images, "more")];
    const flags = ["--checkpoint", runOf("semantic"), "--out", out, "--cores", "1"];
    const printed = await runMain("predict", ...places, ...flags);
    expect(printed.out).toContain("3 images segmented");
    expect(printed.out).not.toContain("score");
    expect(readdirSync(join(out, "semantic", "labels")).sort()).toEqual(["000-2.png", "000.png", "001.png"]);
  });

  test.each([
    ["a threshold above 1", [images, "--threshold", "80"], /from 0 to 1/],
    ["a form that there is not", [images, "--task", "depth"], /semantic, instance, panoptic/],
    ["images behind tasks", ["--task", "semantic", images], /Images go before --task, or after --\./],
    ["no images", [], /Name images, folders or patterns/],
  ])("refuses %s", async (_, flags, message) => {
    const printed = await runMain("predict", ...flags, "--checkpoint", "x", "--out", join(folder, "never"));
    expect(printed.code).toBe(2);
    expect(printed.err).toMatch(message);
  });

  test("an image that is none is one line", async () => {
    const file = join(folder, "page.jpg");
    writeFileSync(file, "<html>");
    const printed = await runMain("predict", file, "--checkpoint", runOf("semantic"), "--out", join(folder, "never"));
    expect(printed.code).toBe(1);
    expect(printed.err).toMatch(/page\.jpg: expected an image that can be read, found .*HTML.*\n$/);
    expect(existsSync(join(folder, "never"))).toBe(false);
  });

  test("says what a pretraining run lacks", async () => {
    const never = ["--checkpoint", images, "--images", images, "--out", join(folder, "never")];
    expect((await runMain("predict", ...never)).code).toBe(1);
    expect(existsSync(join(folder, "never"))).toBe(false);
  });
});
