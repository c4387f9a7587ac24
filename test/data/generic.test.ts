import { symlinkSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { InputError } from "../../src/core/errors.js";
import { openDataSet, openLabelledSource } from "../../src/data/datasets/open-data.js";
import { maskArea } from "../../src/masks/run-lengths.js";
import { CLASSES } from "../../src/sample-data/classes.js";
import { writeSampleData } from "../../src/sample-data/write-sample-data.js";
import { type DataFolder, dataFolder, drawn, panopticRows, semanticRows } from "../support/data-folders.js";
import { temporaryDirectory } from "../support/temporary-directory.js";

/** Two images of 3x2, a description that the case changes. */
async function semanticSet(description: object = {}): Promise<DataFolder> {
  const folder = dataFolder(temporaryDirectory());
  for (const name of ["a", "b"]) {
    await folder.photo(`photos/${name}.jpg`, 3, 2);
    folder.labels(`maps/${name}.png`, [
      [0, 1, 1],
      [2, 2, 255],
    ]);
  }
  folder.yaml("data.yaml", {
    classes: ["sky", "road", "car"],
    ignore: 255,
    train: { images: "photos", semantic: "maps" },
    ...description,
  });
  return folder;
}

const open = (folder: DataFolder, split = "train") => openLabelledSource(folder.root, { task: "semantic", split });

describe("a described data set of label maps", () => {
  it("pairs images and labels by name; values are places in the list of classes", async () => {
    const source = await open(await semanticSet());
    expect(source.length).toBe(2);
    expect(source.classes.map(({ id, name, isThing }) => [id, name, isThing])).toEqual([
      [0, "sky", false],
      [1, "road", false],
      [2, "car", false],
    ]);
    expect([...source.forms]).toEqual(["semantic"]);
    expect(source.imageId(1)).toBe("b");
    expect(await semanticRows(source, 1)).toEqual([
      [0, 1, 1],
      [2, 2, -1],
    ]);
    await expect(source.panoptic(0)).rejects.toThrow(/expected panoptic labels/);
  });

  it("reads values as ids where classes are a mapping, or where it says so", async () => {
    const source = await open(await semanticSet({ classes: { 2: "car", 0: "sky", 1: "road" } }));
    expect(source.classes.map(({ name }) => name)).toEqual(["sky", "road", "car"]); // YAML writes whole numbers in order
    const listed = [
      { id: 2, name: "car" },
      { id: 1, name: "road" },
      { id: 0, name: "sky" },
    ];
    const other = await open(await semanticSet({ classes: listed, values: "id" }));
    expect(await semanticRows(other)).toEqual([
      [2, 1, 1],
      [0, 0, -1],
    ]);
  });

  it("maps ids to classes by name or id, and null to ignored", async () => {
    const idMap = { 0: "far", 1: "far", 2: 5, 255: null };
    const source = await open(
      await semanticSet({
        classes: [
          { id: 4, name: "far" },
          { id: 5, name: "near" },
        ],
        ignore: [],
        id_map: idMap,
      }),
    );
    expect(await semanticRows(source)).toEqual([
      [0, 0, 0],
      [1, 1, -1],
    ]);
  });

  it.each([
    [{ classes: ["bg", "road"], ignore: 1 }, /ignore: .* found 1, which stands for the class "road"\. Take 1 out/],
    [{ classes: { 0: "bg", 255: "road" }, ignore: [3, 255] }, /ignore: .* found 255, .* class "road"/],
    [{ classes: ["bg", "road"], ignore: 255, id_map: { 0: 0, 255: "road" } }, /found 255, .* "road" in id_map/],
  ])("refuses a value that is ignored and a class: %j", async (description, message) => {
    const folder = await semanticSet(description);
    await expect(open(folder)).rejects.toThrow(message);
  });

  it("selects a split by a pattern and takes suffixes away", async () => {
    const folder = dataFolder(temporaryDirectory());
    for (const name of ["x/drive1_0", "x/drive2_0", "y/drive2_1"]) {
      await folder.photo(`photos/${name}_photo.JPG`, 2, 1);
      folder.labels(`maps/${name}_L.png`, [[0, 1]]);
    }
    const split = { images: "photos", semantic: "maps", image_suffix: "_photo", label_suffix: "_L" };
    folder.yaml("data.yaml", { classes: ["a", "b"], test: split, "test-2": { ...split, match: "**/drive2_*" } });
    const source = await open(folder, "test-2");
    expect(source.faults).toEqual([]);
    expect([0, 1].map((i) => source.imageId(i))).toEqual(["x/drive2_0_photo", "y/drive2_1_photo"]);
    expect(await semanticRows(source, 1)).toEqual([[0, 1]]);
  });

  it("pairs names whatever the case of their types, their blanks and accents, and prefers a PNG", async () => {
    const folder = dataFolder(temporaryDirectory());
    await folder.photo("photos/e\u0301t\u00e9 1.JPG", 2, 1);
    await folder.photo("maps/\u00e9t\u00e9 1.jpg", 2, 1);
    folder.labels("maps/\u00e9t\u00e9 1.PNG", [[1, 0]]);
    folder.yaml("data.yaml", { classes: ["a", "b"], train: { images: "photos", semantic: "maps" } });
    expect(await semanticRows(await open(folder))).toEqual([[1, 0]]);
  });

  it("finds labels beside the images in one folder", async () => {
    const folder = dataFolder(temporaryDirectory());
    await folder.photo("all/a.png", 2, 1);
    folder.labels("all/a_mask.png", [[0, 1]]);
    folder.yaml("data.yaml", { classes: ["a", "b"], train: { images: "all", semantic: "all", label_suffix: "_mask" } });
    const source = await open(folder);
    expect([source.length, source.faults]).toEqual([1, []]);
    expect(await semanticRows(source)).toEqual([[0, 1]]);
  });

  it("leaves out images without labels and keeps them as faults", async () => {
    const folder = await semanticSet();
    await folder.photo("photos/c.jpg", 3, 2);
    folder.labels("maps/d.png", [[0]]);
    const source = await open(folder);
    expect(source.length).toBe(2);
    expect(source.faults.map(({ kind, problem }) => [kind, problem.where.replace(folder.root, "")])).toEqual([
      ["missing label", "/photos/c.jpg"],
      ["missing image", "/maps/d.png"],
    ]);
  });

  it("says of an image that cannot be had what it is, and not that its label has none", async () => {
    const folder = await semanticSet();
    symlinkSync("nowhere.jpg", folder.at("photos/c.jpg"));
    folder.labels("maps/c.png", [[0]]);
    const { faults } = await open(folder);
    expect(faults.map(({ kind, problem: { where, found } }) => [kind, where, found])).toEqual([
      ["unreadable image", folder.at("photos/c.jpg"), "a broken link"],
    ]);
  });

  it("names the file and the values that are no class", async () => {
    const source = await open(await semanticSet({ classes: ["sky", "road"], ignore: [] }));
    await expect(source.semantic(0)).rejects.toThrow(
      /maps\/a\.png: expected values of the classes, found the values 2 \(2 pixels\), 255 \(1 pixels\)\. .*ignore/,
    );
  });

  it("compares sizes upright, and suspects a rotation where they are swapped", async () => {
    const folder = await semanticSet();
    await folder.photo("photos/a.jpg", 2, 3, { orientation: 6 }); // upright 3x2, as its label
    await folder.photo("photos/b.jpg", 3, 2, { orientation: 6 }); // upright 2x3
    const source = await open(folder);
    expect(await semanticRows(source, 0)).toHaveLength(2);
    await expect(source.semantic(1)).rejects.toThrow(/maps\/b\.png: .*size of the image, 2x3, found 3x2\. .*EXIF/);
  });

  it("takes another root", async () => {
    const folder = await semanticSet();
    folder.yaml("elsewhere/set.yaml", {
      root: "nowhere",
      classes: ["a", "b", "c"],
      train: { images: "photos", semantic: "maps" },
    });
    const yaml = folder.at("elsewhere/set.yaml");
    const options = { task: "semantic", split: "train" } as const;
    await expect(openLabelledSource(yaml, options)).rejects.toThrow(/nowhere: .*--data-root/);
    expect((await openLabelledSource(yaml, { ...options, root: folder.root })).length).toBe(2);
  });

  it.each([
    ["an unknown key", { clases: ["a"] }, /data\.yaml:\d+:\d+ clases: .*Did you mean "classes"/],
    ["an unknown key of a split", { train: { images: "photos", semantics: "maps" } }, /Did you mean "semantic"/],
    ["a split without labels", { train: { images: "photos" } }, /expected labels of the split train/],
    ["two classes of a name", { classes: ["a", "a"] }, /"a" twice/],
    ["a class that is none", { classes: ["a", 3] }, /classes\[1\]: .*found 3/],
    ["an id map to nothing", { id_map: { 0: "skye" } }, /id_map\.0: .*Did you mean "sky"/],
    ["a missing folder", { train: { images: "fotos", semantic: "maps" } }, /fotos: expected a folder of images/],
    ["a pattern that fits nothing", { train: { images: "photos", semantic: "maps", match: "z*" } }, /the pattern z\*/],
    ["labels that belong to other images", { train: { images: "photos", semantic: "maps", label_suffix: "_L" } }, /_L/],
    ["an unknown format", { format: "coc" }, /Did you mean "coco"/],
  ])("refuses %s, and says where", async (_, description, message) => {
    const folder = await semanticSet(description);
    await expect(open(folder)).rejects.toThrow(message);
  });

  it("names the splits and the tasks that there are", async () => {
    const folder = await semanticSet();
    await expect(open(folder, "trian")).rejects.toThrow(/Did you mean "train"/);
    const instance = openLabelledSource(folder.root, { task: "instance", split: "train" });
    await expect(instance).rejects.toThrow(/no things among them/);
  });
});

it("maps of instance ids are objects of the one class of things, by rising id", async () => {
  const folder = dataFolder(temporaryDirectory());
  await folder.photo("photos/a.png", 4, 2);
  await folder.photo("photos/b.png", 1, 1);
  folder.labels("ids/a.png", [
    [700, 700, 0, 3],
    [700, 0, 0, 3],
  ]);
  folder.labels("ids/b.png", [[0]]);
  folder.yaml("data.yaml", { classes: ["nucleus"], train: { images: "photos", instance_maps: "ids" } });
  const source = await openLabelledSource(folder.root, { task: "instance", split: "train" });
  expect(drawn(await source.instances(0))).toEqual([
    { id: 3, label: 0, area: 2, crowd: false, mask: ["...#", "...#"] },
    { id: 700, label: 0, area: 3, crowd: false, mask: ["##..", "#..."] },
  ]);
  expect((await source.instances(1)).instances).toEqual([]);
});

it("a task without labels is refused with those that there are", async () => {
  const { root } = await semanticSet();
  await expect(openLabelledSource(root, { task: "panoptic", split: "train" })).rejects.toThrow(
    "expected labels for the task panoptic, found labels for semantic. Take --task semantic.",
  );
});

describe("the generated scenes", () => {
  it("open as they are, and their three forms agree", async () => {
    const dir = `${temporaryDirectory()}/scenes`;
    await writeSampleData({ dir, images: 5, size: 32, seed: 3 });
    const source = await openLabelledSource(dir, { task: "panoptic", split: "train" });
    expect(source.length).toBe(4);
    expect(source.classes).toHaveLength(CLASSES.length);
    expect([...source.ownForms].sort()).toEqual(["instance", "panoptic", "semantic"]);
    const { segments } = await source.panoptic(2);
    const ids = (await panopticRows(source, 2)).flat();
    const labelOf = new Map(segments.map(({ id, label }) => [id, label]));
    expect((await semanticRows(source, 2)).flat()).toEqual(ids.map((id) => labelOf.get(id) ?? -1));
    const things = segments.filter(({ label }) => source.classes[label].isThing);
    const { instances } = await source.instances(2);
    expect(instances.map(({ label, area }) => [label, area])).toEqual(things.map(({ label, area }) => [label, area]));
    for (const { area, shape } of instances) expect("counts" in shape && maskArea(shape)).toBe(area);
  });

  it("give instances the things alone, and semantic maps all classes", async () => {
    const dir = `${temporaryDirectory()}/scenes`;
    await writeSampleData({ dir, images: 5, size: 32, seed: 3 });
    const instance = await openLabelledSource(dir, { task: "instance", split: "val" });
    expect(instance.classes).toHaveLength(14);
    expect([...instance.forms]).toEqual(["instance"]);
    expect((await instance.instances(0)).instances.every(({ label }) => label < 14)).toBe(true);
    const semantic = await openLabelledSource(dir, { task: "semantic", split: "val" });
    expect(semantic.classes).toHaveLength(24);
    expect(semantic.ownForms.has("semantic")).toBe(true);
  });
});

describe("a folder of no known layout", () => {
  it("says what YAML to write for pairs of folders", async () => {
    const folder = dataFolder(temporaryDirectory());
    for (const split of ["train", "val"]) {
      await folder.photo(`${split}/a.jpg`, 2, 1);
      folder.labels(`${split}annot/a.png`, [[1, 255]]);
    }
    await expect(open(folder)).rejects.toThrow(
      [
        "# Values seen in trainannot: 1, 255. The classes in the order of their values:",
        "classes: [class0, class1]",
        "ignore: [255]",
        "train: { images: train, semantic: trainannot }",
        "val: { images: val, semantic: valannot }",
      ].join("\n"),
    );
  });

  it("knows masks of 0 and 255, and the YAML that it says is one that reads them", async () => {
    const folder = dataFolder(temporaryDirectory());
    await folder.photo("train/a.jpg", 2, 1);
    folder.labels("train_masks/a.png", [[0, 255]]);
    const error = await open(folder).catch((e: unknown) => e as InputError);
    const [, yaml] = /with the names of the classes:\n\n(.*)\n$/s.exec((error as InputError).problem.fix ?? "") ?? [];
    expect(yaml).toContain("classes: [background, object]\nid_map: { 0: background, 255: object }\n");
    folder.text("data.yaml", yaml);
    expect(await semanticRows(await open(folder))).toEqual([[0, 1]]);
  });

  it("says it for a COCO file beside a folder, and what a description holds where nothing is to be seen", async () => {
    const folder = dataFolder(temporaryDirectory());
    await folder.photo("images/a.jpg", 2, 1);
    await expect(open(folder)).rejects.toThrow(/Describe it in a data\.yaml/);
    folder.json("nuclei_train.json", {});
    await expect(open(folder)).rejects.toThrow("train: { images: images, instances: nuclei_train.json }");
  });
});

it.each([
  ["a split of a text", { train: "photos" }, /data\.yaml:\d+:1 train: expected a split .*, found "photos"/],
  [
    "a folder by a Windows path",
    { train: { images: "my\\photos", semantic: "maps" } },
    /my\\photos: expected a folder of images, .*Write "\/" in place of "\\" in the path\./,
  ],
  [
    "a JSON file by a Windows path",
    { train: { images: "photos", instances: "my\\a.json" }, classes: [{ id: 1, name: "a" }] },
    /my\\a\.json: expected a JSON file, .*Write "\/" in place of "\\" in the path\./,
  ],
  ["a split of nothing", { train: null }, /train: expected a split .*, found null\. Known keys: name,/],
  ["a key with a slip", { ignroe: 255 }, /ignroe: expected a known key, .*Did you mean "ignore"\?/],
  ["an id_map of a number", { id_map: 5 }, /id_map: expected a mapping from numbers in files to classes, found 5/],
  ["an id_map to no class", { id_map: { 0: "skye" } }, /expected the name or id of a class, .*Did you mean "sky"\?/],
  [
    "a pattern without end",
    { train: { images: "photos", semantic: "maps", match: "*a".repeat(90) } },
    /at most 100 parts/,
  ],
])("a description with %s is refused", async (_, change, message) => {
  const folder = await semanticSet(change);
  const dataSet = openDataSet(folder.root);
  await expect(dataSet.then((set) => set.open("train", set.tasks("train")[0]))).rejects.toThrow(message);
});
