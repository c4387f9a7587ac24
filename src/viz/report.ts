/** @file A run's report: one HTML file that loads nothing from elsewhere and needs no script to be read. */

import type { EncodedImage, Image } from "../core/image.js";
import { type Chart, chartSvg } from "./chart.js";
import { base64, dataAddress, escapeHtml } from "./html.js";
import { SCRIPT, STYLE } from "./report-style.js";
import { TABLE_SCRIPT, TABLE_STYLE, type Table, tableHtml } from "./table.js";

export interface GalleryCell<P = EncodedImage> {
  label: string;
  picture: P;
  /** Keeps the cells of a small grid visible when the page enlarges it. */
  pixelated?: boolean;
}

/** Pictures of one subject, side by side. */
export interface GalleryRow<P = EncodedImage> {
  caption: string;
  cells: GalleryCell<P>[];
}

export interface Section {
  title: string;
  /** What is shown and how to read it. */
  description?: string;
  tables?: Table[];
  charts?: Chart[];
  gallery?: GalleryRow[];
}

export interface Report {
  title: string;
  summary?: string;
  /** What the reader has to know first, e.g. that the features collapsed. */
  warnings?: string[];
  /** Name and value, in the order of reading. */
  facts: [name: string, value: string][];
  sections: Section[];
  notes?: string[];
}

const CARD = { width: 360, height: 250 };
const PAGE_WIDE = { width: 1036, height: 330 };

/** A row for a page: its pictures as `encode` makes files of them. */
export async function encodedRow(
  { caption, cells }: GalleryRow<Image>,
  encode: (image: Image) => Promise<EncodedImage>,
): Promise<GalleryRow> {
  const encoded = cells.map(async ({ picture, ...cell }) => ({ ...cell, picture: await encode(picture) }));
  return { caption, cells: await Promise.all(encoded) };
}

/**
 * The report as one HTML page. Every text may come from a file: all are escaped, and only the page's own script runs.
 */
export async function renderReport(report: Report): Promise<string> {
  const { title, summary, warnings = [], facts, sections, notes = [] } = report;
  const script = SCRIPT + TABLE_SCRIPT;
  const hash = await sha256(script);
  const policy = `default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-${hash}'`;
  return [
    `<!doctype html><html lang="en"><head><meta charset="utf-8">`,
    `<meta http-equiv="Content-Security-Policy" content="${policy}">`,
    `<meta name="viewport" content="width=device-width,initial-scale=1">`,
    `<title>${escapeHtml(title)}</title><style>${STYLE}${TABLE_STYLE}</style></head><body><main>`,
    `<header><h1>${escapeHtml(title)}</h1>${summary ? `<p class="muted-text">${escapeHtml(summary)}</p>` : ""}`,
    list("warnings", warnings),
    factTable(facts),
    "</header>",
    ...sections.map(sectionHtml),
    notes.length > 0 ? `<section><h2>Notes</h2>${list("notes", notes)}</section>` : "",
    `</main><script>${script}</script></body></html>\n`,
  ].join("\n");
}

function sectionHtml({ title, description, tables = [], charts = [], gallery = [] }: Section): string {
  return [
    `<section><h2>${escapeHtml(title)}</h2>${paragraph(description)}`,
    ...tables.map(tableHtml),
    charts.length > 0 ? `<div class="charts">${charts.map(chartFigure).join("\n")}</div>` : "",
    ...gallery.map(galleryRow),
    "</section>",
  ].join("\n");
}

/** A wide chart comes in two drawings, of which the style shows the one that the window has room for. */
function chartFigure(chart: Chart): string {
  const caption = `<figcaption><h3>${escapeHtml(chart.title)}</h3>${paragraph(chart.description)}</figcaption>`;
  const card = chartSvg(chart, CARD);
  if (!chart.wide) return `<figure>${caption}${card}</figure>`;
  const wide = chartSvg(chart, PAGE_WIDE);
  const drawings = `<div class="wide-only">${wide}</div><div class="narrow-only">${card}</div>`;
  return `<figure class="wide">${caption}${drawings}</figure>`;
}

function galleryRow({ caption, cells }: GalleryRow): string {
  const pictures = cells.map(({ label, picture, pixelated }) => {
    const size = `width="${picture.width}" height="${picture.height}"`;
    const style = pixelated ? 'class="pixelated" ' : "";
    const alternative = escapeHtml(`${label}: ${caption}`);
    const image = `<img ${style}${size} alt="${alternative}" src="${dataAddress(picture)}">`;
    return `<div>${image}<span>${escapeHtml(label)}</span></div>`;
  });
  const row = `<div class="cells" style="--cells:${cells.length}">${pictures.join("\n")}</div>`;
  return `<figure class="row"><figcaption>${escapeHtml(caption)}</figcaption>${row}</figure>`;
}

function factTable(facts: Report["facts"]): string {
  const rows = facts.map(([name, value]) => `<div><dt>${escapeHtml(name)}</dt><dd>${escapeHtml(value)}</dd></div>`);
  return rows.length > 0 ? `<dl class="facts">${rows.join("\n")}</dl>` : "";
}

function list(name: string, items: readonly string[]): string {
  return items.length > 0
    ? `<ul class="${name}">${items.map((item) => `<li>${escapeHtml(item)}</li>`).join("")}</ul>`
    : "";
}

function paragraph(text: string | undefined): string {
  return text ? `<p>${escapeHtml(text)}</p>` : "";
}

async function sha256(text: string): Promise<string> {
  return base64(new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text))));
}
