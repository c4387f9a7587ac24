import { describe, expect, it } from "vitest";
import { openDataSet, openLabelledSource } from "../../src/data/datasets/open-data.js";
import { trainableImages } from "../../src/data/datasets/subset.js";
import { type DataFolder, dataFolder, drawn, panopticRows, semanticRows } from "../support/data-folders.js";
import { temporaryDirectory } from "../support/temporary-directory.js";

const CATEGORIES = [
  { id: 1, name: "person", isthing: 1, color: [220, 20, 60] },
  { id: 149, name: "road", isthing: 0 },
  { id: 3, name: "car", isthing: 1 },
];
const IMAGES = [
  { id: 139, file_name: "a.jpg", width: 4, height: 3 },
  { id: 285, file_name: "b.jpg", width: 2, height: 2 },
];
const base = { id: 1, image_id: 139, category_id: 3, iscrowd: 0 };
const SQUARE = [1, 0, 3, 0, 3, 2, 1, 2];

/** COCO's layout with instances alone. */
async function instanceSet(
  annotations: unknown[],
  { images = IMAGES as unknown[], categories = [...CATEGORIES] as unknown[] } = {},
) {
  const folder = dataFolder(temporaryDirectory());
  await folder.photo("train2017/a.jpg", 4, 3);
  await folder.photo("train2017/b.jpg", 2, 2);
  const things = categories.filter((category) => (category as { isthing?: number }).isthing !== 0);
  folder.json("annotations/instances_train2017.json", { images, annotations, categories: things });
  return folder;
}

const openInstances = (folder: DataFolder) => openLabelledSource(folder.root, { task: "instance", split: "train" });

describe("COCO's instances", () => {
  it("come as polygons, counts and compressed counts, with crowds, by their file's areas where those can be right", async () => {
    const folder = await instanceSet([
      { ...base, segmentation: [SQUARE], area: 3.5 },
      { ...base, id: 2, category_id: 1, iscrowd: 1, segmentation: { size: [3, 4], counts: [2, 2, 8] }, area: 9 },
      { ...base, id: 3, segmentation: { size: [3, 4], counts: "228" } },
    ]);
    const source = await openInstances(folder);
    expect(source.classes.map(({ id, name }) => [id, name])).toEqual([
      [1, "person"],
      [3, "car"],
    ]);
    expect(source.imageId(1)).toBe(285);
    const counted = [".#..", "....", "#..."];
    expect(drawn(await source.instances(0))).toEqual([
      { id: 1, label: 1, area: 3.5, crowd: false, mask: [".##.", ".##.", "...."] },
      {
        id: 2,
        label: 0,
        area: 2,
        crowd: true,
        mask: counted,
      },
      { id: 3, label: 1, area: 2, crowd: false, mask: counted },
    ]);
    expect((await source.instances(1)).instances).toEqual([]);
  });

  it("leave images with crowds alone, or nothing, out of training", async () => {
    const crowd = { ...base, image_id: 285, iscrowd: 1, segmentation: { size: [2, 2], counts: [0, 4] } };
    const source = await openInstances(await instanceSet([crowd, { ...base, id: 2, segmentation: [SQUARE] }]));
    expect(await trainableImages(source)).toEqual([0]);
  });

  it.each([
    [
      "a polygon of two points",
      { segmentation: [[0, 0, 1, 1]] },
      /annotations\[0\] \(id 1\)\.segmentation\[0\]: expected polygons of three points or more/,
    ],
    ["an odd number of coordinates", { segmentation: [[0, 0, 1, 1, 2, 2, 3]] }, /found 7 coordinates/],
    [
      "a coordinate that is null",
      { segmentation: [[0, 0, 1, null, 2, 2]] },
      /segmentation\[0\]\[3\]: expected coordinates that are numbers .*, found null/,
    ],
    ["no polygons", { segmentation: [] }, /expected a segmentation, found an empty one/],
    ["no segmentation", {}, /expected polygons or run lengths in segmentation, found nothing/],
    ["counts of another sum", { segmentation: { size: [3, 4], counts: [2, 2] } }, /add up to 12 .*found a sum of 4/],
    [
      "a broken string",
      { segmentation: { size: [3, 4], counts: "2 8" } },
      /\(id 1\)\.segmentation\.counts: expected characters/,
    ],
    ["another size", { segmentation: { size: [4, 3], counts: [12] } }, /the image's size \[3, 4\], found \[4,3\]/],
    [
      "a dangling category",
      { category_id: 77, segmentation: [SQUARE] },
      /\(id 1\) category_id: .*found 77, no category of the file/,
    ],
  ])("refuse %s when that image is read, and name the annotation", async (_, change, message) => {
    const source = await openInstances(await instanceSet([{ ...base, ...change }]));
    await expect(source.instances(0)).rejects.toThrow(message);
    await expect(source.instances(0)).rejects.toThrow(/instances_train2017\.json/);
    expect((await source.instances(1)).instances).toEqual([]);
  });

  it.each([
    ["numbers in images, digits in annotations", { id: 139 }, { image_id: "139", category_id: "3", id: "7" }],
    ["digits in images, numbers in annotations", { id: "139" }, { image_id: 139, category_id: 3, id: 7 }],
    ["leading zeros", { id: 139 }, { image_id: "000000000139", category_id: 3, id: 7 }],
    ["texts", { id: "a" }, { image_id: "a", category_id: 3, id: 7 }],
  ])("match ids as numbers where they are digits: %s", async (_, image, annotation) => {
    const images = [{ ...IMAGES[0], ...image }, IMAGES[1]];
    const categories = [{ ...CATEGORIES[0], id: "1" }, CATEGORIES[2]];
    const source = await openInstances(
      await instanceSet([{ ...base, ...annotation, segmentation: [SQUARE] }], { images, categories }),
    );
    expect((await source.instances(0)).instances).toMatchObject([{ id: 7, label: 1 }]);
    expect(source.imageId(0)).toBe(image.id);
    expect(source.warnings).toEqual([]);
    expect(await trainableImages(source)).toEqual([0]);
  });

  it.each([
    [
      "one id in two spellings",
      { images: [IMAGES[0], { ...IMAGES[1], id: "0139" }] },
      /images\[1\]\.id: .*"0139", the id of/,
    ],
    [
      "a number that JSON cannot hold",
      { images: [{ ...IMAGES[0], id: 2 ** 53 }] },
      /images\[0\]\.id: .*write the id as a text/,
    ],
    [
      "a category of a text",
      { categories: [{ id: "cat", name: "cat" }] },
      /categories\[0\]\.id: expected a whole number, found "cat"/,
    ],
    ["a category without a name", { categories: [{ id: 1, name: "" }] }, /categories\[0\]\.name/],
    [
      "a flag of a text",
      { categories: [{ id: 1, name: "a", isthing: "no" }] },
      /categories\[0\]\.isthing: expected 0 or 1, found "no"/,
    ],
    ["a colour of one number", { categories: [{ id: 1, name: "a", color: 5 }] }, /categories\[0\]\.color/],
    ["an annotation of null", { annotations: [null] }, /annotations\[0\]: expected an object, found null/],
    [
      "an image_id of null",
      { annotations: [{ image_id: null }] },
      /annotations\[0\]\.image_id: expected the id of an image, found null/,
    ],
  ])("cannot be opened with %s", async (_, { annotations = [], ...change }: Record<string, unknown[]>, message) => {
    await expect(openInstances(await instanceSet(annotations, change))).rejects.toThrow(message);
  });

  it("take colours as bytes or as hexadecimal digits, and flags as digits", async () => {
    const categories = [
      { id: 1, name: "a", color: "#dc143C", isthing: "1" },
      { id: 2, name: "b", color: null },
    ];
    const source = await openInstances(await instanceSet([], { categories }));
    expect(source.classes[0].color).toEqual([220, 20, 60]);
    expect(source.classes.map(({ isThing }) => isThing)).toEqual([true, true]);
  });

  it("warn of two categories of one name", async () => {
    const categories = [
      { id: 1, name: "cat" },
      { id: 5, name: " Cat" },
    ];
    const source = await openInstances(await instanceSet([], { categories }));
    expect(source.warnings).toEqual([expect.stringMatching(/the categories 1 and 5 are both called "cat"/)]);
  });

  const counts = { size: [3, 4], counts: [2, 2, 8] };
  it.each([
    [
      "an id of an object",
      { id: {} },
      /annotations\[0\] \(id \{\}\)\.id: expected a whole number or a text, found \{\}/,
    ],
    ["a flag of 2", { iscrowd: 2 }, /\(id 1\)\.iscrowd: expected 0 or 1, found 2/],
    ["a polygon of null", { segmentation: [null] }, /\.segmentation\[0\]: .*found null/],
    ["a coordinate of a text", { segmentation: [[0, 0, 1, "1", 2, 2]] }, /\.segmentation\[0\]\[3\]: .*found "1"/],
    [
      "a coordinate without bounds",
      { segmentation: [[0, 0, 1e300, 1, 2, 2]] },
      /\[2\]: .*of at most 1000000000, found 1e\+300/,
    ],
    [
      "counts of objects",
      { segmentation: { ...counts, counts: [{ toString: 1 }] } },
      /counts: .*found \{"toString":1\}/,
    ],
    [
      "more counts than pixels",
      { segmentation: { ...counts, counts: Array(99).fill(0) } },
      /at most 26 runs, found 99/,
    ],
    ["three sizes", { segmentation: { ...counts, size: [3, 4, 1] } }, /\.segmentation\.size: .*found \[3,4,1\]/],
    ["a count without end", { segmentation: { ...counts, counts: "o".repeat(500) } }, /an end within a number/],
    ["a category of null", { category_id: null }, /category_id: .*found null/],
  ])("refuse %s, and name the file, the entry and the field", async (_, change, message) => {
    const source = await openInstances(await instanceSet([{ ...base, segmentation: [SQUARE], ...change }]));
    await expect(source.instances(0)).rejects.toThrow(message);
    await expect(source.instances(0)).rejects.toThrow(/instances_train2017\.json annotations\[0\]/);
    expect((await source.instances(1)).instances).toEqual([]);
  });

  it("of an image of absurd size are refused before anything is drawn", async () => {
    const images = [{ ...IMAGES[0], width: 1e9, height: 1e9 }, IMAGES[1]];
    const annotations = [{ ...base, segmentation: { size: [1e9, 1e9], counts: [1e18] } }];
    const source = await openInstances(await instanceSet(annotations, { images }));
    await expect(source.instances(0)).rejects.toThrow(
      /image 139: expected labels of the size of the image, 4x3, found 1000000000x1000000000/,
    );
  });

  it.each([
    [4, 4, 0],
    [5.5, 5.5, 0],
    [400, 4, 1],
    [0.1, 4, 1],
    [-1, 4, 1],
    ["4", 4, 1],
    [null, 4, 0],
  ])("of the area %j are measured as %d pixels", async (area, measured, remarks) => {
    const source = await openInstances(await instanceSet([{ ...base, segmentation: [SQUARE], area }]));
    const set = await source.instances(0);
    expect(set.instances[0].area).toBe(measured);
    expect(set.remarks?.map(({ kind }) => kind)).toEqual(Array(remarks).fill("area"));
  });

  it("of two entries of one file are there once, however often they are drawn", async () => {
    const images = [...IMAGES, { ...IMAGES[0], id: 7 }];
    const other = [0, 0, 2, 0, 2, 2, 0, 2];
    const source = await openInstances(
      await instanceSet(
        [
          { ...base, segmentation: [SQUARE] },
          { ...base, id: 2, image_id: 7, segmentation: [SQUARE] },
          { ...base, id: 3, image_id: 7, segmentation: [other] },
        ],
        { images },
      ),
    );
    const { instances, remarks } = await source.instances(0);
    expect(instances.map(({ id }) => id)).toEqual([1, 3]);
    expect(remarks).toEqual([{ kind: "repeated", text: expect.stringMatching(/annotations\[1\] \(id 2\)$/) }]);
  });

  it("refuse annotations that share an id", async () => {
    const source = await openInstances(
      await instanceSet([
        { ...base, segmentation: [SQUARE] },
        { ...base, image_id: 285 },
      ]),
    );
    await expect(source.instances(0)).rejects.toThrow(/annotations\[0\] \(id 1\)\.id: expected an id of its own/);
  });

  it("warn of annotations of images that are not listed, and images that are not there", async () => {
    const images = [...IMAGES, { id: 1, file_name: "gone.jpg", width: 1, height: 1 }];
    const source = await openInstances(await instanceSet([{ ...base, image_id: 9 }], { images }));
    expect(source.length).toBe(2);
    expect(source.warnings).toEqual([
      expect.stringMatching(/1 of 1 annotations belong to no image of it, .*annotations\[0\] with the image_id 9/),
    ]);
    expect(source.faults.map(({ kind, problem }) => [kind, problem.where.endsWith("train2017/gone.jpg")])).toEqual([
      ["missing image", true],
    ]);
  });

  it.each([
    [
      "images that share an id",
      { images: [IMAGES[0], { ...IMAGES[1], id: 139 }] },
      /images\[1\]\.id: .*139, the id of \[0\] too/,
    ],
    [
      "an image without a size",
      { images: [{ id: 1, file_name: "a.jpg" }] },
      /images\[0\]\.width: expected a number of pixels/,
    ],
    ["an image without a name", { images: [{ id: 1 }] }, /images\[0\]\.file_name/],
    ["categories that share an id", { categories: [CATEGORIES[0], CATEGORIES[0]] }, /categories\[1\]\.id/],
    ["images that are no list", { images: {} as unknown[] }, /images: expected a list/],
  ])("cannot be opened with %s", async (_, change, message) => {
    await expect(openInstances(await instanceSet([], change))).rejects.toThrow(message);
  });

  it("need an image_id in every annotation", async () => {
    await expect(openInstances(await instanceSet([{ id: 1 }]))).rejects.toThrow(/annotations\[0\]\.image_id/);
  });

  it("pass over a byte order mark, and explain NaN and broken JSON", async () => {
    const folder = await instanceSet([]);
    const file = "annotations/instances_train2017.json";
    const text = JSON.stringify({ images: IMAGES, annotations: [], categories: [CATEGORIES[0]] });
    folder.text(file, `\uFEFF${text}`);
    expect((await openInstances(folder)).length).toBe(2);
    folder.text(file, text.replace('"annotations":[]', '"annotations":[{"bbox":[NaN]}]'));
    await expect(openInstances(folder)).rejects.toThrow(/NaN and Infinity are no JSON/);
    folder.text(file, text.slice(0, -9));
    await expect(openInstances(folder)).rejects.toThrow(/instances_train2017\.json: expected valid JSON/);
  });
});

const SEGMENTS = [
  { id: 70000, category_id: 149, area: 5, iscrowd: 0 },
  { id: 300, category_id: 3, area: 4, iscrowd: 0 },
  { id: 7, category_id: 1, area: 2, iscrowd: 1 },
];
const MAP = [
  [70000, 70000, 300, 300],
  [70000, 70000, 300, 300],
  [70000, 0, 7, 7],
];

/** COCO's layout with panoptic labels. */
async function panopticSet(segments: unknown[] = SEGMENTS, { map = MAP, categories = CATEGORIES as unknown[] } = {}) {
  const folder = dataFolder(temporaryDirectory());
  await folder.photo("val2017/a.jpg", 4, 3);
  const annotations = [{ image_id: 139, file_name: "a.png", segments_info: segments }];
  folder.json("annotations/panoptic_val2017.json", { images: [IMAGES[0]], annotations, categories });
  folder.colours("annotations/panoptic_val2017/a.png", map);
  return folder;
}

const openPanoptic = (folder: DataFolder) => openLabelledSource(folder.root, { task: "panoptic", split: "val" });

describe("COCO's panoptic labels", () => {
  it("number things first, then stuff, and keep crowds", async () => {
    const source = await openPanoptic(await panopticSet());
    expect(source.classes.map(({ id, isThing }) => [id, isThing])).toEqual([
      [1, true],
      [3, true],
      [149, false],
    ]);
    expect(source.classes[0].color).toEqual([220, 20, 60]);
    expect(await panopticRows(source)).toEqual(MAP);
    expect((await source.panoptic(0)).segments).toEqual([
      { id: 70000, label: 2, area: 5, crowd: false },
      { id: 300, label: 1, area: 4, crowd: false },
      { id: 7, label: 0, area: 2, crowd: true },
    ]);
  });

  it("hand out semantic maps with crowds as their class, and the things as instances", async () => {
    const folder = await panopticSet();
    const source = await openPanoptic(folder);
    expect([...source.ownForms]).toEqual(["panoptic"]);
    expect(await semanticRows(source)).toEqual([
      [2, 2, 1, 1],
      [2, 2, 1, 1],
      [2, -1, 0, 0],
    ]);
    const car = { id: 300, label: 1, area: 4, crowd: false, mask: ["..##", "..##", "...."] };
    const people = { id: 7, label: 0, area: 2, crowd: true, mask: ["....", "....", "..##"] };
    expect(drawn(await source.instances(0))).toEqual([car, people]);
    const instance = await openLabelledSource(folder.root, { task: "instance", split: "val" });
    expect(instance.classes.map(({ id }) => id)).toEqual([1, 3]);
    expect(drawn(await instance.instances(0))).toEqual([car, people]);
    expect(instance.hasObjects?.(0)).toBe(true);
  });

  it("take instances from their own file where there is one", async () => {
    const folder = await panopticSet();
    const annotations = [{ ...base, id: 900, segmentation: [SQUARE], area: 4 }];
    const categories = CATEGORIES.filter(({ isthing }) => isthing === 1);
    folder.json("annotations/instances_val2017.json", { images: [IMAGES[0]], annotations, categories });
    const source = await openPanoptic(folder);
    expect((await source.instances(0)).instances.map(({ id, label }) => [id, label])).toEqual([[900, 1]]);
  });

  it.each([
    ["pixels of no segment", SEGMENTS.slice(1), {}, /a\.png: .*found the ids 70000 besides/],
    [
      "a segment without pixels",
      [...SEGMENTS, { ...SEGMENTS[0], id: 8 }],
      {},
      /segments_info\[3\] \(id 8\): expected pixels of it in the PNG/,
    ],
    ["a segment twice", [...SEGMENTS, SEGMENTS[0]], {}, /segments_info\[3\] \(id 70000\): expected an id of its own/],
    [
      "a dangling category",
      [{ ...SEGMENTS[0], category_id: 5 }, ...SEGMENTS.slice(1)],
      {},
      /segments_info\[0\] \(id 70000\)\.category_id: .*found 5/,
    ],
    [
      "a segment 0",
      [{ ...SEGMENTS[0], id: 0 }],
      {},
      /segments_info\[0\]\.id: expected an id from 1 to 16777215, found 0/,
    ],
    [
      "a map of another size",
      SEGMENTS,
      { map: MAP.slice(1) },
      /a\.png: expected labels of the size of the image, 4x3, found 4x2/,
    ],
  ])("refuse %s", async (_, segments, change, message) => {
    const source = await openPanoptic(await panopticSet(segments, change));
    await expect(source.panoptic(0)).rejects.toThrow(message);
  });

  it.each([
    ["segments of null", { segments_info: null }, /segments_info: expected a list, found null/],
    ["a segment of null", { segments_info: [null] }, /segments_info\[0\]: expected an object .*, found null/],
    ["a segment of a text", { segments_info: ["7"] }, /segments_info\[0\]: expected an object .*, found "7"/],
    ["an id of 25 bits", { segments_info: [{ id: 2 ** 24 }] }, /segments_info\[0\]\.id: .*found 16777216/],
    ["a flag of 7", { segments_info: [{ id: 7, iscrowd: 7 }] }, /segments_info\[0\]\.iscrowd: expected 0 or 1/],
    ["a name of an object", { file_name: {} }, /annotations\[0\]\.file_name: expected the path .*, found \{\}/],
    ["no name", { file_name: undefined }, /annotations\[0\]\.file_name: .*found nothing/],
    [
      "a name outside",
      { file_name: "../../secret.png" },
      /file_name: expected the path .* below .*"\.\.\/\.\.\/secret\.png"/,
    ],
    ["a name outside by a detour", { file_name: "x/../../secret.png" }, /file_name: expected the path/],
    ["a name from the root", { file_name: "/etc/secret.png" }, /file_name: expected the path/],
    ["a name from a drive", { file_name: "C:\\secret.png" }, /file_name: expected the path/],
    ["a name with backslashes", { file_name: "x\\a.png" }, /Write "\/" in place of "\\"/],
  ])("refuse %s when that image is read, and name the field", async (_, change, message) => {
    const folder = await panopticSet();
    await folder.photo("val2017/b.jpg", 4, 3);
    folder.colours("annotations/panoptic_val2017/b.png", MAP);
    folder.colours("secret.png", MAP);
    const images = [IMAGES[0], { ...IMAGES[0], id: 5, file_name: "b.jpg" }];
    const annotations = [
      { image_id: 139, file_name: "a.png", segments_info: SEGMENTS, ...change },
      { image_id: 5, file_name: "b.png", segments_info: SEGMENTS },
    ];
    folder.json("annotations/panoptic_val2017.json", { images, annotations, categories: CATEGORIES });
    const source = await openPanoptic(folder);
    await expect(source.panoptic(0)).rejects.toThrow(message);
    await expect(source.panoptic(0)).rejects.toThrow(/panoptic_val2017\.json annotations\[0\]/);
    expect(await panopticRows(source, 1)).toEqual(MAP);
    const instance = await openLabelledSource(folder.root, { task: "instance", split: "val" });
    expect(await trainableImages(instance)).toEqual([0, 1]);
  });

  it("take ids of digits as numbers, and count pixels whatever areas are stated", async () => {
    const segments = SEGMENTS.map(({ id, category_id, area, iscrowd }) => ({
      id: String(id),
      category_id: String(category_id),
      area: 4 * area,
      iscrowd: String(iscrowd),
    }));
    const { segments: found, remarks } = await (await openPanoptic(await panopticSet(segments))).panoptic(0);
    expect(found.map(({ id, area, crowd }) => [id, area, crowd])).toEqual([
      [70000, 5, false],
      [300, 4, false],
      [7, 2, true],
    ]);
    expect(remarks).toHaveLength(3);
    expect(remarks?.[0]).toEqual({
      kind: "area",
      text: expect.stringMatching(/annotations\[0\]\.segments_info\[0\] \(id 70000\): 20 in place of 5$/),
    });
  });

  it("leave out images that share a map, or have two", async () => {
    const folder = await panopticSet();
    for (const name of ["b", "c", "d"]) await folder.photo(`val2017/${name}.jpg`, 4, 3);
    const images = ["a", "b", "c", "d"].map((name, id) => ({ ...IMAGES[0], id, file_name: `${name}.jpg` }));
    const annotation = { segments_info: SEGMENTS };
    const annotations = [
      { image_id: 0, file_name: "a.png", ...annotation },
      { image_id: 1, file_name: "shared.png", ...annotation },
      { image_id: 2, file_name: "./shared.png", ...annotation },
      { image_id: 3, file_name: "d.png", ...annotation },
      { image_id: 3, file_name: "e.png", ...annotation },
    ];
    folder.json("annotations/panoptic_val2017.json", { images, annotations, categories: CATEGORIES });
    const source = await openPanoptic(folder);
    expect([source.length, source.imageId(0)]).toEqual([1, 0]);
    expect(source.faults.map(({ kind, message }) => [kind, message])).toEqual([
      ["ambiguous name", expect.stringMatching(/"shared\.png" in annotations\[1\], annotations\[2\]/)],
      ["ambiguous name", expect.stringMatching(/"\.\/shared\.png" in annotations\[1\], annotations\[2\]/)],
      ["bad annotation", expect.stringMatching(/d\.jpg .*found 2 of the image 3: annotations\[3\], annotations\[4\]/)],
    ]);
  });

  it("refuse a description that calls a thing stuff", async () => {
    const folder = await panopticSet();
    folder.yaml("data.yaml", {
      classes: CATEGORIES.map(({ id, name }) => ({ id, name, isthing: false })),
      val: {
        images: "val2017",
        panoptic: { json: "annotations/panoptic_val2017.json", masks: "annotations/panoptic_val2017" },
      },
    });
    await expect(openPanoptic(folder)).rejects.toThrow(/category 1 \(person\): expected stuff, found a thing/);
  });

  it("leave out an image without an annotation", async () => {
    const folder = await panopticSet();
    await folder.photo("val2017/b.jpg", 2, 2);
    const annotations = [{ image_id: 139, file_name: "a.png", segments_info: SEGMENTS }];
    folder.json("annotations/panoptic_val2017.json", { images: IMAGES, annotations, categories: CATEGORIES });
    const source = await openPanoptic(folder);
    expect(source.length).toBe(1);
    expect(source.faults.map(({ kind }) => kind)).toEqual(["missing label"]);
  });

  it("say where the PNGs should be", async () => {
    const folder = await panopticSet();
    folder.json("annotations/panoptic_train2017.json", { images: [], annotations: [], categories: CATEGORIES });
    await folder.photo("train2017/a.jpg", 4, 3);
    const set = await openDataSet(folder.root);
    expect(set.splits).toEqual(["train", "val"]);
    await expect(set.open("train", "panoptic")).rejects.toThrow(/Unpack panoptic_train2017\.zip/);
  });

  it("can be named by a description that has another root", async () => {
    const folder = await panopticSet();
    folder.yaml("about/set.yaml", { name: "mine", format: "coco", root: ".." });
    const set = await openDataSet(folder.at("about/set.yaml"));
    expect([set.name, set.format, set.splits]).toEqual(["mine", "COCO", ["val"]]);
    folder.yaml("about/set.yaml", { format: "cityscapes", root: ".." });
    await expect(openDataSet(folder.at("about/set.yaml"))).rejects.toThrow(/expected the layout of cityscapes/);
  });
});
