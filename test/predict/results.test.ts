import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import { withSpool } from "../../src/io/spool.js";
import type { WrittenImage } from "../../src/predict/folder/image-files.js";
import { writeJsonFile } from "../../src/predict/folder/json-file.js";
import { Results } from "../../src/predict/folder/results.js";
import { temporaryDirectory } from "../support/temporary-directory.js";

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

/** An image with `objects` instances, each of a mask that takes `bytes`. */
function written(id: number, objects: number, bytes = 4): WrittenImage {
  const labels = { panoptic: `panoptic/labels/${id}.png` };
  return {
    record: { id, file: `photos/${id}.jpg`, width: 4, height: 2, overlays: {}, labels, confidence: 0.5 },
    segmentsInfo: [{ id: 1, category_id: 7, area: 8, bbox: [0, 0, 4, 2], iscrowd: 0 }],
    instances: Array.from({ length: objects }, (_, i) => ({
      image_id: id,
      category_id: 7,
      segmentation: { size: [2, 4] as const, counts: String(i % 10).repeat(bytes) },
      bbox: [0, 0, 4, 2] as const,
      score: 0.5,
    })),
    cells: [],
  };
}

test("files have the images in their order, whatever was done first", async () => {
  const folder = temporaryDirectory();
  await withSpool(join(folder, "results"), async (spool) => {
    const results = new Results(spool);
    await Promise.all([results.add(2, written(2, 1)), results.add(0, written(0, 2)), results.add(1, written(1, 0))]);
    expect(results.count).toBe(3);
    await writeJsonFile(join(folder, "a.json"), results.list("instances"));
    await writeJsonFile(join(folder, "b.json"), {
      images: results.list("panopticImages"),
      annotations: results.list("panopticAnnotations"),
      categories: [{ id: 7 }],
    });
    await writeJsonFile(join(folder, "c.json"), { complete: true, images: results.list("records") });
    await writeJsonFile(join(folder, "none.json"), new Results(spool).list("instances"));
  });
  const json = (name: string) => JSON.parse(readFileSync(join(folder, name), "utf8"));
  expect(json("a.json").map((row: { image_id: number }) => row.image_id)).toEqual([0, 0, 2]);
  const panoptic = json("b.json");
  expect(panoptic.images).toEqual([0, 1, 2].map((id) => ({ id, file_name: `photos/${id}.jpg`, width: 4, height: 2 })));
  expect(panoptic.annotations.map((one: { file_name: string }) => one.file_name)).toEqual(["0.png", "1.png", "2.png"]);
  expect(panoptic.categories).toEqual([{ id: 7 }]);
  expect(json("c.json").images.map(({ id }: { id: number }) => id)).toEqual([0, 1, 2]);
  expect(json("none.json")).toEqual([]);
});

test("of what was written nothing stays in memory", async () => {
  await withSpool(join(temporaryDirectory(), "results"), async (spool) => {
    const results = new Results(spool);
    const held: WeakRef<object>[] = [];
    for (let id = 0; id < 20; id++) {
      const image = written(id, 3, 1000);
      held.push(new WeakRef(image.record), new WeakRef(image.instances as object), new WeakRef(image));
      await results.add(id, image);
    }
    await new Promise((resolve) => setImmediate(resolve)); // references live until the end of the turn that made them
    collectGarbage();
    // What the last turn left on the stack may stay.
    expect(held.slice(0, -3).filter((one) => one.deref() !== undefined)).toEqual([]);
  });
});
