import { expect, test } from "vitest";
import { resizeMask, resizePanoptic, resizeSemantic } from "../../src/masks/resize.js";
import { decodeMask, encodeMask } from "../../src/masks/run-lengths.js";

const SIZE = { width: 4, height: 2 };
// 1 2 3 4
// 5 6 7 8
const VALUES = Uint16Array.from([1, 2, 3, 4, 5, 6, 7, 8]);

test("maps and masks keep all but their size", () => {
  expect(resizeSemantic({ ...SIZE, labels: VALUES }, { width: 2, height: 1 })).toEqual({
    width: 2,
    height: 1,
    labels: Uint16Array.from([6, 8]),
  });
  const segments = [{ id: 6, label: 0, area: 1, crowd: false }];
  const panoptic = resizePanoptic({ ...SIZE, ids: Uint32Array.from(VALUES), segments }, { width: 2, height: 1 });
  expect(panoptic).toEqual({ width: 2, height: 1, ids: Uint32Array.from([6, 8]), segments });
  const mask = encodeMask(Uint8Array.from([0, 1, 1, 0, 0, 0, 1, 0]), 4, 2);
  expect([...decodeMask(resizeMask(mask, { width: 8, height: 2 }))]).toEqual([
    0, 0, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0,
  ]);
});
