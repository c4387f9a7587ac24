import { describe, expect, test } from "vitest";
import { drawTasks, objectsFor, textsFor } from "../../src/families/joint-tasks.js";
import type { Target, Task } from "../../src/masks/segmentation.js";

const CLASSES = [
  { name: "sky", isThing: false },
  { name: "car", isThing: true },
  { name: "tree", isThing: true },
];
const target = (label: number, ...pixels: number[]): Target => {
  const mask = new Uint8Array(6);
  for (const pixel of pixels) mask[pixel] = 1;
  return { label, mask };
};
const OBJECTS = [target(2, 0), target(0, 1), target(1, 2), target(2, 3, 4), target(1), target(0, 5)];
const pixels = (targets: readonly Target[]) => targets.map(({ label, mask }) => `${label}:${mask.join("")}`);

describe("panoptic labels ask", () => {
  test("for all that is seen, for the things, or for each class once, first come first", () => {
    expect(pixels(objectsFor("panoptic", OBJECTS, CLASSES))).toEqual([
      "2:100000",
      "0:010000",
      "1:001000",
      "2:000110",
      "0:000001",
    ]);
    expect(pixels(objectsFor("instance", OBJECTS, CLASSES))).toEqual(["2:100000", "1:001000", "2:000110"]);
    expect(pixels(objectsFor("semantic", OBJECTS, CLASSES))).toEqual(["2:100110", "0:010001", "1:001000"]);
    expect(OBJECTS[0].mask.join("")).toBe("100000"); // what was united stays as it was
    expect(objectsFor("semantic", [target(1)], CLASSES)).toEqual([]);
  });

  test("with a text for each object, class by class, and the task's own behind, as many as there is room for", () => {
    const texts = (task: Task, rows: number) => textsFor(task, objectsFor(task, OBJECTS, CLASSES), CLASSES, rows);
    expect(texts("instance", 5)).toEqual([
      "a photo with a car",
      "a photo with a tree",
      "a photo with a tree",
      "an instance photo",
      "an instance photo",
    ]);
    expect(texts("semantic", 4)).toEqual([
      "a photo with a sky",
      "a photo with a car",
      "a photo with a tree",
      "a semantic photo",
    ]);
    expect(texts("panoptic", 2)).toEqual(["a photo with a sky", "a photo with a sky"]);
    expect(textsFor("panoptic", [], CLASSES, 1)).toEqual(["a panoptic photo"]);
  });
});

describe("the task of an image", () => {
  const batch = (task: Task, step: number, seed = 0) => ({
    seed,
    step,
    task,
    objects: Array.from({ length: 50 }, () => OBJECTS),
    classes: CLASSES,
    size: [64, 64] as const,
  });

  test("is drawn: a third each, another one in each step, the same again for the same seed", () => {
    const drawn = Array.from({ length: 40 }, (_, step) => drawTasks(batch("panoptic", step)));
    const share = (task: Task) => drawn.flat().filter((found) => found === task).length / 2000;
    expect(share("semantic")).toBeCloseTo(0.33, 1);
    expect(share("instance")).toBeCloseTo(0.33, 1);
    expect(share("panoptic")).toBeCloseTo(0.34, 1);
    expect(drawTasks(batch("panoptic", 3))).toEqual(drawn[3]);
    expect(drawn[4]).not.toEqual(drawn[3]);
    expect(drawTasks(batch("panoptic", 3, 1))).not.toEqual(drawn[3]);
  });

  test("is that of labels which serve no other", () => {
    for (const task of ["semantic", "instance"] as const) {
      expect(new Set(drawTasks(batch(task, 0)))).toEqual(new Set([task]));
    }
  });
});
