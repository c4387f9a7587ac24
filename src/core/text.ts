/** @file Words and columns for a person. */

/** `1 image`, `2 images`, `2 classes`. */
export function plural(count: number, noun: string): string {
  const ending = noun.endsWith("s") ? "es" : "s";
  return `${count} ${noun}${count === 1 ? "" : ending}`;
}

/** The first few of a list as text: `1, 2, 3 and 7 more`. */
export function someOf(items: readonly (string | number)[], most = 5): string {
  const rest = items.length - most;
  return rest > 0 ? `${items.slice(0, most).join(", ")} and ${rest} more` : items.join(", ");
}

/** Rows of cells under each other, two spaces apart: the first column to the left, the others to the right. */
export function alignedRows(rows: readonly (readonly string[])[]): string[] {
  const columns = rows.reduce((most, row) => Math.max(most, row.length), 0);
  const widths = Array.from({ length: columns }, (_, c) => Math.max(...rows.map((row) => (row[c] ?? "").length)));
  return rows.map((row) => {
    const cells = row.map((cell, c) => (c === 0 ? cell.padEnd(widths[c]) : cell.padStart(widths[c])));
    return cells.join("  ").trimEnd();
  });
}
