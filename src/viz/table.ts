/** @file Tables of scores for a report. Sorted by a click on a column's head; complete without the script. */

import type { Rgb } from "../core/image.js";
import { escapeHtml } from "./html.js";

/** A number that does not exist (the mean over no class) is null and shown as a dash. */
export type Cell = string | number | null;

export interface Column {
  name: string;
  /** What the column holds, for the pointer that rests on its head. */
  meaning?: string;
  /** Decimals of its numbers (1 if absent). */
  digits?: number;
  /** Its cells are words: they begin at the left, as those of the first column do. */
  text?: boolean;
  /** Numbers are differences: they carry a sign, and its colour. */
  difference?: boolean;
}

export interface TableRow {
  cells: Cell[];
  /** Drawn before the first cell: the colour of the row's class in the pictures. */
  color?: Rgb;
  /** Stands out, and stays above the others when they are sorted. */
  total?: boolean;
}

export interface Table {
  caption?: string;
  columns: Column[];
  rows: TableRow[];
  /** Its order means something: it is not sorted. */
  fixed?: boolean;
}

export const TABLE_STYLE = `
.table{margin-top:20px;overflow-x:auto}
table{border-collapse:collapse;font-size:14px;font-variant-numeric:tabular-nums;min-width:min(100%,420px)}
caption{text-align:left;font-weight:600;padding-bottom:6px;font-size:15px}
th,td{padding:5px 16px 5px 0;border-bottom:1px solid var(--rule);text-align:right;white-space:nowrap}
th{font-weight:600;color:var(--muted);vertical-align:bottom}
th:first-child,td:first-child{text-align:left;white-space:normal;min-width:11em}
th:last-child,td:last-child{padding-right:2px}
td.text,th.text{text-align:left}td.text:last-child{white-space:normal}
tr.total td:not(.text:last-child){font-weight:650}
tbody tr:hover td{background:var(--rule)}
td.better{color:var(--c3)}td.worse{color:var(--alarm)}
.swatch{display:inline-block;width:.8em;height:.8em;border-radius:3px;margin-right:.55em;vertical-align:-.05em;
  border:1px solid var(--rule)}
th button{all:unset;cursor:pointer}th button:focus-visible{outline:2px solid var(--c1);outline-offset:2px}
th[aria-sort=descending] button::after{content:" \\2193"}th[aria-sort=ascending] button::after{content:" \\2191"}
`;

/**
 * A column's head becomes a button: numbers largest first, text in order, a second click turns it round; dashes stay
 * last.
 */
export const TABLE_SCRIPT = `
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  const body = table.tBodies[0];
  const valueOf = (row, i) => {
    const { dataset: { value }, textContent } = row.cells[i];
    return value === undefined ? textContent : value === "" ? undefined : Number(value);
  };
  heads.forEach((head, i) => {
    const button = document.createElement("button");
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const rows = [...body.rows].filter((row) => !row.classList.contains("total"));
      const numeric = rows.some((row) => typeof valueOf(row, i) === "number");
      const was = head.getAttribute("aria-sort");
      const order = was ? (was === "ascending" ? "descending" : "ascending") : numeric ? "descending" : "ascending";
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", order);
      const sign = order === "ascending" ? 1 : -1;
      const isNumber = (value) => typeof value === "number";
      const compare = (a, b) => (isNumber(a) && isNumber(b) ? a - b : String(a).localeCompare(String(b)));
      rows.sort((a, b) => {
        const [x, y] = [valueOf(a, i), valueOf(b, i)];
        if (x === undefined || y === undefined) return Number(x === undefined) - Number(y === undefined);
        return sign * compare(x, y);
      });
      body.append(...rows);
    });
  });
}
`;

/** The dash of a score that does not exist. */
const NO_VALUE = "\u2013";

/** A number as the page and the terminal show it: fixed decimals, a sign where it is a difference, a dash for null. */
export function formatNumber(value: number | null, { digits = 1, difference = false }: Partial<Column> = {}): string {
  if (value === null || !Number.isFinite(value)) return NO_VALUE;
  const text = value.toFixed(digits);
  const zero = Number(text) === 0;
  if (zero) return (0).toFixed(digits); // never -0.0
  return difference && value > 0 ? `+${text}` : text;
}

/** The table as HTML; every text is escaped. */
export function tableHtml({ caption, columns, rows, fixed }: Table): string {
  const heads = columns.map(({ name, meaning, text }) => {
    const title = meaning ? ` title="${escapeHtml(meaning)}"` : "";
    return `<th scope="col"${text ? ' class="text"' : ""}${title}>${escapeHtml(name)}</th>`;
  });
  const title = caption ? `<caption>${escapeHtml(caption)}</caption>` : "";
  return [
    `<div class="table"><table${fixed ? "" : ' class="sortable"'}>${title}`,
    `<thead><tr>${heads.join("")}</tr></thead><tbody>`,
    ...rows.map((row) => rowHtml(row, columns)),
    "</tbody></table></div>",
  ].join("\n");
}

function rowHtml({ cells, color, total }: TableRow, columns: readonly Column[]): string {
  const swatch = color ? `<i class="swatch" style="background:rgb(${color.map(Number).join(",")})"></i>` : "";
  const html = cells.map((cell, i) =>
    i === 0 ? cellHtml(cell, { ...columns[i], text: true }, swatch) : cellHtml(cell, columns[i]),
  );
  return `<tr${total ? ' class="total"' : ""}>${html.join("")}</tr>`;
}

function cellHtml(cell: Cell, column: Column, before = ""): string {
  if (typeof cell === "string") {
    const style = column.text ? ' class="text"' : ""; // else it is a number with its spread
    return `<td${style}>${before}${escapeHtml(cell)}</td>`;
  }
  const value = cell === null || !Number.isFinite(cell) ? "" : String(cell);
  const text = formatNumber(cell, column);
  const change = column.difference ? { "+": ' class="better"', "-": ' class="worse"' }[text[0]] : undefined;
  return `<td data-value="${value}"${change ?? ""}>${text}</td>`;
}
