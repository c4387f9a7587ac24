/** Areas that a label file states wrongly decide no score. */

import { expect, it } from "vitest";
import { openLabelledSource } from "../../src/data/datasets/open-data.js";
import { evaluate } from "../../src/evaluate/evaluate.js";
import { shapeMask } from "../../src/masks/polygons.js";
import type { Task } from "../../src/masks/segmentation.js";
import { dataFolder } from "../support/data-folders.js";
import { temporaryDirectory } from "../support/temporary-directory.js";

const SIZE = { width: 60, height: 60 };
const CATEGORIES = [
  { id: 1, name: "cat", isthing: 1 },
  { id: 2, name: "sky", isthing: 0 },
];
/** A square of 40 x 40 pixels, which is a medium object, in the sky. */
const MAP = Array.from({ length: 60 }, (_, y) =>
  Array.from({ length: 60 }, (_, x) => (x >= 10 && x < 50 && y >= 10 && y < 50 ? 300 : 7)),
);

/** An image whose JSON files state areas of `factor` times the pixels. */
async function scene(factor: number, task: Task) {
  const folder = dataFolder(temporaryDirectory());
  await folder.photo("photos/a.png", SIZE.width, SIZE.height);
  folder.colours("maps/a.png", MAP);
  const images = [{ id: 1, file_name: "a.png", ...SIZE }];
  const segments_info = [
    { id: 300, category_id: 1, area: factor * 1600 },
    { id: 7, category_id: 2, area: factor * 2000 },
  ];
  const segmentation = [[10, 10, 50, 10, 50, 50, 10, 50]];
  folder.json("panoptic.json", {
    images,
    annotations: [{ image_id: 1, file_name: "a.png", segments_info }],
    categories: CATEGORIES,
  });
  folder.json("instances.json", {
    images,
    annotations: [{ id: 1, image_id: 1, category_id: 1, segmentation, area: factor * 1600 }],
    categories: CATEGORIES.slice(0, 1),
  });
  const files = { instances: "instances.json", panoptic: { json: "panoptic.json", masks: "maps" } };
  folder.yaml("data.yaml", {
    classes: CATEGORIES.map(({ isthing, ...category }) => ({ ...category, isthing: isthing === 1 })),
    val: { images: "photos", ...files },
  });
  return openLabelledSource(folder.root, { task, split: "val" });
}

it.each([1, 4, 0.01, 1e12])("a perfect model scores 100 where areas are %d times the pixels", async (factor) => {
  const panoptic = await scene(factor, "panoptic");
  const { scores } = await evaluate({
    source: panoptic,
    predict: async () => ({
      panoptic: await panoptic.panoptic(0),
      semantic: await panoptic.semantic(0),
      instances: (await panoptic.instances(0)).instances.map(({ label, shape }) => ({
        label,
        score: 1,
        mask: shapeMask(shape, SIZE.width, SIZE.height),
      })),
    }),
  });
  expect(scores).toMatchObject({ pq: 100, sq: 100, rq: 100, miouPan: 100 });
  expect(scores.apPan).toBeCloseTo(100, 9);

  const source = await scene(factor, "instance");
  const [{ label, shape }] = (await source.instances(0)).instances;
  const mask = shapeMask(shape, SIZE.width, SIZE.height);
  const instance = await evaluate({ source, predict: async () => ({ instances: [{ label, score: 1, mask }] }) });
  expect(instance.scores.apMedium).toBeCloseTo(100, 9);
  expect([instance.scores.apSmall, instance.scores.apLarge]).toEqual([null, null]);
});
