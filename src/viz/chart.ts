/** @file Line charts as static SVG. Colours come from the classes, so that one page style serves light and dark. */

import { ShapeError } from "../core/errors.js";
import type { Size } from "../core/image.js";
import { type Axis, along, linearAxis, logAxis, plain } from "./axis.js";
import { curvePoints, isGap, type Point, smoothed, thinned } from "./curve.js";
import { escapeHtml } from "./html.js";

export interface Series {
  name: string;
  /** Ascending, as long as `y`. */
  x: number[];
  /** NaN leaves a gap. */
  y: number[];
  /** Half the width of a band around the line, e.g. a standard error, as long as `y`; none where it is NaN. */
  spread?: number[];
}

export interface Chart {
  title: string;
  xLabel: string;
  yLabel: string;
  series: Series[];
  /** A dashed line, e.g. where an alarm goes off. */
  threshold?: { value: number; label: string };
  logY?: boolean;
  description?: string;
  /** Over the full width of the page. */
  wide?: boolean;
}

/** Plot area in pixels of the drawing. */
interface Frame {
  left: number;
  right: number;
  top: number;
  bottom: number;
}

/** A drawn curve: the line itself, and the raw values behind it when it is smoothed. */
interface Curve {
  name: string;
  colour: string;
  line: readonly Point[];
  raw?: readonly Point[];
  /** Stretches of the band around the line, each an outline: along its upper edge, and back along the lower one. */
  bands: readonly (readonly Point[])[];
  last?: number;
}

const POINT_LIMIT = 1000;
const LINE_HEIGHT = 18;
/** Mean advance of a character at the charts' 12 px, for lengths known before the text is set. */
const CHARACTER = 6.4;
/** Series colours that the page's style defines, `c1` to `c6`. */
const COLOURS = 6;

/** Draws a chart at `size`. Throws ShapeError when a series has different numbers of x, y and spreads. */
export function chartSvg(chart: Chart, { width, height }: Size): string {
  const { logY = false, threshold } = chart;
  const curves = chart.series.map((series, i) => curveOf(series, i, logY));
  const drawn = curves
    .flatMap(({ raw = [], line, bands }) => [...raw, ...line, ...bands.flat()])
    .filter((point) => !isGap(point));
  const legend = legendOf(curves, width);
  const top = legend.height + LINE_HEIGHT + 8;
  const bottom = height - 38;
  const described = escapeHtml(summary(chart, curves));
  const open = `<svg class="chart" viewBox="0 0 ${width} ${height}" role="img" aria-label="${described}"`;
  if (drawn.length === 0) {
    const frame = { left: 12, right: width - 12, top, bottom };
    const middle = `x="${width / 2}" y="${(top + bottom) / 2}"`;
    return `${open}>${legend.svg}${baseline(frame)}<text ${middle} class="muted middle">no values</text></svg>`;
  }

  const y = yAxis(drawn, logY, threshold?.value);
  const labelWidth = Math.max(...y.ticks.map(({ label }) => label.length)) * CHARACTER;
  const frame = { left: Math.ceil(labelWidth) + 14, right: width - 14, top, bottom };
  const x = linearAxis(
    drawn.map((point) => point.x),
    Math.max(2, Math.floor(width / 70)),
    false,
  );
  const toX = (value: number) => round(frame.left + along(x, value) * (frame.right - frame.left));
  const toY = (value: number) => round(frame.bottom - along(y, value) * (frame.bottom - frame.top));
  const path = ({ colour, name }: Curve, kind: string, points: readonly Point[]) => {
    const at = points.map((point) => `${toX(point.x)} ${toY(point.y)}`);
    const d = points.map((point, i) => (isGap(point) ? "" : `${gapAt(points, i - 1) ? "M" : "L"}${at[i]}`)).join("");
    return d && `<path class="${kind} ${colour}" data-name="${escapeHtml(name)}" d="${d}"/>`;
  };
  const band = ({ colour, bands }: Curve) =>
    bands.map((outline) => {
      const d = outline.map(({ x, y }) => `${toX(x)} ${toY(y)}`).join("L");
      return `<path class="band ${colour}" d="M${d}Z"/>`;
    });
  const dots = ({ colour, line }: Curve) =>
    line.map((point, i) => {
      const alone = !isGap(point) && gapAt(line, i - 1) && gapAt(line, i + 1);
      return alone ? `<path class="dot ${colour}" d="M${toX(point.x)} ${toY(point.y)}h0"/>` : "";
    });
  const centre = (frame.left + frame.right) / 2;
  const axes = JSON.stringify({ ...frame, x: [x.low, x.high], y: [y.low, y.high], log: y.log });
  return [
    `${open} data-axes="${escapeHtml(axes)}">`,
    legend.svg,
    `<text x="${frame.left}" y="${top - 10}" class="muted">${escapeHtml(chart.yLabel)}</text>`,
    ...y.ticks.map(({ value, label }) => {
      const at = toY(value);
      const text = `<text x="${frame.left - 8}" y="${at + 4}" class="muted end">${label}</text>`;
      return `<path class="grid" d="M${frame.left} ${at}H${frame.right}"/>${text}`;
    }),
    baseline(frame),
    ...x.ticks.map(
      ({ value, label }) => `<text x="${toX(value)}" y="${bottom + 16}" class="muted middle">${label}</text>`,
    ),
    `<text x="${centre}" y="${height - 5}" class="muted middle">${escapeHtml(chart.xLabel)}</text>`,
    ...curves.flatMap(band),
    ...curves.map((curve) => path(curve, "raw", curve.raw ?? [])),
    threshold ? thresholdLine(threshold.label, toY(threshold.value), frame) : "",
    ...curves.map((curve) => path(curve, "line", curve.line)),
    ...curves.flatMap(dots),
    "</svg>",
  ].join("");
}

function curveOf({ name, x, y, spread }: Series, index: number, log: boolean): Curve {
  if (x.length !== y.length) throw new ShapeError(`chart series "${name}"`, `${x.length} y values`, `${y.length}`);
  if (spread && spread.length !== y.length) {
    throw new ShapeError(`chart series "${name}"`, `${y.length} spreads`, `${spread.length}`);
  }
  const points = curvePoints(x, y, log);
  const smooth = smoothed(points);
  return {
    name,
    colour: `c${(index % COLOURS) + 1}`,
    line: thinned(smooth ?? points, POINT_LIMIT),
    raw: smooth && thinned(points, POINT_LIMIT),
    bands: spread ? bandsOf(points, spread, log) : [],
    last: (smooth ?? points).findLast((point) => !isGap(point))?.y,
  };
}

/** The outlines of y +- spread, one for each stretch of two points or more that have both. */
function bandsOf(points: readonly Point[], spread: readonly number[], log: boolean): Point[][] {
  const outlines: Point[][] = [];
  let [upper, lower]: Point[][] = [[], []];
  const close = () => {
    if (upper.length > 1) outlines.push([...upper, ...lower.reverse()]);
    [upper, lower] = [[], []];
  };
  for (const [i, { x, y }] of points.entries()) {
    const edges = curvePoints([x, x], [y + spread[i], y - spread[i]], log);
    if (edges.some(isGap)) close();
    else {
      upper.push(edges[0]);
      lower.push(edges[1]);
    }
  }
  close();
  return outlines;
}

function gapAt(points: readonly Point[], i: number): boolean {
  return i < 0 || i >= points.length || isGap(points[i]);
}

/** Covers all values and the threshold; starts at zero when that costs little, since heights are then comparable. */
function yAxis(points: readonly Point[], log: boolean, threshold: number | undefined): Axis {
  const values = points.map((point) => point.y);
  if (threshold !== undefined && (!log || threshold > 0)) values.push(threshold);
  if (log) return logAxis(values, 5);
  const low = values.reduce((a, b) => Math.min(a, b));
  const high = values.reduce((a, b) => Math.max(a, b));
  return linearAxis(low > 0 && low < 0.35 * high ? [...values, 0] : values, 5, true);
}

/** Names with their colours and last values, from the left, in as many rows as they need. */
function legendOf(curves: readonly Curve[], width: number): { svg: string; height: number } {
  let [left, row] = [0, 0];
  const entries = curves.map(({ name, colour, last }) => {
    const value = last === undefined ? "" : plain(last);
    const length = 22 + (name.length + value.length + 1) * CHARACTER + 14;
    if (left > 0 && left + length > width) [left, row] = [0, row + 1];
    const y = row * LINE_HEIGHT + 13;
    const key = `<path class="line ${colour}" d="M${left + 2} ${y - 4}h12"/>`;
    const text = `<text x="${left + 20}" y="${y}">${escapeHtml(name)} <tspan class="strong">${value}</tspan></text>`;
    left += length;
    return key + text;
  });
  return { svg: entries.join(""), height: curves.length > 0 ? (row + 1) * LINE_HEIGHT + 2 : 0 };
}

function thresholdLine(label: string, y: number, { left, right, top }: Frame): string {
  const above = y - top > LINE_HEIGHT;
  const text = `<text x="${right}" y="${above ? y - 5 : y + 14}" class="alarm end">${escapeHtml(label)}</text>`;
  return `<path class="threshold" d="M${left} ${y}H${right}"/>${text}`;
}

function baseline({ left, right, bottom }: Frame): string {
  return `<path class="axis" d="M${left} ${bottom}H${right}"/>`;
}

/** What the chart says, for those who do not see it. */
function summary({ title, series }: Chart, curves: readonly Curve[]): string {
  const ends = curves.map(
    ({ name, last }) => `${name} ${last === undefined ? "without values" : `ends at ${plain(last)}`}`,
  );
  return `${title}: ${series.length === 0 ? "no series" : ends.join(", ")}`;
}

/** To a hundredth of a pixel. */
function round(value: number): number {
  return Math.round(value * 100) / 100;
}
