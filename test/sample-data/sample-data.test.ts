import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { decode as decodePng } from "fast-png";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { InputError } from "../../src/core/errors.js";
import { folderSource } from "../../src/data/files/folder-source.js";
import { decode } from "../../src/io/image-file.js";
import { createAnnotations, segmentsOf } from "../../src/sample-data/annotations.js";
import { CLASSES } from "../../src/sample-data/classes.js";
import { renderScene } from "../../src/sample-data/render.js";
import { writeSampleData } from "../../src/sample-data/write-sample-data.js";
import { completeCommand } from "../support/command-line.js";
import { recordedReporter } from "../support/recorded-reporter.js";

const SIZE = 64;
const COUNT = 10;
let root: string;
let dir: string;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "sample-data-"));
  dir = join(root, "set");
  await writeSampleData({ dir, images: COUNT, size: SIZE, seed: 3 });
});
afterAll(() => rm(root, { recursive: true, force: true }));

interface Segment {
  id: number;
  category_id: number;
  area: number;
  bbox: number[];
  iscrowd: number;
}
interface Panoptic {
  images: { id: number; file_name: string; width: number; height: number }[];
  annotations: { image_id: number; file_name: string; segments_info: Segment[] }[];
  categories: { id: number; name: string; isthing: number }[];
}
interface Instances {
  images: Panoptic["images"];
  annotations: (Segment & { image_id: number; segmentation: { counts: number[]; size: number[] } })[];
  categories: { id: number; name: string }[];
}

const readJson = async <T>(name: string): Promise<T> =>
  JSON.parse(await readFile(join(dir, "annotations", name), "utf8"));

async function panopticIds(split: string, file: string): Promise<number[]> {
  const { data, channels } = decodePng(await readFile(join(dir, "panoptic", split, file)));
  expect(channels).toBe(3);
  return Array.from({ length: SIZE * SIZE }, (_, i) => data[3 * i] + 256 * data[3 * i + 1] + 65536 * data[3 * i + 2]);
}

/** COCO's decoding: columns, zeros first. */
function maskOf(counts: readonly number[]): boolean[] {
  const mask: boolean[] = Array(SIZE * SIZE);
  let at = 0;
  counts.forEach((count, run) => {
    for (let i = 0; i < count; i++, at++) mask[(at % SIZE) * SIZE + Math.floor(at / SIZE)] = run % 2 === 1;
  });
  expect(at).toBe(SIZE * SIZE);
  return mask;
}

describe.each(["train", "val"])("labels of %s", (split) => {
  it("agree pixel for pixel: PNG, panoptic JSON, semantic map and run lengths", async () => {
    const panoptic = await readJson<Panoptic>(`panoptic_${split}.json`);
    const instances = await readJson<Instances>(`instances_${split}.json`);
    expect(panoptic.annotations.map(({ image_id }) => image_id)).toEqual(panoptic.images.map(({ id }) => id));
    expect(instances.images).toEqual(panoptic.images);
    let things = 0;
    for (const { image_id, file_name, segments_info } of panoptic.annotations) {
      const ids = await panopticIds(split, file_name);
      const { data, channels } = decodePng(await readFile(join(dir, "semantic", split, file_name)));
      expect(channels).toBe(1);
      expect(new Set(ids)).toEqual(new Set(segments_info.map(({ id }) => id)));
      for (const { id, category_id, area, bbox } of segments_info) {
        const pixels = ids.flatMap((other, i) => (other === id ? [i] : []));
        const [xs, ys] = [pixels.map((i) => i % SIZE), pixels.map((i) => Math.floor(i / SIZE))];
        const [left, top] = [Math.min(...xs), Math.min(...ys)];
        expect(area).toBe(pixels.length);
        expect(bbox).toEqual([left, top, Math.max(...xs) - left + 1, Math.max(...ys) - top + 1]);
        expect(pixels.every((i) => data[i] === category_id - 1)).toBe(true);
        const isThing = panoptic.categories[category_id - 1].isthing === 1;
        const matches = instances.annotations.filter(
          (other) => other.image_id === image_id && other.category_id === category_id && `${other.bbox}` === `${bbox}`,
        );
        if (!isThing) {
          expect(matches).toEqual([]);
          continue;
        }
        things++;
        const masks = matches.map(({ segmentation }) => maskOf(segmentation.counts));
        expect(masks.some((mask) => mask.every((inside, i) => inside === (ids[i] === id)))).toBe(true);
      }
    }
    expect(instances.annotations).toHaveLength(things);
    expect(things).toBeGreaterThan(0);
    expect(new Set(instances.annotations.map(({ id }) => id)).size).toBe(things);
  });

  it("belong to photographs of the same size and name", async () => {
    const { images } = await readJson<Panoptic>(`panoptic_${split}.json`);
    const source = await folderSource(join(dir, "images", split));
    expect(source.length).toBe(images.length);
    for (const { file_name, width, height } of images) {
      const { data, ...size } = await decode(await readFile(join(dir, "images", split, file_name)), file_name);
      expect(size).toEqual({ width, height });
      expect(new Set(data).size).toBeGreaterThan(40); // a picture, not a blank
    }
  });
});

describe("the data set", () => {
  it("names its classes and paths, and its licence", async () => {
    const yaml = parse(await readFile(join(dir, "data.yaml"), "utf8"));
    expect(yaml.classes.map(({ name }: { name: string }) => name)).toEqual(CLASSES.map(({ name }) => name));
    for (const path of [yaml.train.images, yaml.train.panoptic.masks, yaml.val.semantic]) {
      expect((await readdir(join(dir, path))).length).toBeGreaterThan(0);
    }
    await readFile(join(dir, yaml.val.instances));
    expect(await readFile(join(dir, "LICENSE"), "utf8")).toContain("CC0");
    const files = await readdir(dir, { recursive: true });
    expect(files.filter((file) => file.endsWith(".part"))).toEqual([]);
  });

  it("keeps an image the same whatever the count, and differs by seed", async () => {
    const hashOf = async (at: string, split: string, file: string) =>
      createHash("sha256")
        .update(await readFile(join(at, "images", split, file)))
        .digest("hex");
    const small = join(root, "small");
    await writeSampleData({ dir: small, images: 5, size: SIZE, seed: 3 });
    for (const [split, file] of [
      ["train", "000001.jpg"],
      ["val", "000004.jpg"],
    ]) {
      expect(await hashOf(small, split, file)).toBe(await hashOf(dir, split, file));
    }
    const other = join(root, "other");
    await writeSampleData({ dir: other, images: 1, size: SIZE, seed: 4 });
    expect(await hashOf(other, "train", "000000.jpg")).not.toBe(await hashOf(dir, "train", "000000.jpg"));
  });

  it("is refused in a folder that holds anything, and replaces only its like", async () => {
    const again = { dir, images: 1, size: 16, seed: 0 };
    await expect(writeSampleData(again)).rejects.toThrow(/earlier sample data set\. Pass --overwrite/);
    const mine = join(root, "mine");
    await writeSampleData({ ...again, dir: mine, images: 6 });
    await writeSampleData({ ...again, dir: mine, images: 2, overwrite: true });
    expect(await readdir(join(mine, "images", "train"))).toEqual(["000000.jpg", "000001.jpg"]);
    const precious = await mkdtemp(join(root, "precious-"));
    await writeFile(join(precious, "thesis.tex"), "");
    await expect(writeSampleData({ ...again, dir: precious, overwrite: true })).rejects.toThrow(InputError);
    expect(await readdir(precious)).toEqual(["thesis.tex"]);
  });

  it("is the same on any number of cores, and the command shows how far it is", async () => {
    const filesOf = async (folder: string) => {
      const names = (await readdir(folder, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
      const hashed = names.map(async (entry) => {
        const bytes = await readFile(join(entry.parentPath, entry.name));
        return [relative(folder, join(entry.parentPath, entry.name)), createHash("sha256").update(bytes).digest("hex")];
      });
      return Object.fromEntries(await Promise.all(hashed)) as Record<string, string>;
    };
    const flags = ["--images", String(COUNT), "--size", String(SIZE), "--seed", "3", "--cores"];
    const output = await completeCommand(["sample-data", join(root, "threads"), ...flags, "3"]);
    expect(output).toContain(`8 training and 2 validation scenes: ${join(root, "threads")}`);
    expect(await filesOf(join(root, "threads"))).toEqual(await filesOf(dir));

    const reporter = recordedReporter();
    await writeSampleData({ dir: join(root, "shown"), images: 3, size: 16, seed: 0, reporter });
    expect(reporter.tasks).toEqual([{ what: "Rendering scenes", total: 3, done: 3, ended: true }]);
  });

  it("takes the place of one that was interrupted", async () => {
    const options = { dir: join(root, "interrupted"), images: 2, size: 16, seed: 0 };
    await writeSampleData(options);
    await rm(join(options.dir, "annotations", "instances_val.json"));
    await writeFile(join(options.dir, "images", "train", "000007.jpg.part"), "");
    await writeSampleData(options);
    expect(await readdir(join(options.dir, "images", "train"))).toEqual(["000000.jpg", "000001.jpg"]);
  });

  it.each([{ images: 0 }, { size: 8 }, { size: 33.5 }, { seed: -1 }])("refuses %o", async (wrong) => {
    const options = { dir: join(root, "never"), images: 1, size: 32, seed: 0, ...wrong };
    await expect(writeSampleData(options)).rejects.toThrow(InputError);
  });
});

describe("annotations", () => {
  it("give COCO's runs, columns first and beginning outside", () => {
    const annotations = createAnnotations();
    annotations.add(7, "a.jpg", "a.png", {
      ids: Uint32Array.from([15001, 0, 15001, 15001, 0, 0]),
      width: 3,
      height: 2,
    });
    const segment = { id: 15001, category_id: 15, area: 3, bbox: [0, 0, 3, 2], iscrowd: 0 };
    expect(annotations.panoptic().annotations[0].segments_info).toEqual([segment]);
    const segmentation = { counts: [0, 2, 2, 1, 1], size: [2, 3] };
    expect(annotations.instances().annotations).toEqual([{ ...segment, id: 1, image_id: 7, segmentation }]);
  });
});

describe("scenes", () => {
  it("show every class and many sizes of thing among the first images", () => {
    const seen = new Set<number>();
    const shares: number[] = [];
    for (let index = 0; index < 60; index++) {
      const { segments } = renderScene(0, index, 32);
      for (const {
        info: { id, category_id, area },
      } of segmentsOf({ ids: segments, width: 32, height: 32 })) {
        seen.add(category_id);
        expect(id % 1000 > 0).toBe(CLASSES[category_id - 1].isThing);
        if (id % 1000) shares.push(area / 1024);
      }
      expect(segments.every((id) => id > 0)).toBe(true);
    }
    expect(CLASSES.filter((_, i) => !seen.has(i + 1)).map(({ name }) => name)).toEqual([]);
    expect(shares.length / 60).toBeGreaterThan(5);
    expect(Math.max(...shares) / Math.min(...shares)).toBeGreaterThan(100);
  });

  it("keep their layout at any size", () => {
    const [small, large] = [renderScene(1, 6, 24), renderScene(1, 6, 72)];
    // the centre of a pixel of the small image is the centre of the middle one of 3 x 3
    let equal = 0;
    for (let i = 0; i < 24 * 24; i++) {
      const [x, y] = [i % 24, Math.floor(i / 24)];
      equal += Number(small.segments[i] === large.segments[(3 * y + 1) * 72 + 3 * x + 1]);
    }
    expect(equal / (24 * 24)).toBeGreaterThan(0.99);
  });
});
