import { expect, it } from "vitest";
import { openLabelledSource } from "../../src/data/datasets/open-data.js";
import type { LabelledSplit } from "../../src/data/datasets/split.js";
import { labelledSubset, parseLabelShare, trainableImages } from "../../src/data/datasets/subset.js";
import { dataFolder } from "../support/data-folders.js";
import { temporaryDirectory } from "../support/temporary-directory.js";

/** `count` images of 2x1; every third has no object. */
async function nuclei(count: number): Promise<LabelledSplit> {
  const folder = dataFolder(temporaryDirectory());
  for (let i = 0; i < count; i++) {
    await folder.photo(`photos/${i}.png`, 2, 1);
    folder.labels(`ids/${i}.png`, [[0, i % 3]]);
  }
  folder.yaml("data.yaml", { classes: ["nucleus"], train: { images: "photos", instance_maps: "ids" } });
  return openLabelledSource(folder.root, { task: "instance", split: "train" });
}

const idsOf = (source: LabelledSplit) => Array.from({ length: source.length }, (_, i) => source.imageId(i));

it("a share of the labels depends on the seed alone, grows by adding, and is never nothing", async () => {
  const source = await nuclei(40);
  const some = (text: string, seed = 1) => labelledSubset(source, parseLabelShare(text), seed);
  expect(some("10%").length).toBe(4);
  expect(idsOf(some("10%"))).toEqual(idsOf(some("4")));
  expect(idsOf(some("50%"))).toEqual(expect.arrayContaining(idsOf(some("10%"))));
  expect(idsOf(some("50%", 2))).not.toEqual(idsOf(some("50%")));
  expect(some("1%").length).toBe(1);
  expect(idsOf(some("100%"))).toEqual(idsOf(source));
  expect(some("40").length).toBe(40);
  expect(() => some("41")).toThrow(/--labels: expected at most 40 labelled images, found 41\. 100% means all/);
  expect(idsOf(some("4", 7))).toEqual(idsOf(labelledSubset(await nuclei(40), { images: 4 }, 7)));
});

it("a part keeps images and labels together", async () => {
  const source = await nuclei(12);
  const part = labelledSubset(source, { images: 5 }, 3);
  for (let i = 0; i < part.length; i++) {
    const number = Number(part.imageId(i));
    expect(part.name(i)).toContain(`${number}.png`);
    expect((await part.instances(i)).instances.map(({ id }) => id)).toEqual(number % 3 === 0 ? [] : [number % 3]);
  }
});

it.each(["0%", "101%", "-1", "0", "ten", "1.5", "", "5 %%"])("the share %j is refused", (text) => {
  expect(() => parseLabelShare(text)).toThrow(/--labels: expected a share such as 10%/);
});

it("images without an object are left out of training on instances, and unreadable ones are left in", async () => {
  const source = await nuclei(7);
  expect(await trainableImages(source)).toEqual([1, 2, 4, 5]);
  const broken = { ...source, hasTarget: (i: number) => (i === 3 ? readNothing() : source.hasTarget(i)) };
  expect(await trainableImages(broken)).toEqual([1, 2, 3, 4, 5]);
});

it.each([
  ["semantic", { semantic: "maps" }, "a pixel of a class, found only pixels of ignored values in 3 images"],
  ["instance", { instance_maps: "maps" }, "an object that is no crowd, found none in 3 images"],
] as const)("a source without anything to predict (%s) cannot be trained on", async (task, labels, message) => {
  const folder = dataFolder(temporaryDirectory());
  for (const i of [0, 1, 2]) {
    await folder.photo(`photos/${i}.png`, 2, 1);
    folder.labels(`maps/${i}.png`, [[0, 0]]);
  }
  folder.yaml("data.yaml", {
    classes: [{ id: 1, name: "nucleus" }],
    values: "id",
    ignore: 0,
    train: { images: "photos", ...labels },
  });
  const source = await openLabelledSource(folder.root, { task, split: "train" });
  await expect(trainableImages(source)).rejects.toThrow(message);
  folder.labels("maps/2.png", [[0, 1]]);
  expect(await trainableImages(source)).toEqual(task === "instance" ? [2] : [0, 1, 2]);
  folder.text("maps/0.png", "");
  expect(await trainableImages(source)).toContain(0);
});

async function readNothing(): Promise<never> {
  const folder = dataFolder(temporaryDirectory());
  return openLabelledSource(folder.at("nothing"), { task: "instance", split: "train" }) as Promise<never>;
}
