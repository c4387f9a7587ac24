import { expect, test } from "vitest";
import type { Row } from "../../study/readings.js";
import { studyNumbers, studyPage, studyText } from "../../study/report.js";
import type { Arm, Study } from "../../study/studies.js";

const arm = (name: string, family: Arm["family"]): Arm => ({ name, family, parts: [] });
const ARMS = [arm("A, random", "mask2former"), arm("A, pretrained", "mask2former"), arm("B, random", "maskformer")];
const STUDY: Study = { title: "T", arms: ARMS, scores: ["pq", "miouPan"] };

const row = (of: Arm, score: string, ...values: (number | undefined)[]): Row => ({
  arm: of,
  labels: "100%",
  score,
  readings: values.map((value) => (value === undefined ? undefined : { metric: score, curve: [{ step: 9, value }] })),
});

test("each score has rows of its own, compared with the first arm of the same architecture", () => {
  const rows = [
    ...[row(ARMS[0], "pq", 10, 20), row(ARMS[1], "pq", 13, 25), row(ARMS[2], "pq", 40, undefined)],
    ...[row(ARMS[0], "miouPan", 1, 1), row(ARMS[1], "miouPan", 1, 2), row(ARMS[2], "miouPan", 5, 6)],
  ];
  const numbers = studyNumbers(STUDY, rows, { seeds: [0, 1], probes: [] });
  expect(numbers.metrics).toEqual(["PQ", "mIoU pan"]);
  const differences = numbers.rows.map((one) => [one.arm, one.metric, one.differences]);
  expect(differences).toContainEqual(["A, pretrained", "PQ", [3, 5]]);
  expect(differences).toContainEqual(["A, pretrained", "mIoU pan", [0, 1]]);
  expect(differences).toContainEqual(["B, random", "PQ", []]);
  const text = studyText(STUDY, numbers);
  expect(text).toMatch(/^ {2}A, pretrained +PQ +100% +13\.0 +25\.0 +19\.0 ±6\.0 +\+4\.0 ±1\.0$/m);
  expect(text).toMatch(/^ {2}B, random +PQ +100% +40\.0 +- +40\.0 +-$/m);
});

test("differences over the steps: those that all runs were scored at, mean and standard error, the end among them", async () => {
  const over = (of: Arm, ...curves: (readonly number[])[]): Row => ({
    arm: of,
    labels: "10%",
    readings: curves.map((values) => ({
      metric: "pq",
      curve: values.map((value, i) => ({ step: 10 * (i + 1), value })),
    })),
  });
  const rising = (by: number) => Array.from({ length: 9 }, (_, i) => by * (i + 1));
  const rows = [over(ARMS[0], rising(1), rising(2)), over(ARMS[1], rising(3), [...rising(2), 99])];
  const numbers = studyNumbers(STUDY, rows, { seeds: [0, 1], probes: [] });
  expect(numbers.rows[1].curve.map(({ step }) => step)).toEqual([10, 20, 30, 40, 50, 60, 70, 80, 90]);
  expect(numbers.rows[1].curve[2]).toEqual({ step: 30, scores: [9, 6], differences: [6, 0] });
  expect(numbers.rows[0].curve[2]).toEqual({ step: 30, scores: [3, 6], differences: [] });
  const text = studyText(STUDY, numbers);
  expect(text).toMatch(
    /^Difference from A, random, PQ, 10% of the labels\n +step 10 +step 30 +step 50 +step 70 +step 90\n {2}A, pretrained +\+1\.0 ±1\.0 +\+3\.0 ±3\.0 +.*\+9\.0 ±9\.0$/m,
  );
  const page = await studyPage(STUDY, numbers, []);
  expect(page).toContain("Difference from A, random, PQ, 10% of the labels");
  expect(page.match(/class="band c2"/g)).toHaveLength(2); // of the scores and of the differences
  const once = studyNumbers(
    STUDY,
    rows.map((one) => ({
      ...one,
      readings: one.readings.map((reading) => reading && { ...reading, curve: reading.curve.slice(-1) }),
    })),
    { seeds: [0, 1], probes: [] },
  );
  expect(studyText(STUDY, once)).not.toContain("Difference from");
});
