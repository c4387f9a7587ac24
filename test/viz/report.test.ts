import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { linearAxis, logAxis } from "../../src/viz/axis.js";
import { type Chart, chartSvg } from "../../src/viz/chart.js";
import { curvePoints, smoothed, thinned } from "../../src/viz/curve.js";
import { renderReport } from "../../src/viz/report.js";

const labels = (axis: { ticks: readonly { label: string }[] }) => axis.ticks.map(({ label }) => label);
const range = (n: number) => Array.from({ length: n }, (_, i) => i);

describe("axes", () => {
  it("have round ticks with as many decimals as they need", () => {
    expect(labels(linearAxis([0.07, 0.93], 5, true))).toEqual(["0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
    expect(labels(linearAxis([-0.02, 0.01], 4, true))).toEqual(["−0.02", "−0.01", "0", "0.01"]);
    expect(labels(linearAxis([0, 187_500], 4, false))).toEqual(["0", "50k", "100k", "150k"]);
    expect(labels(linearAxis([0, 3_200_000], 4, false))).toEqual(["0", "1M", "2M", "3M"]);
    expect(labels(linearAxis([0, 4e-6], 4, true))).toEqual(["0", "0.000001", "0.000002", "0.000003", "0.000004"]);
  });

  it("do not split whole numbers such as steps", () => {
    expect(labels(linearAxis([1, 2, 3], 6, false))).toEqual(["1", "2", "3"]);
  });

  it("contain every value, in few ticks", () => {
    const value = fc.double({ min: -1e9, max: 1e9, noNaN: true });
    fc.assert(
      fc.property(value, value, (a, b) => {
        const { low, high, ticks } = linearAxis([a, b], 5, true);
        expect(low).toBeLessThanOrEqual(Math.min(a, b) + 1e-6 * (high - low));
        expect(high).toBeGreaterThanOrEqual(Math.max(a, b) - 1e-6 * (high - low));
        expect(ticks.length).toBeGreaterThanOrEqual(2);
        expect(ticks.length).toBeLessThanOrEqual(13);
        expect(new Set(ticks.map(({ label }) => label)).size).toBe(ticks.length);
      }),
      { seed: 1, numRuns: 300 },
    );
  });

  it("of logarithms go by decades, finer over few and coarser over many", () => {
    expect(labels(logAxis([0.02, 0.3], 5))).toEqual(["0.01", "0.02", "0.05", "0.1", "0.2", "0.5", "1"]);
    expect(labels(logAxis([0.002, 7], 5))).toEqual(["0.001", "0.01", "0.1", "1", "10"]);
    expect(labels(logAxis([1e-9, 1], 5)).length).toBeLessThanOrEqual(6);
  });
});

describe("curves", () => {
  it("have gaps where nothing can be drawn", () => {
    const gaps = (log: boolean) =>
      curvePoints([0, 1, 2, 3], [1, Number.NaN, 0, Number.POSITIVE_INFINITY], log).map(({ y }) => Number.isNaN(y));
    expect(gaps(false)).toEqual([false, true, false, true]);
    expect(gaps(true)).toEqual([false, true, true, true]);
  });

  it("are smoothed when long and noisy, keep gaps, and otherwise stay exact", () => {
    const noisy = range(200).map((i) => 3 + (i % 2 ? 1 : -1));
    noisy[100] = Number.NaN;
    const smooth = smoothed(curvePoints(range(200), noisy, false));
    expect(smooth?.[100].y).toBeNaN();
    smooth?.slice(10).forEach(({ y }, i) => {
      if (i !== 90) expect(Math.abs(y - 3)).toBeLessThan(0.3);
    });
    const warmUp = range(200).map((i) => Math.min(1, i / 20));
    expect(smoothed(curvePoints(range(200), warmUp, false))).toBeUndefined();
    expect(smoothed(curvePoints(range(20), noisy.slice(0, 20), false))).toBeUndefined();
    expect(smoothed(curvePoints(range(50), new Array<number>(50).fill(Number.NaN), false))).toBeUndefined();
  });

  it("are thinned without losing peaks, ends or gaps", () => {
    const y = range(100_000).map((i) => Math.sin(i / 9000));
    y[54_321] = 9;
    y.fill(Number.NaN, 70_000, 75_000);
    const points = thinned(curvePoints(range(100_000), y, false), 1000);
    expect(points.length).toBeLessThanOrEqual(1000);
    expect([points[0].x, points.at(-1)?.x]).toEqual([0, 99_999]);
    expect(points.find((point) => point.y === 9)?.x).toBe(54_321);
    expect(points.some((point) => Number.isNaN(point.y))).toBe(true);
    expect(points.every((point, i) => i === 0 || point.x > points[i - 1].x)).toBe(true);
  });
});

describe("chartSvg", () => {
  const size = { width: 360, height: 250 };
  const chart = (y: number[], more: Partial<Chart> = {}): Chart => ({
    title: "Loss",
    xLabel: "step",
    yLabel: "loss",
    series: [{ name: "total", x: range(y.length), y }],
    ...more,
  });
  const lineOf = (svg: string) => /class="line c1" data-name="total" d="([^"]*)"/.exec(svg)?.[1];
  const tickAt = (svg: string, label: string) => {
    const y = new RegExp(`<path class="grid" d="M[\\d.]+ ([\\d.]+)H[\\d.]+"/><text[^>]*>${label}<`).exec(svg)?.[1];
    return Number(y);
  };

  it("puts values where its ticks are", () => {
    const svg = chartSvg(chart([0, 1, 2]), size);
    const line = lineOf(svg)?.split(/[ML ]/).slice(1).map(Number) ?? [];
    expect([line[1], line[3], line[5]]).toEqual([tickAt(svg, "0"), tickAt(svg, "1"), tickAt(svg, "2")]);
    expect(line[2] - line[0]).toBeCloseTo(line[4] - line[2], 1);
    expect(line[1]).toBeGreaterThan(line[5]);
  });

  it("breaks the line at gaps and draws lonely points as dots", () => {
    const svg = chartSvg(chart([1, 2, Number.NaN, 2, Number.NaN, 1, 2]), size);
    expect(lineOf(svg)?.replace(/[^ML]/g, "")).toBe("MLMML");
    expect(svg.match(/class="dot c1"/g)).toHaveLength(1);
    expect(chartSvg(chart([0.3]), size).match(/class="dot c1"/g)).toHaveLength(1);
  });

  it("draws a band of a spread around the line, within the axis, and breaks it where there is none", () => {
    const series = [{ name: "total", x: range(6), y: [2, 2, 2, 2, 2, 2], spread: [1, 2, Number.NaN, 0.5, 0.5, 0] }];
    const svg = chartSvg({ ...chart([]), series }, size);
    const bands = [...svg.matchAll(/class="band c1" d="M([^Z]*)Z"/g)].map(([, d]) =>
      d.split("L").map((point) => Number(point.split(" ")[1])),
    );
    const [zero, two, four] = ["0", "2", "4"].map((label) => tickAt(svg, label));
    const half = (zero - two) / 2;
    const expected = [
      [two - half, four, zero, two + half],
      [two - half / 2, two - half / 2, two, two, two + half / 2, two + half / 2],
    ];
    expect(bands.map((band) => band.length)).toEqual([4, 6]);
    bands.forEach((band, b) => {
      band.forEach((y, i) => {
        expect(y).toBeCloseTo(expected[b][i], 1);
      });
    });
  });

  it("says so when there is nothing to draw", () => {
    expect(chartSvg(chart([]), size)).toContain("no values");
    expect(chartSvg(chart([Number.NaN, -1, 0], { logY: true }), size)).toContain("no values");
    expect(chartSvg({ ...chart([]), series: [] }, size)).toContain("no values");
  });

  it("shows the threshold within the axis, and the last value in the legend", () => {
    const svg = chartSvg(chart([0.8, 0.62], { threshold: { value: 0.05, label: "alarm below 0.05" } }), size);
    const y = Number(/class="threshold" d="M[\d.]+ ([\d.]+)/.exec(svg)?.[1]);
    expect(y).toBeLessThan(tickAt(svg, "0"));
    expect(y).toBeGreaterThan(tickAt(svg, "0.2"));
    expect(svg).toContain('total <tspan class="strong">0.62</tspan>');
    expect(svg).toContain('aria-label="Loss: total ends at 0.62"');
  });

  it("stays small for long runs, and draws raw values behind the smoothed ones", () => {
    const svg = chartSvg(chart(range(300_000).map((i) => 1 + ((i * 7919) % 100) / 100)), size);
    expect(svg).toContain('class="raw c1"');
    expect(svg.length).toBeLessThan(60_000);
  });

  it("draws finite numbers only, whatever the values", () => {
    const values = fc.array(fc.double(), { maxLength: 60 });
    fc.assert(
      fc.property(values, fc.boolean(), (y, logY) => {
        expect(chartSvg(chart(y.map(Math.fround), { logY }), size)).not.toMatch(/NaN|Infinity|undefined/);
      }),
      { seed: 1, numRuns: 200 },
    );
  });

  it("refuses series whose x, y and spread differ in length", () => {
    const short = { name: "a", x: [1], y: [1], spread: [] };
    expect(() => chartSvg({ ...chart([]), series: [short] }, size)).toThrow(/series "a": .*1 spreads/);
    expect(() => chartSvg({ ...chart([]), series: [{ name: "a", x: [1], y: [] }] }, size)).toThrow(/series "a"/);
  });
});

describe("renderReport", async () => {
  const evil = `"><img src=x onerror='alert(1)'><script>alert(1)</script>&`;
  const bytes = Uint8Array.from({ length: 20_000 }, (_, i) => i * i);
  const picture = { width: 1, height: 1, mediaType: "image/png", bytes } as const;
  const html = await renderReport({
    title: evil,
    summary: evil,
    warnings: [evil],
    facts: [[evil, evil]],
    sections: [
      {
        title: evil,
        description: evil,
        charts: [
          {
            title: evil,
            xLabel: evil,
            yLabel: evil,
            description: evil,
            series: [{ name: evil, x: [1, 2], y: [1, 2] }],
            threshold: { value: 1, label: evil },
            wide: true,
          },
        ],
        gallery: [{ caption: evil, cells: [{ label: evil, picture, pixelated: true }] }],
      },
    ],
    notes: [evil],
  });

  it("escapes every text", () => {
    expect(html).not.toContain("<img src=x");
    expect(html).not.toContain("<script>alert");
    expect(html).not.toContain("onerror='");
    // Title twice, summary, warning, fact twice, section twice, chart title and description, caption and label, their
    // alternative text (two in one), note; and for each of two drawings: label, legend, axes twice, threshold, line.
    expect(html.match(/&quot;&gt;&lt;img/g)).toHaveLength(15 + 2 * 7);
  });

  it("loads nothing from elsewhere and runs its own script alone", () => {
    expect(html).not.toMatch(/\bsrc="(?!data:)|\bhref=|url\(|@import|https?:(?!\/\/www\.w3\.org\/2000\/svg")/);
    const script = /<script>([\s\S]*?)<\/script>/.exec(html)?.[1] ?? "";
    const hash = createHash("sha256").update(script).digest("base64");
    expect(html).toContain(`default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-${hash}'`);
    expect(() => new Function(script)).not.toThrow();
  });

  it("holds its pictures", () => {
    expect(html).toContain(`src="data:image/png;base64,${Buffer.from(bytes).toString("base64")}"`);
  });

  it("leaves out what is empty", async () => {
    const bare = await renderReport({ title: "Run", facts: [], sections: [] });
    expect(bare).not.toMatch(/<dl|<ul|<h2|<section/);
  });
});
