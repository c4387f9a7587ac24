import { afterEach, expect, test, vi } from "vitest";
import { zeros } from "../../src/core/tensor-data.js";
import { testInput } from "../../src/data/test-input.js";

afterEach(() => vi.unstubAllGlobals());

test("memory is shared where there is such a thing", () => {
  expect(zeros("float32", [2, 3]).data.buffer).toBeInstanceOf(SharedArrayBuffer);
  vi.stubGlobal("SharedArrayBuffer", undefined);
  const { data } = zeros("int64", [2]);
  expect(data).toEqual(new BigInt64Array(2));
  expect(data.buffer).toBeInstanceOf(ArrayBuffer);
  const image = { width: 2, height: 1, data: new Uint8Array(6) };
  const { planes } = testInput(image, { width: 2, height: 1, paddedWidth: 32, paddedHeight: 32 });
  expect(planes.length).toBe(3 * 32 * 32);
});
