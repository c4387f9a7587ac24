import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bestCheckpoint, loadCheckpoint } from "../../src/checkpoint/run-state.js";
import { bestProbe, type ProbeMonitor, type ProbeScore } from "../../src/pretrain/probe-monitor.js";
import { Probing } from "../../src/pretrain/probing.js";
import { runPretraining } from "../../src/pretrain/run.js";
import type { PretrainSettings } from "../../src/pretrain/settings.js";
import { readMetrics } from "../../src/run/metrics-log.js";
import { dataFolder } from "../support/data-folders.js";
import { checkpointSteps, resultOf } from "../support/finished-run.js";
import { recordedReporter } from "../support/recorded-reporter.js";
import { writeScenes } from "../support/tiny-finetuning.js";
import { smallestSettings } from "../support/tiny-pretraining.js";

const folder = mkdtempSync(join(tmpdir(), "mask-jepa-probing-"));
const scenes = join(folder, "scenes");
beforeAll(() => writeScenes(scenes, 10)); // 8 and 2
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function settingsOf(...sets: string[]): PretrainSettings {
  const settings = smallestSettings("run.keep=1", "run.checkpointEvery=3", "probe.every=2", "probe.images=3", ...sets);
  settings.data.images = [join(scenes, "images", "train")];
  return settings;
}

const PROBED = `probe.data=${scenes}`;

describe("a run that is probed", () => {
  const whole = join(folder, "whole");
  const reporter = recordedReporter();

  test("logs and tells scores of its maps, keeps the best checkpoint and shows the curve", async () => {
    await runPretraining({ settings: settingsOf("run.steps=5", PROBED), out: whole, start: "new", reporter });
    const metrics = readMetrics(join(whole, "metrics.jsonl"));
    const scores = metrics.flatMap(({ step, "probe-miou-F_i1": miou, "probe-miou-F_last": last }) =>
      miou === undefined ? [] : [[step, Number(miou), Number(last)]],
    );
    expect(scores.map(([step]) => step)).toEqual([1, 2, 4, 5]);
    for (const [step, miou, last] of scores) {
      expect(miou).toBeGreaterThan(0);
      expect(reporter.lines).toContain(
        `step ${step}: mIoU of a linear probe ${miou.toFixed(1)} on F_i1, ${last.toFixed(1)} on F_last`,
      );
    }
    expect(reporter.lines.filter((line) => line.startsWith("A probe of 3 + 2 images takes "))).toHaveLength(1);
    const [[step, miou]] = scores.sort((a, b) => b[1] - a[1] || a[0] - b[0]);
    expect(new Set(checkpointSteps(whole))).toEqual(new Set([step, 5]));
    const best = (await bestCheckpoint(whole)) as string;
    expect(await loadCheckpoint(best, { parts: [] })).toMatchObject({
      step,
      best: { metric: "probe mIoU of F_i1", value: miou, goal: "max" },
    });
    expect(reporter.lines).toContain(`Best by the probe: step ${step}, mIoU ${miou.toFixed(1)} on F_i1: ${best}`);
    const page = readFileSync(join(whole, "report.html"), "utf8");
    expect(page).toContain("<h2>Linear probe</h2>");
    expect(page).toContain(`step ${step}, mIoU ${miou.toFixed(1)} on F_i1`);
  });

  test("computes what it computes without, and goes on to the bit as if it had never stopped", async () => {
    const alone = join(folder, "alone");
    await runPretraining({ settings: settingsOf("run.steps=5"), out: alone, start: "new" });
    const found = resultOf(whole);
    expect(resultOf(alone).weights).toEqual(found.weights);

    const stopped = join(folder, "stopped");
    await runPretraining({ settings: settingsOf("run.steps=5", "run.keep=2", PROBED), out: stopped, start: "new" });
    rmSync(join(stopped, "checkpoints", "step-00000005"), { recursive: true });
    const told = recordedReporter();
    await runPretraining({
      settings: settingsOf("run.steps=5", "run.keep=2", PROBED),
      out: stopped,
      start: "resume",
      reporter: told,
    });
    expect(told.lines.join("\n")).toMatch(/Going on after step \d of 5/);
    expect({ ...resultOf(stopped), steps: found.steps }).toEqual(found);
  });

  test("is refused before anything is written where its data cannot be used", async () => {
    const out = join(folder, "refused");
    const run = runPretraining({ settings: settingsOf(`probe.data=${join(folder, "none")}`), out, start: "new" });
    await expect(run).rejects.toThrow(/none/);
    expect(checkpointSteps(out)).toEqual([]);

    const empty = dataFolder(join(folder, "without-objects"));
    empty.yaml("data.yaml", {
      classes: [{ id: 1, name: "cell", isthing: true }],
      train: { images: "images", instances: "train.json" },
      val: { images: "images", instances: "train.json" },
    });
    await empty.photo("images/1.png", 40, 40);
    const images = [{ id: 1, file_name: "1.png", width: 40, height: 40 }];
    empty.json("train.json", { images, annotations: [], categories: [{ id: 1, name: "cell" }] });
    await expect(
      runPretraining({ settings: settingsOf(`probe.data=${empty.root}`), out, start: "new" }),
    ).rejects.toThrow(`${empty.root} train: expected an object that is no crowd, found none in 1 image`);
    expect(() => settingsOf("probe.root=elsewhere")).toThrow(/expected probe\.data, .* found probe\.root elsewhere/);
  });
});

describe("the best score", () => {
  const monitorOf = (...scores: (number | null)[]) =>
    ({
      measure: async (): Promise<ProbeScore[]> => [{ map: "F_i1", miou: scores.shift() as number | null }],
    }) as ProbeMonitor;
  const options = { every: 2, steps: 9, logged: [], images: { train: 1, test: 1 } };

  test("is a reason to save when it is better than all before, those of before a resume too", async () => {
    const probing = new Probing(monitorOf(20, 25, 25, null, 24, 26), options);
    const saved = [];
    for (let step = 1; step <= 6; step++) saved.push((await probing.measure(step)).save);
    expect(saved).toEqual([true, true, false, false, false, true]);
    const resumed = new Probing(monitorOf(20), { ...options, logged: [{ step: 2, "probe-miou-F_i1": 21 }] });
    expect(await resumed.measure(3)).toMatchObject({ save: false, score: { value: 20 } });
    expect([1, 2, 3, 4, 9].map((step) => probing.isDue(step))).toEqual([true, true, false, true, true]);
  });

  test("is that of F_i1, of F_last where there is no F_i1, the first of equals, and none where nothing was probed", () => {
    expect(bestProbe([{ step: 1, loss: 2 }])).toBeUndefined();
    const last = { "probe-miou-F_last": 30 };
    expect(bestProbe([{ step: 1, ...last }])).toEqual({ step: 1, map: "F_last", miou: 30 });
    const records = [20, 22, 22].map((miou, i) => ({ step: i + 1, "probe-miou-F_i1": miou, ...last }));
    expect(bestProbe(records)).toEqual({ step: 2, map: "F_i1", miou: 22 });
  });
});
