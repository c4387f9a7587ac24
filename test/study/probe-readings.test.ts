import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { PRESETS } from "../../src/pretrain/presets.js";
import { cellsOf } from "../../study/comparison.js";
import { probeRowsOf } from "../../study/probe-readings.js";
import { studyNumbers, studyText } from "../../study/report.js";
import { studyNamed } from "../../study/studies.js";

const map = (name: string, weights: string, ...mious: number[]) => ({
  map: name,
  weights,
  shares: mious.map((mean) => ({ miou: { mean } })),
});

test("scores of all labels by seed; a frozen map is the same before and after, a missing probe leaves a gap", async () => {
  const out = await mkdtemp(join(tmpdir(), "study-"));
  try {
    const regime = {
      ...{ settings: PRESETS.tiny, images: ["photographs"], pretrain: [], finetune: [], probe: [] },
      ...{ seeds: [0, 1], labels: ["100%"], out },
    };
    const study = studyNamed("table7", regime);
    const cells = cellsOf(study, regime);
    const maps = [map("res4", "both", 20, 26), map("F_i1", "start", 18, 21.5), map("F_i1", "trained", 19, 25)];
    await mkdir(cells[0].probing!.out, { recursive: true });
    await writeFile(join(cells[0].probing!.out, "probe.json"), JSON.stringify({ models: [{ maps }] }));
    const probes = await probeRowsOf(study, cells, regime.seeds);
    expect(probes).toEqual([
      { pretraining: "base", map: "res4", start: [26, undefined], trained: [26, undefined] },
      { pretraining: "base", map: "F_i1", start: [21.5, undefined], trained: [25, undefined] },
    ]);
    const text = studyText(study, studyNumbers(study, [], { seeds: regime.seeds, probes }));
    expect(text).toMatch(/base +F_i1 +21\.5 +25\.0 +\+3\.5/);
  } finally {
    await rm(out, { recursive: true });
  }
});
