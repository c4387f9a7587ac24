import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Size } from "../../src/core/image.js";
import type { TypedArray } from "../../src/core/tensor-data.js";
import { decodeMask } from "../../src/masks/run-lengths.js";
import type { SegmentationClass } from "../../src/masks/segmentation.js";
import { scoredInstances } from "../../src/predict/instances.js";
import { createMaskEnlarger, type MaskEnlarger, TILE } from "../../src/predict/mask-tiles.js";
import type { ImageSizes, NetworkOutput } from "../../src/predict/network-output.js";
import { panopticMap } from "../../src/predict/panoptic.js";
import { createSemanticScorer, type SemanticScorer, semanticMap } from "../../src/predict/semantic.js";
import type { Runtime } from "../../src/runtime/contract.js";
import { createRuntime } from "../../src/runtime/create-runtime.js";
import { type GoldenCase, loadCase } from "../golden/case.js";
import { type Comparison, reportDifferences } from "../support/tensor-comparison.js";
import { TOLERANCES } from "../support/tolerances.js";

/** The parts of a case's settings that it is read from. */
interface Hyper {
  image_sizes: [height: number, width: number][];
  output_sizes: [height: number, width: number][];
  padded_size: [height: number, width: number];
  num_classes: number;
  num_queries: number;
  object_mask_threshold: number;
  overlap_threshold: number;
  test_topk_per_image: number;
  thing_classes: number[];
  panoptic_on: boolean;
  sem_seg_postprocess_before_inference: boolean;
}

type Drawn =
  | { rect: [y0: number, x0: number, y1: number, x1: number] }
  | { ellipse: [cy: number, cx: number, ry: number, rx: number] };

function covers(shape: Drawn, y: number, x: number): boolean {
  if ("rect" in shape) {
    const [y0, x0, y1, x1] = shape.rect;
    return y >= y0 && y < y1 && x >= x0 && x < x1;
  }
  const [cy, cx, ry, rx] = shape.ellipse;
  return ((y - cy) / ry) ** 2 + ((x - cx) / rx) ** 2 <= 1;
}

const sizeOf = ([height, width]: [number, number]): Size => ({ width, height });

/** The network's output for one image of a case, put together as its manifest says. */
function outputOf(golden: GoldenCase, image: number): NetworkOutput {
  const hyper = golden.hyper as unknown as Hyper;
  const { num_queries: queries, num_classes: classes } = hyper;
  const [h, w] = hyper.padded_size.map((side) => side / 4);
  const noise = (name: string, shape: number[]) => {
    const { data } = golden.values(name, [2, ...shape]);
    return data.slice((image * data.length) / 2, ((image + 1) * data.length) / 2);
  };
  const logits = noise("class_noise", [queries, classes + 1]);
  const hot = golden.explicit<number[][]>("class_hot")[image];
  const boost = golden.explicit<number[][]>("class_boost")[image];
  hot.forEach((label, q) => {
    logits[q * (classes + 1) + label] += boost[q];
  });
  const masks = noise("mask_noise", [queries, h, w]);
  const shapes = golden.explicit<Drawn[][][]>("mask_shapes")[image];
  masks.forEach((_, i) => {
    const [q, y, x] = [Math.floor(i / (h * w)), Math.floor(i / w) % h, i % w];
    if (shapes[q].some((shape) => covers(shape, y, x))) masks[i] += 8;
  });
  return { queries, classes, logits, masks };
}

const NAMES = {
  "08_postprocess": ["panoptic", "resized", "instance_only", "nothing_kept", "semantic_after"],
  "12_maskformer_postprocess": ["panoptic", "resized", "no_thresholds", "nothing_kept", "semantic"],
};
const names = Object.entries(NAMES).flatMap(([code, cases]) => cases.map((name) => `${code}_${name}`));
const cases = await Promise.all(names.map(loadCase));

describe.each(cases)("$name", (golden) => {
  const pixels = golden.name.startsWith("12_maskformer") ? "won" : "won-and-claimed";
  const hyper = golden.hyper as unknown as Hyper;
  const classes: SegmentationClass[] = Array.from({ length: hyper.num_classes }, (_, id) => ({
    id,
    name: `class ${id}`,
    isThing: hyper.thing_classes.includes(id),
    color: [id, id, id],
  }));
  let runtime: Runtime;
  let enlarger: MaskEnlarger;
  let scorer: SemanticScorer;
  beforeAll(async () => {
    runtime = await createRuntime({ device: "cpu", cores: 2 });
    enlarger = await createMaskEnlarger(runtime);
    const order = hyper.sem_seg_postprocess_before_inference ? "resize-masks" : "resize-scores";
    scorer = await createSemanticScorer(runtime, { queries: hyper.num_queries, classes: hyper.num_classes }, order);
  });
  afterAll(() => {
    enlarger.dispose();
    scorer.dispose();
    runtime.dispose();
  });

  describe.each([0, 1])("image %i", (image) => {
    const output = outputOf(golden, image);
    const sizes: ImageSizes = {
      original: sizeOf(hyper.output_sizes[image]),
      input: sizeOf(hyper.image_sizes[image]),
      padded: sizeOf(hyper.padded_size),
    };
    const { width, height } = sizes.original;
    const expected = (name: string) => golden.results.find((result) => result.name === `image${image}/${name}`);
    /** Numbers within the tolerance, whole numbers exactly. */
    const check = (found: Readonly<Record<string, TypedArray>>) => {
      const comparisons = Object.entries(found).flatMap(([name, values]): [Comparison, number][] => {
        const result = expected(name);
        if (!result) throw new Error(`${golden.name} has no ${name}`);
        const tolerance = result.dtype === "i64" ? 0 : TOLERANCES.cpu.parity;
        return golden.compare(result, values).map((comparison) => [comparison, tolerance]);
      });
      expect(comparisons.map(([comparison, tolerance]) => reportDifferences([comparison], tolerance)).join("")).toBe(
        "",
      );
    };

    test.runIf(expected("sem_seg"))("semantic scores and classes", async () => {
      const scores = new Float32Array(hyper.num_classes * width * height);
      await scorer.run(output, sizes, (rows, columns, tile) => {
        for (let c = 0; c < hyper.num_classes; c++) {
          for (let y = 0; y < rows.count; y++) {
            const from = (c * TILE.outputs + y) * TILE.outputs;
            const to = (c * height + rows.start + y) * width + columns.start;
            scores.set(tile.subarray(from, from + columns.count), to);
          }
        }
      });
      const { labels } = await semanticMap(scorer, output, sizes);
      check({ sem_seg: scores, sem_seg_argmax: BigInt64Array.from(labels, BigInt) });
    });

    test.runIf(expected("panoptic_seg"))("panoptic segments", async () => {
      const { map } = await panopticMap(enlarger, output, sizes, classes, {
        pixels,
        objectThreshold: hyper.object_mask_threshold,
        overlapThreshold: hyper.overlap_threshold,
      });
      const { ids, segments } = map;
      check({ panoptic_seg: BigInt64Array.from(ids, BigInt) });
      const counts = new Map<number, number>();
      for (const id of ids) counts.set(id, (counts.get(id) ?? 0) + 1);
      for (const { id, area } of segments) expect(counts.get(id)).toBe(area);
      const sorted = [...counts].sort(([a], [b]) => a - b);
      check({
        panoptic_area_ids: BigInt64Array.from(sorted, ([id]) => BigInt(id)),
        panoptic_area_counts: BigInt64Array.from(sorted, ([, count]) => BigInt(count)),
      });
      expect(segments.map(({ id, label }) => ({ id, isthing: classes[label].isThing, category_id: label }))).toEqual(
        golden.segments[`image${image}`],
      );
    });

    test.runIf(expected("instances/scores"))("instances", async () => {
      const options = { topK: hyper.test_topk_per_image, thingsOnly: hyper.panoptic_on };
      const found = await scoredInstances(enlarger, output, sizes, classes, options);
      const masks = found.map(({ mask }) => decodeMask(mask));
      check({
        "instances/scores": Float32Array.from(found, ({ score }) => score),
        "instances/classes": BigInt64Array.from(found, ({ label }) => BigInt(label)),
        "instances/mask_areas": Float32Array.from(masks, (mask) => mask.reduce((a, b) => a + b, 0)),
        "instances/masks": BigInt64Array.from(masks.flatMap((mask) => Array.from(mask, BigInt))),
      });
    });
  });
});

test("of queries that lose their pixels to each other the most that one keeps is told, and each segment's score", async () => {
  const [width, height] = [64, 32];
  const grid = { width: width / 4, height: height / 4 };
  const sizes = { original: { width, height }, input: { width, height }, padded: { width, height } };
  // Both claim the whole image; the first is surer of three quarters of it, the second of the last quarter.
  const masks = Float32Array.from({ length: 2 * grid.width * grid.height }, (_, i) => {
    const first = i < grid.width * grid.height;
    return first === i % grid.width < 12 ? 9 : 2;
  });
  const logits = Float32Array.of(8, 0, 0, 0, 8, 0);
  const output = { queries: 2, classes: 2, logits, masks };
  const classes = ["a", "b"].map((name, id): SegmentationClass => ({ id, name, isThing: true, color: [0, 0, 0] }));
  const runtime = await createRuntime({ device: "cpu", cores: 1 });
  const enlarger = await createMaskEnlarger(runtime);
  const at = (overlapThreshold: number, objectThreshold = 0.5) =>
    panopticMap(enlarger, output, sizes, classes, { pixels: "won-and-claimed", objectThreshold, overlapThreshold });
  const { map, keptShare } = await at(0.5);
  expect(keptShare).toBe(0.75);
  expect(map.segments).toEqual([{ id: 1, label: 0, area: 48 * 32, crowd: false, score: expect.closeTo(0.9993, 3) }]);
  expect(await at(0.8)).toMatchObject({ map: { segments: [] }, keptShare: 0.75 });
  expect((await at(0.8, 1)).keptShare).toBeUndefined();
  enlarger.dispose();
  runtime.dispose();
});
