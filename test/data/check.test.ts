import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { checkData } from "../../src/data/check/check-data.js";
import { findLeaks } from "../../src/data/check/leaks.js";
import { breakage, reportLines, summaryOf, verdict } from "../../src/data/check/report-text.js";
import { dataFolder } from "../support/data-folders.js";
import { truncateFile } from "../support/image-folder.js";
import { runMain } from "../support/in-process.js";
import { temporaryDirectory } from "../support/temporary-directory.js";

/** Six training and two validation images of 4x2 without a fault. */
async function healthySet() {
  const folder = dataFolder(temporaryDirectory());
  for (let i = 0; i < 8; i++) {
    const split = i < 6 ? "train" : "val";
    await folder.photo(`${split}/${i}.jpg`, 4, 2, { red: 30 * i });
    folder.labels(`${split}_maps/${i}.png`, [
      [0, 0, 1, 255],
      [0, 0, 1, 255],
    ]);
  }
  folder.yaml("data.yaml", {
    name: "streets",
    classes: ["sky", "road", "unicorn"],
    ignore: 255,
    train: { images: "train", semantic: "train_maps" },
    val: { images: "val", semantic: "val_maps" },
  });
  return folder;
}

it("a healthy set is ready, with counts and a histogram", async () => {
  const { root } = await healthySet();
  const report = await checkData(root);
  expect(breakage(report)).toBeUndefined();
  expect(verdict(report)).toBe("Ready to train: semantic (train 6, val 2).");
  expect(reportLines(report).join("\n").replace(root, "DATA")).toBe(
    [
      "streets (generic): DATA",
      "",
      "semantic, 3 classes",
      "  split  images  labels read  faults  empty  void %",
      "  train       6            6       0      0   25.00",
      "  val         2            2       0      0   25.00",
      "",
      "                       train            val",
      "   id class     px %  images   px %  images",
      "    0 sky      50.00       6  50.00       2",
      "    1 road     25.00       6  25.00       2",
      "    2 unicorn      -       -      -       -",
      "",
      "Notes",
      "  train: 1 class never occurs: unicorn",
      "  val: 1 class never occurs: unicorn",
      "",
    ].join("\n"),
  );
});

it("every fault is found, counted once, and names its file", async () => {
  const folder = await healthySet();
  truncateFile(folder.at("train/0.jpg"));
  folder.text("train/1.jpg", "<html>");
  truncateFile(folder.at("train_maps/2.png"));
  folder.labels("train_maps/3.png", [[0, 1]]);
  folder.labels("train_maps/4.png", [
    [0, 0, 7, 7],
    [0, 0, 0, 9],
  ]);
  await folder.photo("train/lonely.jpg", 4, 2);
  folder.labels("val_maps/ghost.png", [[0]]);
  const report = await checkData(folder.root);
  expect(report.faults.map(({ split, kind, file }) => [split, kind, file.slice(folder.root.length + 1)])).toEqual([
    ["val", "missing image", "val_maps/ghost.png"],
    ["train", "missing label", "train/lonely.jpg"],
    ["train", "unreadable image", "train/0.jpg"],
    ["train", "unreadable image", "train/1.jpg"],
    ["train", "unreadable label", "train/2.jpg"],
    ["train", "sizes differ", "train/3.jpg"],
    ["train", "ids outside the classes", "train/4.jpg"],
  ]);
  expect(report.faults.at(-1)?.message).toMatch(/train_maps\/4\.png: .*7 \(2 pixels\), 9 \(1 pixels\)/);
  expect(reportLines(report).filter((line) => line.includes("->"))).toEqual([
    expect.stringMatching(/Resize neither/),
    expect.stringMatching(/name others under ignore or id_map/),
  ]);
  expect(breakage(report)).toBe("7 faults in 7 files (val 1, train 6)");
  expect(summaryOf(report)).toMatchObject({
    ready: false,
    splits: [
      { split: "train", labelled: 1 },
      { split: "val", labelled: 2 },
    ],
  });
});

it("a split that cannot be opened is reported, and the others are looked at", async () => {
  const folder = await healthySet();
  folder.yaml("data.yaml", {
    classes: ["sky", "road", "unicorn"],
    ignore: 255,
    train: { images: "train", semantic: "train_maps" },
    val: { images: "nowhere", semantic: "val_maps" },
  });
  const report = await checkData(folder.root);
  expect(report.tasks[0].splits.map(({ name }) => name)).toEqual(["train"]);
  expect(report.closed).toEqual([{ split: "val", task: "semantic", message: expect.stringMatching(/nowhere/) }]);
  expect(breakage(report)).toBe("1 split that cannot be used");
  await expect(checkData(folder.root, { splits: ["tset"] })).rejects.toThrow(/expected the split tset/);
});

it("an image of train in val is a leak by its content, whatever its name, and a warning", async () => {
  const folder = await healthySet();
  await folder.photo("val/copy.jpg", 4, 2, { red: 30 * 2 }); // the pixels of train/2.jpg
  folder.labels("val_maps/copy.png", [
    [0, 0, 1, 255],
    [0, 0, 1, 255],
  ]);
  expect(readFileSync(folder.at("val/copy.jpg"))).toEqual(readFileSync(folder.at("train/2.jpg")));
  const report = await checkData(folder.root);
  expect(report.leaks).toEqual([
    { splits: ["train", "val"], files: [folder.at("train/2.jpg"), folder.at("val/copy.jpg")], by: "content" },
  ]);
  expect(breakage(report)).toBeUndefined();
  expect(verdict(report)).toMatch(/, but see the warning\.$/);
});

/** Four training images with masks of 0 and 255, two of each other split. */
async function binaryMasks(description: object) {
  const folder = dataFolder(temporaryDirectory());
  for (const [split, count] of [
    ["train", 4],
    ["val", 2],
  ] as const) {
    for (let i = 0; i < count; i++) {
      await folder.photo(`${split}/${i}.png`, 3, 1, { red: 10 * count + i });
      folder.labels(`${split}_maps/${i}.png`, [[0, 255, 255]]);
    }
  }
  const splits = { train: { images: "train", semantic: "train_maps" }, val: { images: "val", semantic: "val_maps" } };
  folder.yaml("data.yaml", { ...description, ...splits });
  return folder;
}

it("masks of 0 and 255 whose 255 is ignored are warned of, with the YAML that reads them", async () => {
  const folder = await binaryMasks({ classes: ["bg", "road"], ignore: 255 });
  const report = await checkData(folder.root);
  const advice = `If 255 is road, write id_map: { 0: 0, 255: 1 } in ${folder.at("data.yaml")} and take 255 out of ignore.`;
  expect(report.warnings[0]).toMatch(/^train: every labelled pixel is "bg" and all others are ignored/);
  expect(report.warnings[0]).toContain(advice);
  expect(verdict(report)).toMatch(/, but see the 2 warnings\.$/);

  const mended = await binaryMasks({ classes: ["bg", "road"], id_map: { 0: 0, 255: 1 } });
  const after = await checkData(mended.root);
  expect([after.warnings, after.faults, after.closed]).toEqual([[], [], []]);
  expect(after.tasks[0].splits[0].tally.counts.map(({ pixels }) => pixels)).toEqual([4, 8]);
});

it("masks of 0 and 255 without a meaning are met with the same YAML, of one class too", async () => {
  const two = await checkData((await binaryMasks({ classes: ["bg", "road"] })).root);
  expect(two.faults[0].fix).toMatch(/^For masks of 0 and 255 write id_map: \{ 0: 0, 255: 1 \} in /);
  const one = await checkData((await binaryMasks({ classes: ["road"] })).root);
  expect(one.faults[0].fix).toContain('write classes: [background, "road"] and id_map: { 0: 0, 255: 1 } in ');
});

it("a training split of which every pixel is ignored cannot be trained on; another split may be so", async () => {
  const report = await checkData((await binaryMasks({ classes: ["a", "b"], ignore: [0, 255], values: "place" })).root, {
    splits: ["train"],
  }).catch((error: unknown) => error);
  expect(String(report)).toMatch(/data\.yaml ignore: expected values that stand for no class, found 0, .*"a"/);

  const folder = await binaryMasks({ classes: { 7: "a", 8: "b" }, ignore: [0, 255] });
  const all = await checkData(folder.root);
  expect(all.closed).toEqual([
    {
      split: "train",
      task: "semantic",
      message: expect.stringMatching(/a pixel of a class, found only pixels of ignored/),
    },
  ]);
  expect(breakage(all)).toBe("1 split that cannot be used");
  folder.labels("train_maps/3.png", [[0, 8, 255]]);
  expect(breakage(await checkData(folder.root))).toBeUndefined();
});

it("names are leaks where they are no counters", () => {
  const splits = new Map([
    [
      "train",
      [{ file: "t/0001.jpg" }, { file: "t/photograph_00000001.jpg" }, { file: "t/frankfurt_000000_000294.png" }],
    ],
    ["val", [{ file: "v/0001.png" }, { file: "v/photograph_00000001.jpg" }, { file: "v/frankfurt_000000_000294.jpg" }]],
  ]);
  expect(findLeaks(splits).map(({ files, by }) => [files[1], by])).toEqual([["v/frankfurt_000000_000294.jpg", "name"]]);
});

it("one split as a part of another is no repetition of its images", async () => {
  const folder = await healthySet();
  const val = { images: "val", semantic: "val_maps" };
  folder.yaml("data.yaml", { classes: ["sky", "road", "x"], ignore: 255, val, "val-6": { ...val, match: "6*" } });
  const report = await checkData(folder.root);
  expect(report.tasks[0].splits.map(({ name, length, fingerprints }) => [name, length, fingerprints.length])).toEqual([
    ["val", 2, 2],
    ["val-6", 1, 1],
  ]);
  expect([report.leaks, report.warnings]).toEqual([[], []]);
});

it("objects: crowds, single pixels, many objects and images without any are counted, and legal", async () => {
  const folder = dataFolder(temporaryDirectory());
  await folder.photo("images/a.png", 12, 12);
  await folder.photo("images/b.png", 2, 2);
  await folder.photo("images/unlisted.png", 2, 2, { red: 9 });
  const pixel = (i: number) => ({ size: [12, 12], counts: [i, 1, 143 - i] });
  const annotations = Array.from({ length: 101 }, (_, i) => ({
    id: i + 1,
    image_id: 1,
    category_id: 5,
    iscrowd: 0,
    segmentation: pixel(i),
  }));
  folder.json("train.json", {
    images: [
      { id: 1, file_name: "a.png", width: 12, height: 12 },
      { id: 2, file_name: "b.png", width: 2, height: 2 },
    ],
    annotations: [
      ...annotations,
      { id: 200, image_id: 1, category_id: 5, iscrowd: 1, segmentation: pixel(130) },
      // Outside the image.
      { id: 201, image_id: 1, category_id: 5, iscrowd: 0, segmentation: [[50, 50, 60, 50, 60, 60]] },
    ],
    categories: [{ id: 5, name: "seed" }],
  });
  folder.yaml("data.yaml", { train: { images: "images", instances: "train.json" } });
  const report = await checkData(folder.root);
  const [{ tally, length }] = report.tasks[0].splits;
  expect([length, tally.counts[0].objects, tally.crowds, tally.onePixel]).toEqual([2, 102, 1, 102]);
  expect(breakage(report)).toBeUndefined();
  expect(report.notes).toEqual([
    "train: 1 image without annotations: b.png",
    "train: 1 image with more than 100 objects, the queries of the presets: a.png",
    "train: 102 masks of one pixel",
    "train: 1 mask without a pixel: a.png",
    "train: 1 crowd, which training leaves out",
    'No split "val": a run is not evaluated (data.valSplit).',
    "1 image in no label file: unlisted.png",
  ]);
  expect(report.warnings).toEqual([
    expect.stringMatching(
      /^train: 1 object lies wholly outside the image: .*train\.json annotations\[102\] \(id 201\)$/,
    ),
  ]);
});

it("the command ends with 1 and a list of the faults in a file, or with 0 and that all is well", async () => {
  const folder = await healthySet();
  const healthy = await runMain("data", "check", "--data", folder.root, "--split", "val");
  expect(healthy.code).toBe(0);
  expect(healthy.out).toMatch(/^Without a fault: semantic \(val 2\)\.\n$/m);
  folder.labels("val_maps/6.png", [[0]]);
  const file = folder.at("report.json");
  const broken = await runMain("data", "check", "--data", folder.at("data.yaml"), "--report", file);
  expect(broken.code).toBe(1);
  expect(broken.err).toMatch(/found 1 fault in 1 file \(val 1\)\. All of them: .*report\.json/);
  expect(JSON.parse(readFileSync(file, "utf8"))).toMatchObject({ ready: false, faults: [{ kind: "sizes differ" }] });
});
