import { expect, test } from "vitest";
import { formatNumber, tableHtml } from "../../src/viz/table.js";

test("numbers keep their decimals, have no negative zero, and are a dash where they do not exist", () => {
  expect([1, -0.01, 12.345, null, Number.NaN].map((value) => formatNumber(value))).toEqual([
    "1.0",
    "0.0",
    "12.3",
    "\u2013",
    "\u2013",
  ]);
  expect(formatNumber(7, { digits: 0 })).toBe("7");
  const differences = [0.26, -0.26, 0.01, null].map((value) => formatNumber(value, { difference: true }));
  expect(differences).toEqual(["+0.3", "-0.3", "0.0", "\u2013"]);
});

test("a table carries exact values to sort by, and escapes every text", () => {
  const html = tableHtml({
    caption: "<c>",
    columns: [{ name: "<n>", meaning: '"m"' }, { name: "score" }, { name: "change", difference: true }],
    rows: [
      { cells: ["<b>", 12.345, -1], color: [1, 2, 3] },
      { cells: ["all", null, 1], total: true },
    ],
  });
  expect(html).toContain("<caption>&lt;c&gt;</caption>");
  expect(html).toContain('<th scope="col" title="&quot;m&quot;">&lt;n&gt;</th>');
  expect(html).toContain('style="background:rgb(1,2,3)"></i>&lt;b&gt;');
  expect(html).toContain('<td data-value="12.345">12.3</td><td data-value="-1" class="worse">-1.0</td>');
  expect(html).toContain('<tr class="total"><td class="text">all</td><td data-value="">\u2013</td>');
  expect(html).toContain('class="sortable"');
  expect(tableHtml({ columns: [], rows: [], fixed: true })).not.toContain("sortable");
});

test("words begin at the left, numbers with their spread end at the right as numbers do", () => {
  const html = tableHtml({
    columns: [{ name: "" }, { name: "kind", text: true }, { name: "mIoU" }],
    rows: [{ cells: ["F_i1", "stuff", "26.4 ± 0.5"] }],
  });
  expect(html).toContain('<td class="text">F_i1</td><td class="text">stuff</td><td>26.4 ± 0.5</td>');
});
