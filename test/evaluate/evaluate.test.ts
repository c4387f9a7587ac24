import { expect, test, vi } from "vitest";
import { InputError } from "../../src/core/errors.js";
import type { Image } from "../../src/core/image.js";
import { evaluate } from "../../src/evaluate/evaluate.js";
import type { Predict, Prediction } from "../../src/evaluate/evaluation.js";
import { instancesOf, labelledImages, panopticOf, scoredOf, semanticOf } from "../support/labelled-images.js";

/** A model that knows the image by its red and says what `answers` holds for it. */
const saying =
  (answer: (index: number) => Prediction): Predict =>
  async ({ data }: Image) =>
    answer(data[0] / 10);

const SCENE = `
  ssssss
  sccsCC
  sccsCC
  gggggg`;
const DOGS = `
  ssssss
  sddsss
  gddggg
  gggggg`;

test("a perfect panoptic model scores 100 in every form that the source has", async () => {
  const drawings = [SCENE, DOGS];
  const source = labelledImages({ task: "panoptic", drawings, forms: ["panoptic", "instance", "semantic"] });
  const predict = saying((i) => ({
    panoptic: panopticOf(drawings[i]),
    instances: scoredOf(drawings[i], 0.9, 0.8),
    semantic: semanticOf(drawings[i]),
  }));
  const { deciding, scores, classes, images, skipped } = await evaluate({ source, predict });
  expect(deciding).toEqual({ metric: "pq", value: 100 });
  expect(scores).toMatchObject({ pq: 100, sq: 100, rq: 100, pqThings: 100, pqStuff: 100, miouPan: 100 });
  expect(scores.apPan).toBeCloseTo(100, 9);
  expect(scores).not.toHaveProperty("miou");
  expect(images).toEqual([
    { index: 0, name: "photos/0.png", score: 100 },
    { index: 1, name: "photos/1.png", score: 100 },
  ]);
  expect(classes.map(({ name, scores: { pq, tp } }) => [name, pq, tp])).toEqual([
    ["sky", 100, 2],
    ["ground", 100, 2],
    ["cat", 100, 2],
    ["dog", 100, 1],
  ]);
  expect(classes[0].scores.apPan).toBeNull();
  expect(skipped).toEqual([]);
});

test("panoptic scores of a model that loses one of two cats and shrinks the other", async () => {
  const source = labelledImages({ task: "panoptic", drawings: [SCENE] });
  // One cat keeps 3 of 4 pixels, IoU 3/4; the other is called sky: 14 pixels for 9, IoU 9/14; the ground is right.
  const predict = saying(() => ({ panoptic: panopticOf("ssssss sccsss scssss gggggg") }));
  const { scores, classes } = await evaluate({ source, predict });
  const [sky, ground, cat, dog] = classes.map((one) => one.scores);
  expect(cat).toMatchObject({ tp: 1, fp: 0, fn: 1 });
  expect(cat.pq).toBeCloseTo((100 * 0.75) / 1.5, 9);
  expect(sky.pq).toBeCloseTo((100 * 10) / 15, 9);
  expect(ground.pq).toBe(100);
  expect(dog.pq).toBeNull(); // nowhere
  expect(scores.pq).toBeCloseTo((50 + 1000 / 15 + 100) / 3, 9);
  expect(scores.pqThings).toBeCloseTo(50, 9);
  expect(scores).not.toHaveProperty("apPan"); // the source has no instances
});

test("a model that finds nothing scores 0; where there is nothing to find there is no score", async () => {
  const empty = { width: 6, height: 4, ids: new Uint32Array(24), segments: [] };
  const predict = saying(() => ({ panoptic: empty, instances: [], confidence: 0.43 }));
  const panoptic = await evaluate({ source: labelledImages({ task: "panoptic", drawings: [SCENE] }), predict });
  expect(panoptic.deciding.value).toBe(0);
  expect(panoptic.warnings).toEqual([
    expect.stringMatching(/^1 of 1 panoptic maps is blank: no query is surer .* \(the surest: 0\.43\)/),
  ]);
  const instance = await evaluate({ source: labelledImages({ task: "instance", drawings: [SCENE] }), predict });
  expect(instance.deciding).toEqual({ metric: "ap", value: 0 });
  const voids = "...... ...... ...... ......";
  const nothing = await evaluate({ source: labelledImages({ task: "panoptic", drawings: [voids] }), predict });
  expect(nothing.deciding.value).toBeNull();
  expect(nothing.images[0].score).toBeNull();
});

test("instances: an image's own score is its AP, that of the set pools all detections", async () => {
  const drawings = [SCENE, SCENE, "ssss gggg"];
  const source = labelledImages({ task: "instance", drawings });
  // The first image is perfect, of the second one cat is found, the third has nothing to find.
  const answers = [scoredOf(SCENE, 0.9, 0.8), scoredOf("ssssss sccsss sccsss gggggg", 0.7), []];
  const { scores, images } = await evaluate({ source, predict: saying((i) => ({ instances: answers[i] })) });
  const [both, one, none] = images.map(({ score }) => score);
  expect(both).toBeCloseTo(100, 9);
  expect(one).toBeCloseTo((100 * 51) / 101, 9); // recall 0.5 reaches 51 of the 101 points
  expect(none).toBeNull();
  expect(scores.ap).toBeCloseTo((100 * 76) / 101, 9); // three of four cats, all right
  expect(scores.apLarge).toBeNull();
});

test("semantic: pixels of the whole set count, void does not", async () => {
  const drawings = ["ss.. gggg", "gggg gggg"];
  const source = labelledImages({ task: "semantic", drawings });
  const answers = ["ssss gggg", "ssgg gggg"];
  const predict = saying((i) => ({ semantic: semanticOf(answers[i]) }));
  const { scores, classes, images } = await evaluate({ source, predict });
  expect(classes.map((one) => one.scores.iou)).toEqual([50, 100 * (10 / 12), null, null]);
  expect(scores.miou).toBeCloseTo((50 + 1000 / 12) / 2, 9);
  expect(images[0].score).toBe(100);
  expect(images[1].score).toBeCloseTo((0 + 75) / 2, 9);
});

test("images and labels that cannot be read are named, and the rest is evaluated in the order asked for", async () => {
  const broken = new InputError({ where: "labels/2.png", expected: "labels", found: "ids outside the classes" });
  const source = labelledImages({
    task: "semantic",
    drawings: ["ss gg", "ss gg", "ss gg", "ss gg", "sss ggg"],
    read: (i) => (i === 1 ? Promise.resolve(Buffer.from("no image at all")) : undefined),
    labels: (i) => (i === 2 ? Promise.reject(broken) : undefined),
  });
  const asked: number[] = [];
  const predict = vi.fn<Predict>(async ({ data, width }) => {
    asked.push(data[0] / 10);
    return { semantic: semanticOf(width === 3 ? "sss ggg" : "ss gg") };
  });
  const progress = vi.fn();
  const { images, skipped } = await evaluate({ source, predict, indices: [4, 1, 0, 2, 3], progress });
  expect(asked).toEqual([4, 0, 3]);
  expect(images.map(({ index }) => index)).toEqual([0, 3, 4]);
  expect(skipped.map(({ file }) => file)).toEqual(["photos/1.png", "photos/2.png"]);
  expect(skipped[1].reason).toBe("labels/2.png: ids outside the classes in place of labels");
  expect(progress.mock.calls.at(-1)).toEqual([5, 5]);
});

test("labels of another size than the image are a fault of the image", async () => {
  const source = labelledImages({ task: "instance", drawings: [SCENE, SCENE, SCENE] });
  const turned = { ...source, instances: async (i: number) => instancesOf(i === 0 ? "ss gg" : SCENE) };
  const predict = saying(() => ({ instances: [] }));
  const { skipped } = await evaluate({ source: turned, predict });
  expect(skipped).toEqual([
    { file: "photos/0.png", reason: "labels of 2x2 in place of labels of the image's size (6x4)" },
  ]);
});

test("an evaluation on mostly broken images is an error that names some", async () => {
  const source = labelledImages({
    task: "semantic",
    drawings: ["ss gg", "ss gg", "ss gg"],
    read: (i) => (i > 0 ? Promise.resolve(new Uint8Array()) : undefined),
  });
  const predict = saying(() => ({ semantic: semanticOf("ss gg") }));
  await expect(evaluate({ source, predict })).rejects.toThrow(/1 of 3 usable; photos\/1\.png: an empty file/);
  await expect(evaluate({ source, predict, indices: [] })).rejects.toThrow(/found no image/);
});

test("several images are under way at once, and are counted in the order asked for", async () => {
  const drawings = ["ss gg", "ss gg", "ss gg", "ss gg", "ss gg"];
  let [now, most] = [0, 0];
  let release = () => {};
  const three = new Promise<void>((resolve) => {
    release = resolve;
  });
  const predict: Predict = async () => {
    most = Math.max(most, ++now);
    if (now === 3) release();
    await three; // none ends before three are under way
    now--;
    return { semantic: semanticOf("ss gg") };
  };
  const done: number[] = [];
  const source = labelledImages({ task: "semantic", drawings });
  const { images } = await evaluate({ source, predict, underWay: 3, progress: (count) => done.push(count) });
  expect(most).toBe(3);
  expect(done).toEqual([1, 2, 3, 4, 5]);
  expect(images.map(({ index }) => index)).toEqual([0, 1, 2, 3, 4]);
});

test("the first failure of the model ends the evaluation, and so does a signal", async () => {
  const source = labelledImages({ task: "semantic", drawings: ["ss gg", "ss gg"] });
  const failing: Predict = async () => {
    throw new Error("out of memory");
  };
  await expect(evaluate({ source, predict: failing })).rejects.toThrow("out of memory");
  const stop = new AbortController();
  const predict: Predict = async () => {
    stop.abort(new Error("enough"));
    return { semantic: semanticOf("ss gg") };
  };
  await expect(evaluate({ source, predict, signal: stop.signal })).rejects.toThrow("enough");
  await expect(evaluate({ source, predict: saying(() => ({})) })).rejects.toThrow(/predictions in the semantic form/);
});
