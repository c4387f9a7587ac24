import sharp from "sharp";
import { beforeAll, describe, expect, it } from "vitest";
import { InputError } from "../../src/core/errors.js";
import { denormalise } from "../../src/data/augment.js";
import {
  createLabelledLoader,
  type LabelledBatch,
  type LabelledLoaderOptions,
} from "../../src/data/labelled-loader.js";
import type { LabelledSource } from "../../src/data/labelled-source.js";
import { largeScaleJitterView, shortestEdgeView } from "../../src/data/labelled-view.js";
import { createSampler } from "../../src/data/sampler.js";
import { testInput, testSize } from "../../src/data/test-input.js";
import { imageDecoder } from "../../src/io/image-file.js";
import { encodeMask } from "../../src/masks/run-lengths.js";
import type { Task } from "../../src/masks/segmentation.js";

const [WIDTH, HEIGHT] = [40, 30];
/** A red square on blue, in another place in every image; the odd ones stand upright. */
const squareOf = (i: number) => ({ left: 3 + ((i * 7) % 15), top: 2 + ((i * 5) % 13), side: 8 + (i % 4) });
const sizeOf = (i: number) => (i % 2 ? { width: HEIGHT, height: WIDTH } : { width: WIDTH, height: HEIGHT });

function inSquare(i: number): boolean[] {
  const { left, top, side } = squareOf(i);
  const { width, height } = sizeOf(i);
  return Array.from({ length: width * height }, (_, at) => {
    const [x, y] = [at % width, Math.floor(at / width)];
    return x >= left && x < left + side && y >= top && y < top + side;
  });
}

const LENGTH = 6;
let files: Buffer[];
beforeAll(async () => {
  files = await Promise.all(
    Array.from({ length: LENGTH }, (_, i) => {
      const data = Uint8Array.from(inSquare(i).flatMap((inside) => (inside ? [250, 0, 0] : [0, 0, 250])));
      return sharp(data, { raw: { ...sizeOf(i), channels: 3 } })
        .png()
        .toBuffer();
    }),
  );
});

/** Square: label 1, the rest: label 0 where there is stuff. */
function squares(task: Task, overrides: Partial<LabelledSource> = {}): LabelledSource {
  const segments = [1, 2].map((id) => ({ id, label: 2 - id, area: 0, crowd: false }));
  return {
    length: LENGTH,
    task,
    classes: [],
    forms: new Set([task]),
    decoder: imageDecoder,
    name: (i) => `image ${i}`,
    imageId: (i) => i,
    read: async (i) => files[i],
    semantic: async (i) => ({ ...sizeOf(i), labels: Uint16Array.from(inSquare(i), Number) }),
    panoptic: async (i) => ({
      ...sizeOf(i),
      segments,
      ids: Uint32Array.from(inSquare(i), (inside) => (inside ? 1 : 2)),
    }),
    async instances(i) {
      const { left, top, side } = squareOf(i);
      const outline = [left, top, left + side, top, left + side, top + side, left, top + side];
      const runs = encodeMask(Uint8Array.from(inSquare(i), Number), sizeOf(i).width, sizeOf(i).height);
      const common = { label: 1, crowd: false, area: side * side };
      return {
        ...sizeOf(i),
        instances: [
          { ...common, shape: { polygons: [outline] } },
          { ...common, shape: runs },
        ],
      };
    },
    ...overrides,
  };
}

const SIZE = { width: 32, height: 24 };
const crops = shortestEdgeView({ sizes: [15, 24, 30, 47, 61], maxSize: 90, crop: SIZE, color: false });
const jitter = largeScaleJitterView({ ...SIZE, scale: [0.4, 2] });

/** What a batch holds, copied. */
function copyOf({ images, targets, names, skipped }: LabelledBatch) {
  const copies = targets.map((slot) => slot.map(({ label, mask }) => ({ label, mask: mask.slice() })));
  return { images: images.slice(), targets: copies, names, skipped };
}

async function batches(options: Partial<LabelledLoaderOptions>, steps: readonly number[]) {
  const loader = createLabelledLoader({ source: squares("panoptic"), seed: 5, batch: 4, view: crops, ...options });
  const seen = [];
  for (const step of steps) {
    const batch = await loader.load(step);
    seen.push(copyOf(batch));
    batch.release();
  }
  await loader.dispose();
  return seen;
}

const STEPS = [0, 1, 2, 3, 4, 5, 6, 7];

describe("labelled loader", () => {
  for (const [name, view] of [
    ["crops", crops],
    ["large-scale jitter", jitter],
  ] as const) {
    it(`moves image and masks alike: ${name}`, async () => {
      const pixels = SIZE.width * SIZE.height;
      const seen = { square: 0, padding: 0, wrong: 0 };
      for (const task of ["semantic", "panoptic", "instance"] as const) {
        for (const { images, targets } of await batches({ source: squares(task), view }, STEPS)) {
          targets.forEach((slot, i) => {
            const planes = images.subarray(3 * pixels * i, 3 * pixels * (i + 1));
            const { data } = denormalise(planes, SIZE.width, SIZE.height);
            for (const { label, mask } of slot) {
              for (let at = 0; at < pixels; at++) {
                const [red, green, blue] = data.subarray(3 * at, 3 * at + 3);
                const isPadding = red === 128 && green === 128 && blue === 128;
                seen.square += label * mask[at];
                seen.padding += Number(isPadding);
                // Where the colour is pure, the mask must agree; at the edge the image is blended.
                const expected = isPadding ? 0 : red === 250 ? label : blue === 250 ? 1 - label : mask[at];
                seen.wrong += Number(mask[at] !== expected);
              }
            }
          });
        }
      }
      expect(seen.wrong).toBe(0);
      expect(seen.square).toBeGreaterThan(5000);
      expect(seen.padding).toBeGreaterThan(5000);
    });
  }

  it("gives a step the same batch whatever the prefetch, the order and the start", async () => {
    const straight = await batches({}, [0, 1, 2, 3, 4]);
    expect(await batches({ prefetch: 0 }, [0, 1, 2, 3, 4])).toEqual(straight);
    expect(await batches({ prefetch: 3 }, [4, 0, 2])).toEqual([straight[4], straight[0], straight[2]]);
    expect(straight[0].images).not.toEqual(straight[1].images);
    expect(straight[0].targets[0]).toHaveLength(2);
  });

  it("keeps or drops targets that the view lost", async () => {
    const corner = shortestEdgeView({ sizes: [240], maxSize: 400, crop: SIZE });
    const counts = async (keepEmpty: boolean | undefined) =>
      (await batches({ view: corner, keepEmpty }, STEPS)).flatMap(({ targets }) =>
        targets.map((slot) => [slot.length, slot.filter(({ mask }) => !mask.includes(1)).length]),
      );
    const kept = await counts(undefined);
    expect(kept.every(([all]) => all === 2)).toBe(true);
    expect(kept.filter(([, empty]) => empty === 1).length).toBeGreaterThan(10);
    expect(await counts(false)).toEqual(kept.map(([all, empty]) => [all - empty, 0]));
  });

  it("takes images without any object", async () => {
    const none = async (i: number) => ({ ...sizeOf(i), instances: [] });
    const [{ targets, skipped }] = await batches({ source: squares("instance", { instances: none }) }, [0]);
    expect(targets).toEqual([[], [], [], []]);
    expect(skipped).toEqual([]);
  });

  it("replaces images whose labels cannot be had or are of another size, and says whose fault it is", async () => {
    const good = squares("panoptic");
    const source = squares("panoptic", {
      async panoptic(i) {
        if (i === 2) throw new InputError({ where: "labels/2.png", expected: "a label map", found: "an empty file" });
        return good.panoptic(i === 4 ? 1 : i);
      },
    });
    const seen = await batches({ source, batch: 6 }, [0, 1]);
    expect(seen[0].skipped).toEqual([
      { file: "image 2", reason: "labels/2.png: an empty file in place of a label map" },
      { file: "image 4", reason: "labels of 30x40" },
    ]);
    const sampler = createSampler({ seed: 5, batchSize: 6, length: LENGTH });
    sampler.batch(0).forEach((draw, slot) => {
      let [chosen, attempt] = [draw, 0];
      while ([2, 4].includes(chosen.index)) chosen = sampler.replacement(draw, ++attempt);
      expect(seen[0].names[slot]).toBe(`image ${chosen.index}`);
    });
    expect(await batches({ source, batch: 6 }, [1])).toEqual(seen.slice(1));
    const all = squares("panoptic", { panoptic: async (i) => good.panoptic(i + 1) });
    await expect(batches({ source: all }, [0])).rejects.toThrow(/cannot be used; .*labels of/);
  });

  it("uses the chosen images only, with their labels", async () => {
    const all = squares("panoptic");
    const chosen = [3, 0];
    const two = squares("panoptic", {
      length: 2,
      name: (i) => all.name(chosen[i]),
      read: (i) => all.read(chosen[i]),
      panoptic: (i) => all.panoptic(chosen[i]),
    });
    expect(await batches({ indices: chosen }, [0, 1, 2])).toEqual(await batches({ source: two }, [0, 1, 2]));
    await expect(batches({ indices: [] }, [0])).rejects.toThrow(/expected at least one, found none/);
  });

  it("reuses released memory, which no older mask shines through", async () => {
    const loader = createLabelledLoader({ source: squares("panoptic"), seed: 5, batch: 4, view: jitter, prefetch: 1 });
    const buffers = new Set<ArrayBufferLike>();
    for (const step of STEPS) {
      const batch = await loader.load(step);
      for (const memory of [batch.images, ...batch.targets.map(([{ mask }]) => mask)]) buffers.add(memory.buffer);
      const [fresh] = await batches({ view: jitter, prefetch: 0 }, [step]);
      expect(copyOf(batch)).toEqual(fresh);
      batch.release();
      batch.release();
    }
    expect(buffers.size).toBeLessThanOrEqual(2 * (1 + 4));
    await loader.dispose();
  });
});

describe("test-time input", () => {
  it("is resized by its shortest edge, normalised, and padded by 0 to multiples of 32", () => {
    const image = { width: 50, height: 20, data: new Uint8Array(3 * 50 * 20).fill(200) };
    const { planes, ...size } = testInput(image, testSize(image, { shortEdge: 40, longEdge: 90 }));
    expect(size).toEqual({ width: 90, height: 36, paddedWidth: 96, paddedHeight: 64 });
    expect(planes.buffer).toBeInstanceOf(SharedArrayBuffer);
    const at = (c: number, y: number, x: number) => planes[(c * 64 + y) * 96 + x];
    expect(at(0, 0, 0)).toBeCloseTo((200 - 123.675) / 58.395, 5);
    expect(at(2, 35, 89)).toBeCloseTo((200 - 103.53) / 57.375, 5);
    expect([at(1, 36, 0), at(0, 0, 90), at(2, 63, 95)]).toEqual([0, 0, 0]);
    expect(testSize(image, { shortEdge: 32, longEdge: 80 })).toMatchObject({ paddedWidth: 96, paddedHeight: 32 });
  });
});

it("an image with more objects than their masks have room for is refused before the memory is taken", async () => {
  const segments = Array.from({ length: 2100 }, (_, i) => ({ id: i + 1, label: 0, area: 1, crowd: false }));
  const source = squares("panoptic", {
    panoptic: async (i) => ({ ...sizeOf(i), segments, ids: Uint32Array.from(inSquare(i), () => 1) }),
  });
  const view = largeScaleJitterView({ width: 1024, height: 1024, scale: [1, 1], flip: false });
  const loader = createLabelledLoader({ source, seed: 1, batch: 1, view });
  await expect(loader.load(1)).rejects.toThrow(/2100 objects, whose masks of 1024x1024 take more than 2 GiB/);
  await loader.dispose();
});
