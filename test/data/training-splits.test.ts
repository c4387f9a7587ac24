import { describe, expect, it } from "vitest";
import { checkData } from "../../src/data/check/check-data.js";
import { breakage, verdict } from "../../src/data/check/report-text.js";
import { openDataSet } from "../../src/data/datasets/open-data.js";
import { openTrainingSplits, type TrainingSplits } from "../../src/data/datasets/training-splits.js";
import type { Task } from "../../src/masks/segmentation.js";
import { dataFolder } from "../support/data-folders.js";
import { truncateFile } from "../support/image-folder.js";
import { temporaryDirectory } from "../support/temporary-directory.js";

const CATEGORIES = [
  { id: 1, name: "cat" },
  { id: 2, name: "dog" },
];
const square = { category_id: 1, segmentation: [[1, 0, 3, 0, 3, 2, 1, 2]] };

interface Split {
  readonly annotations?: readonly object[];
  readonly categories?: readonly object[];
}

/** COCO's layout: two images a split, an object each unless the case says so. */
async function coco(splits: Record<string, Split>) {
  const folder = dataFolder(temporaryDirectory());
  for (const [split, { annotations, categories = CATEGORIES }] of Object.entries(splits)) {
    const ids = [1, 2];
    for (const id of ids) await folder.photo(`${split}/${id}.png`, 4, 3, { red: 20 * id + split.length });
    folder.json(`annotations/instances_${split}.json`, {
      images: ids.map((id) => ({ id, file_name: `${id}.png`, width: 4, height: 3 })),
      annotations: annotations ?? ids.map((id) => ({ id, image_id: id, ...square })),
      categories,
    });
  }
  return folder;
}

const open = async (root: string, task: Task = "instance"): Promise<TrainingSplits> =>
  openTrainingSplits(await openDataSet(root), { task, trainSplit: "train", valSplit: "val" });

describe("what a run would train on", () => {
  it("is opened once `data check` has called it ready", async () => {
    const { root } = await coco({ train2017: {}, val2017: {} });
    const { train, labelled, val, notes } = await open(root);
    expect([train.length, labelled, val?.length, notes]).toEqual([2, 2, 2, []]);
    const report = await checkData(root);
    expect([breakage(report), report.trainable]).toEqual([undefined, ["instance"]]);
    expect(verdict(report)).toBe("Ready to train: instance (train 2, val 2).");
  });

  const crowd = { ...square, iscrowd: 1, segmentation: { size: [3, 4], counts: [0, 12] } };
  const outside = { ...square, segmentation: [[50, 50, 60, 50, 60, 60]] };
  it.each([
    [
      "objects of other images",
      [{ id: 1, image_id: 9, ...square }],
      /an object that is no crowd, found none in 2 images/,
    ],
    ["crowds alone", [{ id: 1, image_id: 1, ...crowd }], /an object that is no crowd, found none in 2 images/],
    ["objects outside their images", [{ id: 1, image_id: 1, ...outside }], /found none in 1 image/],
    [
      "annotations that cannot be read",
      [{ id: 1, image_id: 1, category_id: 7 }],
      /1 image that cannot be used .*found 7|7, no category/,
    ],
    [
      "nested nonsense",
      [{ id: 1, image_id: 1, ...square, segmentation: {} }],
      /segmentation: \{\} in place of polygons or run/,
    ],
  ])("is refused with %s, in the words of `data check`", async (_, annotations, message) => {
    const { root } = await coco({ train: { annotations }, val: {} });
    const refusal = await open(root).then(
      () => "none",
      (error: Error) => error.message,
    );
    expect(refusal).toMatch(message);
    const report = await checkData(root);
    expect(report.closed).toEqual([{ split: "train", task: "instance", message: refusal }]);
    expect(report.trainable).toEqual([]);
    expect(breakage(report)).toMatch(/1 split that cannot be used/);
  });

  it("is refused when not one image can be read, and not when one is left", async () => {
    const folder = await coco({ train: {}, val: {} });
    truncateFile(folder.at("train/1.png"));
    expect((await open(folder.root)).train.length).toBe(2);
    expect((await checkData(folder.root)).trainable).toEqual(["instance"]);
    truncateFile(folder.at("train/2.png"));
    await expect(open(folder.root)).rejects.toThrow(/found 2 images that cannot be used \(.*train\/1\.png: /);
    expect((await checkData(folder.root)).trainable).toEqual([]);
  });

  it.each([
    ["other names", [CATEGORIES[0], { id: 2, name: "doge" }]],
    ["other ids", [CATEGORIES[0], { id: 3, name: "dog" }]],
    ["fewer classes", [CATEGORIES[0]]],
  ])("is refused when the labels that it would be scored on have %s", async (_, categories) => {
    const { root } = await coco({ train: {}, val: { categories } });
    await expect(open(root)).rejects.toThrow(/val: expected the 2 classes that are trained \(number 2 is 2 "dog"/);
    const report = await checkData(root);
    expect(report.closed.map(({ split, message }) => [split, message])).toEqual([
      ["val", expect.stringMatching(/expected the 2 classes/)],
    ]);
    expect(report.trainable).toEqual([]);
  });

  it("goes without scores where no split, or none for the task, is called so, and says it", async () => {
    const folder = await coco({ train: {} });
    expect((await open(folder.root)).notes).toEqual(['No split "val": a run is not evaluated (data.valSplit).']);
    for (const id of [1, 2])
      folder.labels(`maps/${id}.png`, [
        [1, 1, 1, 1],
        [2, 2, 2, 2],
        [1, 1, 1, 1],
      ]);
    const semantic = { images: "train", semantic: "maps" };
    const classes = CATEGORIES.map((category) => ({ ...category, isthing: true }));
    folder.yaml("data.yaml", {
      classes,
      values: "id",
      train: { ...semantic, instances: "annotations/instances_train.json" },
      val: semantic,
    });
    const { val, notes } = await open(folder.root);
    expect([val, notes]).toEqual([undefined, [expect.stringMatching(/^No instance labels in the split "val"/)]]);
    const report = await checkData(folder.root, { task: "instance" });
    expect([report.closed, report.trainable]).toEqual([[], ["instance"]]);
    expect(report.notes).toContain(notes[0]);
  });

  it("is nothing where no split is called train, which `data check` says", async () => {
    const { root } = await coco({ part2017: {}, val2017: {} });
    const report = await checkData(root);
    expect(report.trainable).toEqual([]);
    expect(report.notes).toContain(
      'no split is called "train": fine-tuning needs --set data.trainSplit=NAME, one of part2017, val',
    );
    expect(verdict(report)).toBe("Without a fault: instance (part2017 2, val 2).");
  });

  it("is refused when a file of another form, by which it would be scored, is broken, before it begins", async () => {
    const folder = await coco({ train: {}, val: {} });
    const image = (id: number) => ({ id, file_name: `${id}.png`, width: 4, height: 3 });
    const categories = CATEGORIES.map((category) => ({ ...category, isthing: 1 }));
    for (const split of ["train", "val"]) {
      for (const id of [1, 2])
        folder.colours(`panoptic_${split}/${id}.png`, [
          [7, 7, 7, 7],
          [7, 7, 7, 7],
          [7, 7, 7, 7],
        ]);
      const annotations = [1, 2].map((id) => ({
        image_id: id,
        file_name: `${id}.png`,
        segments_info: [{ id: 7, category_id: 1, area: 12 }],
      }));
      folder.json(`annotations/panoptic_${split}.json`, { images: [image(1), image(2)], annotations, categories });
    }
    expect((await open(folder.root, "panoptic")).val?.length).toBe(2);
    folder.text("annotations/instances_val.json", "{");
    await expect(open(folder.root, "panoptic")).rejects.toThrow(/instances_val\.json: expected valid JSON/);
    folder.json("annotations/instances_val.json", { images: [], annotations: [], categories });
    folder.text("annotations/instances_train.json", "{"); // nobody is scored on it
    expect((await open(folder.root, "panoptic")).val?.length).toBe(2);
    const report = await checkData(folder.root);
    expect(report.trainable).toEqual(["panoptic"]);
    expect(report.faults.map(({ message }) => message)).toContainEqual(
      expect.stringMatching(/instances_train\.json: .*JSON/),
    );
  });
});
