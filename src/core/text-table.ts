/** @file Tables as plain text. */

/** Characters of a cell; names of classes can be sentences. */
const LONGEST = 60;

const shortened = (cell: string) => {
  const characters = [...cell];
  return characters.length > LONGEST ? `${characters.slice(0, LONGEST - 1).join("")}…` : cell;
};

/**
 * Rows of cells under each other: the first column to the left, the others, which hold numbers, to the right; what is
 * longer than 60 characters is cut.
 */
export function textTable(whole: readonly (readonly string[])[]): string[] {
  const rows = whole.map((row) => row.map(shortened));
  const columns = Math.max(0, ...rows.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, c) => Math.max(...rows.map((row) => row[c]?.length ?? 0)));
  const aligned = (cell: string, c: number) => (c === 0 ? cell.padEnd(widths[c]) : cell.padStart(widths[c]));
  return rows.map((row) => row.map(aligned).join("  ").trimEnd());
}
