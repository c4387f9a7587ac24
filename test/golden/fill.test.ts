import { expect, test } from "vitest";
import { fill, fnv1a } from "./fill.js";

test("the hash is FNV-1a of the UTF-8 bytes", () => {
  expect(fnv1a("foobar")).toBe(0xbf9cf968);
  expect(fnv1a("")).toBe(0x811c9dc5);
  expect(fnv1a("ä")).not.toBe(fnv1a("a"));
});

test.each([
  {
    name: "a",
    base: 0,
    amplitude: 1,
    values: [-0.7929475903511047, -0.030918747186660767, 0.6313856244087219, 0.7236135601997375],
  },
  {
    name: "heldout/input",
    base: 0,
    amplitude: 2,
    values: [0.13481315970420837, -1.9102146625518799, 0.6192119121551514],
  },
])("the fill of $name has the published values", ({ name, base, amplitude, values }) => {
  expect(Array.from(fill(name, [values.length], base, amplitude).data)).toEqual(values);
});

test("base and amplitude shift and stretch the same draw", () => {
  const unit = fill("x", [3, 5], 0, 1);
  const moved = fill("x", [3, 5], 2, 0.5);
  expect(moved.shape).toEqual([3, 5]);
  moved.data.forEach((value, i) => {
    expect(value).toBeCloseTo(2 + 0.5 * unit.data[i], 6);
  });
});
