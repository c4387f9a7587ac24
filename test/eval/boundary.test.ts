import { describe, expect, test } from "vitest";
import { boundaryScore, labelBoundaries } from "../../src/eval/boundary.js";
import { semanticOf } from "../support/labelled-images.js";

/** Strengths drawn as digits, tenths of 1; `.` is none. */
function edgesOf(text: string) {
  const rows = text.trim().split(/\s+/);
  const strength = Float32Array.from(rows.join(""), (digit) => (digit === "." ? 0 : Number(digit) / 10));
  return { width: rows[0].length, height: rows.length, strength };
}

/** Scores of one image; `pixels` is the tolerance. */
function scoresOf(truth: string, edges: string, pixels: number) {
  const map = semanticOf(truth);
  const score = boundaryScore({ tolerance: pixels / Math.hypot(map.width, map.height), step: 0.1 });
  score.add(map, edgesOf(edges));
  return score.result();
}

// Three rows of sky and ground: the boundary is the third pixel of each row.
const TRUTH = "sssggg sssggg sssggg";

describe("boundary F-score of drawn cases", () => {
  test("boundaries are pixels with another class to the right or below; unlabelled neighbours are none", () => {
    const { boundary, unknown } = labelBoundaries(semanticOf("ssg. ssg. gggg"));
    expect([...boundary].join("")).toBe("0100" + "1100" + "0000");
    expect([...unknown].join("")).toBe("0011" + "0011" + "0000");
  });

  test("edges on the boundary: everything is right", () => {
    expect(scoresOf(TRUTH, "..9... ..9... ..9...", 0)).toMatchObject({ f: 1, precision: 1, recall: 1 });
  });

  test("an edge one pixel off counts with a tolerance of 1 and not of 0.9", () => {
    expect(scoresOf(TRUTH, ".9.... .9.... .9....", 1)).toMatchObject({ f: 1, precision: 1, recall: 1 });
    expect(scoresOf(TRUTH, ".9.... .9.... .9....", 0.9)).toMatchObject({ f: 0, precision: 0, recall: 0 });
  });

  test("half of the edges on the boundary, two thirds of which are found: 2 P R / (P + R) = 4/7", () => {
    const found = scoresOf(TRUTH, "..9..9 ..9..9 ......", 0);
    expect(found.precision).toBeCloseTo(1 / 2, 12);
    expect(found.recall).toBeCloseTo(2 / 3, 12);
    expect(found.f).toBeCloseTo(4 / 7, 12);
  });

  test("the threshold is the best one: weak edges beside the boundary are left out", () => {
    const found = scoresOf(TRUTH, "2.7..2 2.7..2 2.5..2", 0);
    expect(found).toMatchObject({ f: 1, precision: 1, recall: 1 });
    expect(found.threshold).toBeCloseTo(0.5, 6);
  });

  test("a threshold is one for all images", () => {
    const score = boundaryScore({ tolerance: 0, step: 0.1 });
    score.add(semanticOf(TRUTH), edgesOf("..8... ..8... ..8..."));
    score.add(semanticOf(TRUTH), edgesOf("4.4..4 ..4... ..4..."));
    // At 0.8: P 1, R 1/2, F 2/3. At 0.4: P 6/8, R 1, F 6/7.
    expect(score.result().f).toBeCloseTo(6 / 7, 12);
  });

  test("edges near unlabelled pixels do not count against precision", () => {
    expect(scoresOf("sssgg. sssgg. sssgg.", "..9.99 ..9.99 ..9.99", 0)).toMatchObject({
      f: 1,
      precision: 1,
      recall: 1,
    });
  });

  test("nothing to find, or nothing found, has no score", () => {
    const none = { f: null, precision: null, recall: null, threshold: null };
    expect(scoresOf("ssssss ssssss ssssss", "..9... ..9... ..9...", 1)).toEqual(none);
    expect(scoresOf(TRUTH, "...... ...... ......", 1)).toEqual(none);
  });

  test("sizes must agree", () => {
    expect(() => boundaryScore().add(semanticOf(TRUTH), edgesOf("...."), "x.png")).toThrow("x.png");
  });
});
