import { describe, expect, it } from "vitest";
import { ADE20K_CLASSES, THING_IDS } from "../../src/data/datasets/ade20k-classes.js";
import { openDataSet, openLabelledSource } from "../../src/data/datasets/open-data.js";
import { trainableImages } from "../../src/data/datasets/subset.js";
import { type DataFolder, dataFolder, drawn, panopticRows, semanticRows } from "../support/data-folders.js";
import { temporaryDirectory } from "../support/temporary-directory.js";

const [WALL, BED, PERSON] = [0, 7, 12];

/** One validation image of 4x2 with a wall, a bed and two people, of whom one lies on the bed. */
async function ade20k(): Promise<DataFolder> {
  const folder = dataFolder(temporaryDirectory());
  const name = "ADE_val_00000001";
  await folder.photo(`ADEChallengeData2016/images/validation/${name}.jpg`, 4, 2);
  folder.labels(`ADEChallengeData2016/annotations/validation/${name}.png`, [
    [WALL + 1, WALL + 1, BED + 1, 0],
    [WALL + 1, PERSON + 1, BED + 1, 0],
  ]);
  const category = (id: number) => THING_IDS.indexOf(id) + 1;
  const [bed, person, other] = [category(BED) + 256 * 2, category(PERSON) + 256, category(PERSON) + 256 * 9];
  folder.colours(`ADEChallengeData2016/annotations_instance/validation/${name}.png`, [
    [0, person, bed, 0],
    [0, person, other, 0],
  ]);
  return folder;
}

const openAde = (folder: DataFolder, task: "semantic" | "instance" | "panoptic") =>
  openLabelledSource(folder.root, { task, split: "val" });

describe("ADE20K", () => {
  it("has 150 classes, of which 100 are things", () => {
    expect(ADE20K_CLASSES).toHaveLength(150);
    expect(THING_IDS).toHaveLength(100);
    expect([7, 20, 149].map((id) => ADE20K_CLASSES[id].name)).toEqual(["bed", "car", "flag"]);
    expect(
      ADE20K_CLASSES.filter(({ isThing }) => !isThing)
        .slice(0, 3)
        .map(({ name }) => name),
    ).toEqual(["wall", "building", "sky"]);
    expect(new Set(ADE20K_CLASSES.map(({ color }) => String(color))).size).toBe(150);
  });

  it("ignores 0 in annotations and moves the rest down", async () => {
    const source = await openAde(await ade20k(), "semantic");
    expect(source.imageId(0)).toBe("ADE_val_00000001");
    expect(await semanticRows(source)).toEqual([
      [WALL, WALL, BED, -1],
      [WALL, PERSON, BED, -1],
    ]);
  });

  it("reads instances from red and green, in classes of the 100 things", async () => {
    const source = await openAde(await ade20k(), "instance");
    expect(source.classes).toHaveLength(100);
    expect(source.classes[0]).toMatchObject({ id: 7, name: "bed" });
    expect(
      drawn(await source.instances(0)).map(({ id, label, mask }) => [id, source.classes[label].name, mask]),
    ).toEqual([
      [1, "person", [".#..", ".#.."]],
      [2, "bed", ["..#.", "...."]],
      [9, "person", ["....", "..#."]],
    ]);
    expect(await trainableImages(source)).toEqual([0]);
  });

  it("pastes objects over stuff, whose area stays what it was; a thing's other pixels are void", async () => {
    const source = await openAde(await ade20k(), "panoptic");
    expect(await panopticRows(source)).toEqual([
      [1, 1001, 1002, 0],
      [1, 1001, 1009, 0],
    ]);
    expect((await source.panoptic(0)).segments).toEqual([
      { id: 1, label: WALL, area: 3, crowd: false },
      { id: 1001, label: PERSON, area: 2, crowd: false },
      { id: 1002, label: BED, area: 1, crowd: false },
      { id: 1009, label: PERSON, area: 1, crowd: false },
    ]);
    expect((await semanticRows(source))[0]).toEqual([WALL, WALL, BED, -1]); // of its own file
    expect((await source.instances(0)).instances.map(({ label }) => label)).toEqual([PERSON, BED, PERSON]);
  });

  it("keeps stuff listed that objects hide altogether", async () => {
    const folder = await ade20k();
    const at = "ADEChallengeData2016";
    folder.labels(`${at}/annotations/validation/ADE_val_00000001.png`, [
      [0, WALL + 1, 0, 0],
      [0, 0, 0, 0],
    ]);
    const { segments } = await (await openAde(folder, "panoptic")).panoptic(0);
    expect(segments[0]).toEqual({ id: 1, label: WALL, area: 1, crowd: false });
  });

  it("refuses numbers outside its ranges and objects of two categories", async () => {
    const folder = await ade20k();
    const at = (kind: string) => `ADEChallengeData2016/${kind}/validation/ADE_val_00000001.png`;
    const row = [0, 0, 0, 0];
    folder.labels(at("annotations"), [[151, 0, 0, 0], row]);
    await expect((await openAde(folder, "semantic")).semantic(0)).rejects.toThrow(/found the value 151 \(1 pixels\)/);
    folder.colours(at("annotations_instance"), [[256 + 1, 256 + 2, 0, 0], row]);
    await expect((await openAde(folder, "instance")).instances(0)).rejects.toThrow(
      /object 1: expected one category, found 1 and 2/,
    );
    folder.colours(at("annotations_instance"), [[256, 0, 0, 0], row]);
    await expect((await openAde(folder, "instance")).instances(0)).rejects.toThrow(/a category from 1 to 100, found 0/);
  });

  it("says what to unpack where there are no instance maps", async () => {
    const folder = dataFolder(temporaryDirectory());
    await folder.photo("images/training/a.jpg", 1, 1);
    folder.labels("annotations/training/a.png", [[1]]);
    const set = await openDataSet(folder.root);
    expect([set.format, set.splits, set.tasks("train")]).toEqual(["ADE20K", ["train"], ["semantic"]]);
    await expect(set.open("train", "panoptic")).rejects.toThrow(/annotations_instance\.tar/);
  });
});

/** Label ids: road 7, parking 9 (ignored), car 26, caravan 29 (ignored, though it has instances). */
async function cityscapes(): Promise<DataFolder> {
  const folder = dataFolder(temporaryDirectory());
  const id = "aachen/aachen_000000_000019";
  await folder.photo(`leftImg8bit/train/${id}_leftImg8bit.png`, 5, 2);
  folder.labels(`gtFine/train/${id}_gtFine_labelIds.png`, [
    [7, 7, 26, 26, 29],
    [7, 9, 26, 24, 0],
  ]);
  folder.labels(`gtFine/train/${id}_gtFine_instanceIds.png`, [
    [7, 7, 26000, 26001, 29000],
    [7, 9, 26, 24000, 0],
  ]);
  folder.colours(`gtFine/train/${id}_gtFine_color.png`, [[1], [2]]);
  return folder;
}

describe("Cityscapes", () => {
  it("maps label ids to 19 train ids and ignores the others", async () => {
    const source = await openLabelledSource((await cityscapes()).root, { task: "semantic", split: "train" });
    expect([source.length, source.faults, source.classes.length]).toEqual([1, [], 19]);
    expect(source.imageId(0)).toBe("aachen_000000_000019");
    expect(await semanticRows(source)).toEqual([
      [0, 0, 13, 13, -1],
      [0, -1, 13, 11, -1],
    ]);
  });

  it("makes panoptic segments of instance ids: groups are crowds, ignored labels are void", async () => {
    const source = await openLabelledSource((await cityscapes()).root, { task: "panoptic", split: "train" });
    expect(await panopticRows(source)).toEqual([
      [7, 7, 26000, 26001, 0],
      [7, 0, 26, 24000, 0],
    ]);
    expect((await source.panoptic(0)).segments).toEqual([
      { id: 7, label: 0, area: 3, crowd: false },
      { id: 26, label: 13, area: 1, crowd: true },
      { id: 24000, label: 11, area: 1, crowd: false },
      { id: 26000, label: 13, area: 1, crowd: false },
      { id: 26001, label: 13, area: 1, crowd: false },
    ]);
    expect((await source.instances(0)).instances.map(({ label }) => label)).toEqual([13, 11, 13, 13]);
  });

  it("gives instances of 8 classes with groups as crowds", async () => {
    const source = await openLabelledSource((await cityscapes()).root, { task: "instance", split: "train" });
    expect(source.classes.map(({ name }) => name)).toEqual(
      "person rider car truck bus train motorcycle bicycle".split(" "),
    );
    expect(drawn(await source.instances(0))).toEqual([
      { id: 26, label: 2, area: 1, crowd: true, mask: [".....", "..#.."] },
      { id: 24000, label: 0, area: 1, crowd: false, mask: [".....", "...#."] },
      { id: 26000, label: 2, area: 1, crowd: false, mask: ["..#..", "....."] },
      { id: 26001, label: 2, area: 1, crowd: false, mask: ["...#.", "....."] },
    ]);
  });
});
