import { expect, test } from "vitest";
import type { Row } from "../../study/readings.js";
import { studyNumbers, studyText } from "../../study/report.js";
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
