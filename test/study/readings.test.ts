import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Cell } from "../../study/comparison.js";
import { lastScore, rowsOf } from "../../study/readings.js";
import type { Arm, Study } from "../../study/studies.js";
import { temporaryDirectory } from "../support/temporary-directory.js";

test("scores that no run logged give way to the one that decides", () => {
  const folder = temporaryDirectory();
  const arm: Arm = { name: "A", parts: [] };
  const study: Study = { title: "T", arms: [arm], scores: ["pq", "miouPan"] };
  const cellOf = (seed: number, logged: object): Cell => {
    const out = join(folder, String(seed));
    mkdirSync(out);
    writeFileSync(join(out, "metrics.jsonl"), `${JSON.stringify({ step: 2, loss: 1, ...logged })}\n`);
    return { arm, labels: "100%", seed, finetuning: { command: "finetune", out, arguments: [] } };
  };
  const read = (cells: Cell[], seeds: number[]) =>
    rowsOf(study, cells, seeds).map(({ score, readings }) => [score, ...readings.map(lastScore)]);
  const semantic = [cellOf(0, { "val-miou": 40 }), cellOf(1, { "val-miou": 42 })];
  expect(read(semantic, [0, 1])).toEqual([[undefined, 40, 42]]);
  expect(read([cellOf(2, { "val-pq": 7 })], [2])).toEqual([["pq", 7]]);
});
