import { expect, test } from "vitest";
import { watchNothingKept } from "../../src/predict/nothing-kept.js";

const map = (...areas: number[]) => ({
  width: 2,
  height: 1,
  ids: new Uint32Array(2),
  segments: areas.map((area, i) => ({ id: i + 1, label: 0, area, crowd: false })),
});
const RULES = { objectThreshold: 0.8, overlapThreshold: 0.8, scoreThreshold: 0.5 };

/** Of four maps one is full, two have no query above the threshold, one has some that lost their pixels to others. */
function four(command: "predict" | "evaluate", keptShare = 0.63): string[] {
  const watch = watchNothingKept(command, RULES);
  watch.add({ panoptic: map(2), keptShare: 1, confidence: 0.99 });
  watch.add({ panoptic: map(), confidence: 0.31 });
  watch.add({ panoptic: map(), confidence: 0.43 });
  watch.add({ panoptic: map(), keptShare, confidence: 0.97 });
  return watch.warnings();
}

test("predict blames the rule that left nothing, with its flag and a value that would have kept something", () => {
  expect(four("predict")).toEqual([
    "2 of 4 panoptic maps are blank: no query is surer than --threshold 0.8 (the surest: 0.43). Lower it, e.g. " +
      "--threshold 0.4.",
    "1 of 4 panoptic maps is blank: the sure queries lose too much of their masks to others for --overlap 0.8 " +
      "(the most that one keeps: 0.63). Lower it, e.g. --overlap 0.6.",
  ]);
});

test("evaluate gives the same reasons for a model that it takes as it is", () => {
  const [threshold, overlap] = four("evaluate");
  expect(threshold).toContain("no query is surer than the model's threshold of 0.8 (the surest: 0.43).");
  expect(threshold).toContain("predict --threshold 0.4 shows what there is");
  expect(overlap).toContain("for the model's overlap of 0.8 (the most that one keeps: 0.63).");
  expect(overlap).toContain("predict --overlap 0.6 shows");
  const unknown = watchNothingKept("evaluate");
  unknown.add({ panoptic: map(), confidence: 0.43 });
  expect(unknown.warnings()[0]).toContain("no query is surer than the model's threshold (the surest: 0.43)");
});

test("no value is advised where the masks are empty: the model knows nothing", () => {
  expect(four("predict", 0)[1]).toMatch(
    /\(the most that one keeps: 0\.00\)\. The model has hardly learned anything yet\.$/,
  );
});

test("instances count where some may be dropped, and maps with segments say nothing", () => {
  const watch = watchNothingKept("predict", RULES);
  watch.add({ panoptic: map(1), keptShare: 1 }, { count: 2, bestScore: 0.9 });
  watch.add({}, { count: 0, bestScore: 0.44 });
  expect(watch.warnings()).toEqual([
    "1 of 2 images shows no instance of a score of --threshold 0.5 or more (the best: 0.44). Lower it, e.g. " +
      "--threshold 0.4.",
  ]);
});
