import { expect, test } from "vitest";
import { regionOf, zerosLike } from "../../src/core/image.js";
import { resizeNearest } from "../../src/core/resample.js";

const SIZE = { width: 3, height: 2 };

test("a region has the values of its pixels, all channels of each", () => {
  const labels = Uint16Array.of(1, 2, 3, 4, 5, 600);
  expect(regionOf(labels, SIZE, { left: 1, top: 1, width: 2, height: 1 })).toEqual(Uint16Array.of(5, 600));
  const pairs = Float32Array.from({ length: 12 }, (_, i) => i / 2);
  expect(regionOf(pairs, SIZE, { left: 2, top: 0, width: 1, height: 2 }, 2)).toEqual(Float32Array.of(2, 2.5, 5, 5.5));
});

test("bytes of a decoder are bytes, made without its deprecated constructor", async () => {
  const warned: unknown[] = [];
  const listen = (warning: unknown) => void warned.push(warning);
  process.on("warning", listen);
  const bytes = Buffer.from([1, 2, 3, 4, 5, 6]);
  const region = regionOf(bytes as Uint8Array, SIZE, { left: 0, top: 0, width: 1, height: 2 });
  expect(region).toEqual(Uint8Array.of(1, 4));
  expect(resizeNearest(bytes as Uint8Array, SIZE, { width: 1, height: 1 })).toBeInstanceOf(Uint8Array);
  for (const made of [region, zerosLike(bytes as Uint8Array, 2)]) expect(Buffer.isBuffer(made)).toBe(false);
  await new Promise(setImmediate); // warnings come after the call
  process.off("warning", listen);
  expect(warned).toEqual([]);
});
