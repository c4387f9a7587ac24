import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { InputError } from "../../src/core/errors.js";
import type { Image } from "../../src/core/image.js";
import { encodeMask } from "../../src/masks/run-lengths.js";
import { Predictor } from "../../src/predict/predictor.js";
import { cutOut, networkSize, ownInstances, windowsOf } from "../../src/predict/windows.js";
import type { Runtime } from "../../src/runtime/contract.js";
import { createRuntime } from "../../src/runtime/create-runtime.js";
import { tinyModel, tinyWeights } from "../support/tiny-model.js";

let runtime: Runtime;
beforeAll(async () => {
  runtime = await createRuntime({ device: "cpu", cores: 1 });
});
afterAll(() => runtime.dispose());

function photo(width: number, height: number): Image {
  const data = Uint8Array.from({ length: 3 * width * height }, (_, i) => {
    const pixel = Math.floor(i / 3);
    return 127 + 120 * Math.sin(0.11 * (pixel % width) + 0.17 * Math.floor(pixel / width) + (i % 3));
  });
  return { width, height, data };
}

const SEEN_AS = { shortEdge: 448, longEdge: 600, window: 256 };

test("an image is cut as its resized size asks", () => {
  expect(windowsOf({ width: 256, height: 256 }, SEEN_AS)).toHaveLength(4);
  expect(windowsOf({ width: 696, height: 520 }, SEEN_AS)).toHaveLength(6);
  expect(windowsOf({ width: 256, height: 256 }, { ...SEEN_AS, window: 0 })).toHaveLength(1);
  expect(windowsOf({ width: 900, height: 20 }, { ...SEEN_AS, window: 1000 })).toHaveLength(1);
  expect(networkSize({ width: 696, height: 520 }, SEEN_AS)).toMatchObject({ paddedWidth: 256, paddedHeight: 256 });
  expect(networkSize({ width: 512, height: 64 }, SEEN_AS)).toMatchObject({ width: 256, height: 75, paddedHeight: 96 });
});

const side = fc.integer({ min: 1, max: 900 });

test("windows lie within the image, are of one size, and own each point once", () => {
  const edges = fc.record({ shortEdge: fc.integer({ min: 32, max: 700 }), window: fc.integer({ min: 32, max: 300 }) });
  fc.assert(
    fc.property(
      side,
      side,
      edges,
      fc.double({ min: 0, max: 0.999, noNaN: true }),
      (width, height, { shortEdge, window }, at) => {
        const windows = windowsOf({ width, height }, { shortEdge, longEdge: 1000, window });
        for (const { x, y } of windows) {
          expect([x.length, y.length]).toEqual([windows[0].x.length, windows[0].y.length]);
          for (const [span, length] of [
            [x, width],
            [y, height],
          ] as const) {
            expect(span.start).toBeGreaterThanOrEqual(0);
            expect(span.start + span.length).toBeLessThanOrEqual(length);
            expect(span.from).toBeGreaterThanOrEqual(span.start);
            expect(span.to).toBeLessThanOrEqual(span.start + span.length);
          }
        }
        const [px, py] = [at * width, at * height];
        const owners = windows.filter(({ x, y }) => px >= x.from && px < x.to && py >= y.from && py < y.to);
        expect(owners).toHaveLength(1);
      },
    ),
  );
});

test("an object that two windows see whole is found once, where it lies in the image", () => {
  const image = { width: 100, height: 40 };
  const seenAs = { shortEdge: 40, longEdge: 100, window: 60 };
  const windows = windowsOf(image, seenAs);
  expect(windows.map(({ x }) => [x.start, x.from, x.to])).toEqual([
    [0, 0, 50],
    [40, 50, 100],
  ]);
  const drawn = (x: number) => (i: number) => Number(i % 100 >= x && i % 100 < x + 8 && i >= 500 && i < 1500);
  for (const [x, owner] of [
    [42, 0],
    [47, 1],
  ]) {
    const whole = Uint8Array.from({ length: 4000 }, (_, i) => drawn(x)(i));
    const found = windows.map((window) => {
      const part = cutOut(
        { ...image, data: Uint8Array.from({ length: 12_000 }, (_, i) => whole[Math.floor(i / 3)]) },
        window,
      );
      const pixels = part.data.filter((_, i) => i % 3 === 0);
      const instance = { label: 0, score: 0.5, mask: encodeMask(Uint8Array.from(pixels), part.width, part.height) };
      const nothing = { ...instance, mask: encodeMask(new Uint8Array(2400), 60, 40) };
      return ownInstances([instance, nothing], window, image);
    });
    expect(found.map(({ length }) => length)).toEqual(owner === 0 ? [1, 0] : [0, 1]);
    expect(found[owner][0].mask).toEqual(encodeMask(whole, 100, 40));
  }
});

describe("a predictor", () => {
  const model = { ...tinyModel("instance"), inference: { ...tinyModel("instance").inference, window: 48 } };
  const forms = new Set(["instance"] as const);

  test("gives of each window what it gives of those pixels alone", async () => {
    const predictor = await Predictor.create(runtime, model, { weights: tinyWeights() });
    const image = photo(120, 80);
    const { instances, confidence } = await predictor.predict(image, forms);
    const alone = await Predictor.create(
      runtime,
      { ...model, inference: { ...model.inference, shortEdge: 48, longEdge: 48, window: 0 } },
      { weights: tinyWeights() },
    );
    const windows = windowsOf(image, model.inference);
    expect(windows.length).toBeGreaterThan(2);
    const parts = await Promise.all(windows.map((window) => alone.predict(cutOut(image, window), forms)));
    const expected = parts.flatMap(({ instances = [] }, i) => ownInstances(instances, windows[i], image));
    expect(instances!.length).toBeGreaterThan(0);
    expect(instances).toEqual(expected.toSorted((a, b) => b.score - a.score));
    expect(confidence).toBe(Math.max(...parts.map((part) => part.confidence)));
    await Promise.all([predictor.dispose(), alone.dispose()]);
  });

  test("refuses what cannot be put together from windows", async () => {
    const predictor = await Predictor.create(runtime, model, { weights: tinyWeights() });
    const error = await predictor.predict(photo(70, 45), new Set(["panoptic"] as const)).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(InputError);
    expect((error as InputError).problem).toMatchObject({ found: "panoptic" });
    await predictor.dispose();
  });
});
