import { expect, test } from "vitest";
import { textTable } from "../../src/core/text-table.js";

test("a table's columns are as wide as their cells, and no cell is longer than 60 characters", () => {
  expect(textTable([["", "n"], ["ab", "12"], ["c"]])).toEqual(["     n", "ab  12", "c"]);
  const [head, row] = textTable([
    ["class", "px %"],
    ["草".repeat(300), "1.5"],
  ]);
  expect(row).toBe(`${"草".repeat(59)}…   1.5`);
  expect(head).toBe(`${"class".padEnd(60)}  px %`);
});
