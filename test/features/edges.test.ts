import { expect, test } from "vitest";
import { featureEdges } from "../../src/features/edges.js";

const scale = (...deviation: number[]) => ({
  mean: new Float64Array(deviation.length),
  deviation: Float64Array.from(deviation),
});

/** Cells of one channel, drawn as digits. */
function mapOf(...rows: string[]) {
  const data = Float32Array.from(rows.join(""), Number);
  return { data, channels: 1, width: rows[0].length, height: rows.length };
}

/** Edges in tenths, row after row. */
const drawn = ({ strength, width, height }: ReturnType<typeof featureEdges>) =>
  Array.from({ length: height }, (_, y) =>
    Array.from(strength.subarray(y * width, (y + 1) * width), (value) => (value > 0 ? Math.round(value) : ".")).join(
      "",
    ),
  );

test("an edge is the last pixel before another cell, as long as the cells", () => {
  expect(drawn(featureEdges(mapOf("005", "005"), scale(1), 2))).toEqual(["...5..", "...5..", "...5..", "...5.."]);
  expect(drawn(featureEdges(mapOf("00", "77"), scale(1), 2))).toEqual(["....", "7777", "....", "...."]);
});

test("along a slope only its steepest place is an edge", () => {
  expect(drawn(featureEdges(mapOf("01599"), scale(1), 1))).toEqual([".4..."]);
});

test("differences count in deviations of their channel, and a channel that does not vary not at all", () => {
  const data = Float32Array.of(0, 8, 5, 5);
  const map = { data, channels: 2, width: 2, height: 1 };
  const { strength } = featureEdges(map, scale(2, Number.POSITIVE_INFINITY), 1);
  expect(strength[0]).toBeCloseTo(4 / Math.SQRT2, 6); // root mean square over two channels
});
