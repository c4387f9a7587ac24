/** Which file a name in a JSON file, or beside an image, means: labels never go to another picture. */

import { describe, expect, it } from "vitest";
import { openLabelledSource } from "../../src/data/datasets/open-data.js";
import type { LabelledSplit } from "../../src/data/datasets/split.js";
import { type DataFolder, dataFolder } from "../support/data-folders.js";
import { temporaryDirectory } from "../support/temporary-directory.js";

const SIZE = { width: 4, height: 3 };
const SQUARE = [1, 0, 3, 0, 3, 2, 1, 2];

type Entry = readonly [id: number | string, name: string, size?: { width: number; height: number }];

/** Photographs in a folder, and a JSON file of instances with one object an entry, of the entry's category. */
async function listed(photos: readonly string[], entries: readonly Entry[]): Promise<LabelledSplit> {
  const folder = dataFolder(temporaryDirectory());
  for (const photo of photos) await folder.photo(`photos/${photo}`, SIZE.width, SIZE.height);
  folder.json("train.json", {
    images: entries.map(([id, file_name, size = SIZE]) => ({ id, file_name, ...size })),
    annotations: entries.map(([image_id], i) => ({ id: i, image_id, category_id: i, segmentation: [SQUARE] })),
    categories: entries.map((_, id) => ({ id, name: `class ${id}` })),
  });
  folder.yaml("data.yaml", { train: { images: "photos", instances: "train.json" } });
  return openLabelledSource(folder.root, { task: "instance", split: "train" });
}

/** Labels by the names of the photographs. */
async function found(source: LabelledSplit): Promise<Record<string, number[]>> {
  const names = Array.from({ length: source.length }, (_, i) => source.name(i).replace(/^.*photos\//, ""));
  const labels = names.map(async (_, i) => (await source.instances(i)).instances.map(({ label }) => label));
  return Object.fromEntries((await Promise.all(labels)).map((list, i) => [names[i], list]));
}

const faultsOf = ({ faults }: LabelledSplit) => faults.map(({ kind, message }) => [kind, message]);

describe("an entry of a JSON file", () => {
  it("means the file at its path, or by its name alone where that means one", async () => {
    const source = await listed(
      ["sub/a.png", "b.png", "c.png"],
      [
        [1, "sub/a.png"],
        [2, "train2014/b.png"],
        [3, "./c.png"],
      ],
    );
    expect(await found(source)).toEqual({ "sub/a.png": [0], "b.png": [1], "c.png": [2] });
    expect(source.faults).toEqual([]);
  });

  it("is joined with others that mean the same file", async () => {
    const source = await listed(
      ["a.png", "b.png"],
      [
        [1, "a.png"],
        ["two", "a.png"],
        [3, "b.png"],
        [4, "./a.png"],
      ],
    );
    expect(await found(source)).toEqual({ "a.png": [0, 1, 3], "b.png": [2] });
    expect(source.imageId(0)).toBe(1);
    expect(source.notes).toEqual([
      expect.stringMatching(/train\.json: entries .* as one: a\.png \(1 and "two" and 4\)/),
    ]);
  });

  it("is refused where another of the same file has another size, by both ids", async () => {
    const source = await listed(
      ["a.png", "b.png"],
      [
        [1, "a.png"],
        [2, "a.png", { width: 8, height: 6 }],
        [3, "b.png"],
      ],
    );
    expect(await found(source)).toEqual({ "b.png": [2] });
    expect(faultsOf(source)).toEqual([
      ["sizes differ", expect.stringMatching(/a\.png: .*found 4x3 \(image 1\), 8x6 \(image 2\)/)],
    ]);
  });

  it("is refused where it differs from another in its folder alone, over a flat folder", async () => {
    const source = await listed(
      ["1.png", "2.png"],
      [
        [1, "camA/1.png"],
        [2, "camB/1.png"],
        [3, "camA/2.png"],
      ],
    );
    expect(await found(source)).toEqual({ "2.png": [2] });
    expect(faultsOf(source)).toEqual([
      [
        "ambiguous name",
        expect.stringMatching(/camA\/1\.png: expected the image 1 .*could be camA\/1\.png, camB\/1\.png/),
      ],
      [
        "ambiguous name",
        expect.stringMatching(/camB\/1\.png: expected the image 2 .*could be camB\/1\.png, camA\/1\.png/),
      ],
    ]);
    const other = await listed(
      ["camA/1.png", "1.png"],
      [
        [1, "camA/1.png"],
        [2, "camB/1.png"],
      ],
    );
    expect(await found(other)).toEqual({ "camA/1.png": [0] });
    expect(other.faults.map(({ kind }) => kind)).toEqual(["ambiguous name"]);
  });

  it("finds a name whose accents are written apart, unless two files are called so", async () => {
    const [together, apart] = ["Bäume.png".normalize("NFC"), "Bäume.png".normalize("NFD")];
    expect(
      await found(
        await listed(
          [apart, "b.png"],
          [
            [1, together],
            [2, "b.png"],
          ],
        ),
      ),
    ).toEqual({
      [apart]: [0],
      "b.png": [1],
    });
    const both = await listed(
      [apart, together, "sub/b.png"],
      [
        [1, together],
        [2, `x/${together}`],
        [3, "sub/b.png"],
      ],
    );
    expect(await found(both)).toEqual({ [together]: [0], "sub/b.png": [2] });
    expect(both.faults.map(({ kind }) => kind)).toEqual(["ambiguous name"]);
  });

  it.each([
    ["sub\\b.png", 'Write "/" in place of "\\" in the file: sub/b.png would be found.'],
    ["sub\\c.png", 'Write "/" in place of "\\" in the file.'],
    ["A.PNG", 'Did you mean "a.png"? Upper and lower case must agree.'],
  ])("that is missing gets a hint: %s", async (name, hint) => {
    const source = await listed(
      ["a.png", "sub/b.png"],
      [
        [1, "a.png"],
        [2, name],
      ],
    );
    expect(faultsOf(source)).toEqual([["missing image", expect.stringContaining(hint)]]);
  });
});

/** Photographs and label maps of one pixel value each, paired by name. */
async function paired(photos: readonly string[], maps: readonly string[], labels = "maps"): Promise<LabelledSplit> {
  const folder: DataFolder = dataFolder(temporaryDirectory());
  for (const photo of photos) await folder.photo(`photos/${photo}`, 1, 1);
  for (const [i, map] of maps.entries()) folder.labels(`${labels}/${map}`, [[i]]);
  const classes = maps.map((_, i) => `class ${i}`);
  folder.yaml("data.yaml", { classes, train: { images: "photos", semantic: labels } });
  return openLabelledSource(folder.root, { task: "semantic", split: "train" });
}

describe("an image and its map", () => {
  it("are no pair where two images are called so", async () => {
    const source = await paired(["a.jpg", "a.png", "b.png"], ["a.png", "b.png"]);
    expect(source.length).toBe(1);
    expect(faultsOf(source)).toEqual([
      ["ambiguous name", expect.stringMatching(/a\.jpg: expected one image .*a\.jpg, .*a\.png for a\.png/)],
      ["ambiguous name", expect.stringMatching(/a\.png: expected one image/)],
    ]);
  });

  it("are no pair where two maps are called so", async () => {
    const source = await paired(["a.jpg", "b.png"], ["a.png", "a.PNG", "b.png"]);
    expect(source.length).toBe(1);
    expect(faultsOf(source)).toEqual([
      ["ambiguous name", expect.stringMatching(/a\.jpg: expected one label map in .*found a\.PNG, a\.png/)],
    ]);
    const accents = ["é.png".normalize("NFC"), "é.png".normalize("NFD")];
    expect((await paired([accents[0], "b.png"], [...accents, "b.png"])).faults.map(({ kind }) => kind)).toEqual([
      "ambiguous name",
    ]);
  });

  it("are told that their names differ in case", async () => {
    const source = await paired(["A.jpg", "b.png"], ["a.png", "b.png"]);
    expect(source.faults[0].message).toContain("Did you mean a.png? Upper and lower case must agree.");
  });

  it("may lie in one folder, and the map is no image then", async () => {
    const source = await paired(["a.jpg", "b.jpg"], ["a.png", "b.png"], "photos");
    expect([source.length, source.faults]).toEqual([2, []]);
  });
});
