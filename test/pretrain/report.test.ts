import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { folderSource } from "../../src/data/files/folder-source.js";
import { skippedNotes } from "../../src/data/skipped-notes.js";
import { heldOutIndices } from "../../src/pretrain/held-out.js";
import { chartSections } from "../../src/pretrain/report-charts.js";
import { factsOf } from "../../src/pretrain/report-facts.js";
import { runPretraining } from "../../src/pretrain/run.js";
import type { MetricRecord } from "../../src/run/metrics-log.js";
import { truncateFile, writeImages } from "../support/image-folder.js";
import { smallestSettings } from "../support/tiny-pretraining.js";

const folder = mkdtempSync(join(tmpdir(), "mask-jepa-report-"));
const images = join(folder, "images");
const IMAGES = 20;
beforeAll(() => writeImages(images, IMAGES));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The report of a run of two steps. */
async function reportOf(name: string, ...sets: readonly string[]): Promise<string> {
  const settings = smallestSettings("run.steps=2", ...sets);
  settings.data.images = [images];
  const out = join(folder, name);
  await runPretraining({ settings, out, start: "new" });
  return readFileSync(join(out, "report.html"), "utf8");
}

const occurrences = (text: string, part: string) => text.split(part).length - 1;

describe("the report of a run", () => {
  test("stands alone and shows curves, held-out pictures and skipped images", async () => {
    const source = await folderSource(images);
    const held = new Set(heldOutIndices(0, 2, IMAGES));
    const bad = Array.from({ length: IMAGES }, (_, i) => i).find((i) => !held.has(i)) as number;
    truncateFile(source.name(bad));
    const html = await reportOf("held", "data.heldOut=2", "run.batch=20");
    expect(html).not.toMatch(/(src|href)="(?!data:)/);
    for (const title of ["Losses", "Masked prediction", "Collapse monitors", "Features before and after"]) {
      expect(html).toContain(`<h2>${title}</h2>`);
    }
    for (const label of ["photo", "k-means before", "k-means after", "PCA before", "PCA after", "prediction error"]) {
      expect(occurrences(html, `<span>${label}</span>`), label).toBe(2);
    }
    for (const index of held) expect(html).toContain(`images/${String(index).padStart(3, "0")}.png`);
    expect(html).toContain("Images that training never saw");
    expect(html).toContain(`Skipped ${source.name(bad)}: `);
  });

  test("shows training images when none are held out, and no error without reconstruction", async () => {
    const html = await reportOf("seen", "pretrain.reconstruction=false");
    expect(html).toContain("Images of the training set");
    expect(occurrences(html, "<span>photo</span>")).toBe(6);
    expect(html).not.toContain("<span>prediction error</span>");
  });
});

describe("what the metrics say", () => {
  const settings = smallestSettings("run.batch=8", "run.collapse.featureStd=0.07", "run.collapse.stdOfStart=0.5");
  const metrics: MetricRecord[] = [
    { step: 1, loss: 2, "held-out-error": 0.8, "held-out-mean-error": 0.4, "images-per-second": 4 },
    { step: 2, loss: 1, "images-per-second": 8 },
    { step: 3, loss: 1, "held-out-error": 0.3, "held-out-mean-error": 0.4, "images-per-second": 8 },
  ];
  const charts = chartSections(settings, metrics).flatMap((section) => section.charts ?? []);
  const chart = (title: string) => charts.find((c) => c.title === title);

  test("curves hold the steps on which a metric was logged, and only those metrics", () => {
    expect(chart("Training losses")?.series).toEqual([{ name: "loss", x: [1, 2, 3], y: [2, 1, 1] }]);
    const [explained] = chart("Variance explained")?.series ?? [];
    expect(explained).toMatchObject({ name: "held out", x: [1, 3] });
    expect(explained.y[0]).toBeNaN(); // -1 is worse than what is drawn
    expect(explained.y[1]).toBeCloseTo(0.25, 12);
    expect(chart("Gradient norm")).toBeUndefined();
  });

  test("monitors are drawn with the run's alarms", () => {
    const limits = (...metrics: MetricRecord[]) => {
      const sections = chartSections(settings, metrics);
      expect(sections.map(({ title }) => title)).toEqual(["Collapse monitors"]);
      return sections[0].charts?.map(({ title, threshold }) => [title, threshold?.value]);
    };
    expect(limits({ step: 1, "target-std": 0.1 })).toEqual([["Deviation of the target features", 0.07]]);
    expect(
      limits({ step: 1, "target-std": 0.6, "effective-rank": 40, "last-rank": 20 }, { step: 25, "target-std": 0.4 }),
    ).toEqual([
      ["Deviation of the target features", 0.3],
      ["Effective rank of the target features", 12],
      ["Effective rank of F_last", 6],
    ]);
  });

  test("time is that of all steps", () => {
    const facts = new Map(factsOf(settings, metrics, { images: 20, held: 2 }));
    expect(facts.get("Images")).toBe("18 for training, 2 held out");
    expect(facts.get("Steps")).toBe("3 of 8 images");
    expect(facts.get("Time")).toBe("4s, 6.0 images/s on cpu"); // 2 + 1 + 1 seconds for 24 images
  });

  test("skipped images are named once, and counted beyond 50", () => {
    expect(skippedNotes([])).toEqual([]);
    const file = (i: number) => ({ file: `${i}.jpg`, reason: "broken" });
    expect(skippedNotes([file(1), file(1)])).toEqual(["Skipped 1.jpg: broken"]);
    const notes = skippedNotes(Array.from({ length: 53 }, (_, i) => file(i)));
    expect(notes).toHaveLength(51);
    expect(notes[50]).toBe("3 more images were skipped.");
  });
});
