import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { SegmentationClass } from "../../src/masks/segmentation.js";
import { createMaskEnlarger, type MaskEnlarger, tilesAtOriginalSize } from "../../src/predict/mask-tiles.js";
import { type ImageSizes, maskGrid, type NetworkOutput } from "../../src/predict/network-output.js";
import { panopticMap } from "../../src/predict/panoptic.js";
import type { Runtime } from "../../src/runtime/contract.js";
import { createRuntime } from "../../src/runtime/create-runtime.js";

const side = { width: 64, height: 64 };
const sizes: ImageSizes = { input: side, padded: side, original: side };
const grid = maskGrid(sizes);

const classes = [0, 1].map((id): SegmentationClass => ({ id, name: `${id}`, isThing: true, color: [0, 0, 0] }));

let runtime: Runtime;
let enlarger: MaskEnlarger;
beforeAll(async () => {
  runtime = await createRuntime({ device: "cpu", cores: 1 });
  enlarger = await createMaskEnlarger(runtime);
});
afterAll(async () => {
  enlarger.dispose();
  await runtime.dispose();
});

/** Mask logits [queries, grid] that are the same at each place of a query's map. */
const flatMasks = (...logits: readonly number[]) =>
  Float32Array.from(logits.flatMap((logit) => Array<number>(grid.width * grid.height).fill(logit)));

describe("probabilities of a mask", () => {
  test.each([-60, -30, -17.5, -12.625, -8, -1, 0, 3, 12, 90])(
    "at a logit of %s are exact to float32",
    async (logit) => {
      const [tile] = tilesAtOriginalSize(sizes);
      const output: NetworkOutput = { queries: 1, classes: 0, logits: new Float32Array(1), masks: flatMasks(logit) };
      let checked = 0;
      await enlarger.run(output, grid, [{ query: 0, tile }], (_, logits, probabilities) => {
        const exact = 1 / (1 + Math.exp(-logits[0]));
        expect(Math.abs(probabilities[0] - exact)).toBeLessThan(1e-6 * exact);
        checked++;
      });
      expect(checked).toBe(1);
    },
  );

  test("decide whose a pixel is where no query is sure of it, by small differences too", async () => {
    // Logits 0.4 % of a probability apart, in both orders.
    for (const [a, b] of [
      [-14.6, -14.604],
      [-14.604, -14.6],
      [-12.1, -12.104],
      [-12.104, -12.1],
    ]) {
      // Both are certain of their class, and each needs one pixel that it claims.
      const masks = flatMasks(a, b);
      masks[0] = 9;
      masks[masks.length - 1] = 9;
      const logits = Float32Array.from([30, 0, 0, 0, 30, 0]);
      const output: NetworkOutput = { queries: 2, classes: 2, logits, masks };
      const options = { pixels: "won", objectThreshold: 0.5, overlapThreshold: 0 } as const;
      const { map } = await panopticMap(enlarger, output, sizes, classes, options);
      expect(map.ids[(side.width * side.height) / 2 + side.width / 2]).toBe(a > b ? 1 : 2);
    }
  });
});
