import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { type EvaluatedModel, evaluateModels } from "../../src/evaluate/evaluate-models.js";
import type { Prediction } from "../../src/evaluate/evaluation.js";
import { defaultOutput } from "../../src/evaluate/output.js";
import { bestAndWorst, evenlySpaced, mostDifferent, randomFew } from "../../src/evaluate/selection.js";
import { summaryTable } from "../../src/evaluate/summary.js";
import type { SegmentationClass, Task } from "../../src/masks/segmentation.js";
import { CLASSES, labelledImages, panopticOf, scoredOf, semanticOf } from "../support/labelled-images.js";
import { temporaryDirectory } from "../support/temporary-directory.js";

const inference = { shortEdge: 64, longEdge: 128, objectThreshold: 0.8, overlapThreshold: 0.8, topK: 100 };

/** A model that says of the i-th image what `drawings[i]` shows, in every form. */
function modelOf(checkpoint: string, task: Task, drawings: readonly string[], classes = CLASSES): EvaluatedModel {
  const predict = async ({ data }: { data: Uint8Array }): Promise<Prediction> => {
    const drawing = drawings[data[0] / 10];
    return { panoptic: panopticOf(drawing), semantic: semanticOf(drawing), instances: scoredOf(drawing) };
  };
  return { checkpoint, step: 30, description: { task, classes, inference }, predict };
}

const TRUTHS = ["sscc sscc gggg", "ssdd ssdd gggg", "ssss gggg gggg"];
const GUESSES = ["sscc sscs gggg", "sscc sscc gggg", "ssss gggg gggg"];

interface Case {
  task: Task;
  models: EvaluatedModel[];
  classes?: readonly SegmentationClass[];
  out?: string;
}

/** Evaluates on TRUTHS and reads what was written. */
async function evaluated({ task, models, classes = CLASSES, out = temporaryDirectory() }: Case) {
  const source = labelledImages({ task, drawings: TRUTHS, classes });
  const data = { path: "scenes.yaml", split: "val", images: 3 };
  const result = await evaluateModels({ source, data, models, indices: [0, 1, 2], out });
  return {
    ...result,
    json: JSON.parse(readFileSync(result.files.json, "utf8")),
    html: readFileSync(result.files.page, "utf8"),
  };
}

const occurrences = (text: string, part: string) => text.split(part).length - 1;

describe("the files of one model", () => {
  test("JSON has the model, the data, every class and every image", async () => {
    const { json } = await evaluated({ task: "panoptic", models: [modelOf("runs/b", "panoptic", TRUTHS)] });
    expect(json).toMatchObject({ kind: "mask-jepa evaluation", version: expect.any(String) });
    expect(json.data).toEqual({ path: "scenes.yaml", split: "val", images: 3, unusable: 0, splitImages: 3 });
    const [model] = json.models;
    expect(model).toMatchObject({ checkpoint: "runs/b", step: 30, task: "panoptic", inference, scores: { pq: 100 } });
    expect(model.classes[2]).toMatchObject({ id: 11, name: "cat", isThing: true, scores: { pq: 100, tp: 1 } });
    expect(model.images).toHaveLength(3);
    expect(JSON.stringify(json)).not.toContain("NaN");
  });

  test("the page shows scores, classes and each image beside its ground truth", async () => {
    const { html } = await evaluated({ task: "panoptic", models: [modelOf("runs/b", "panoptic", GUESSES)] });
    expect(html).not.toMatch(/(src|href)="(?!data:)/);
    for (const title of ["Scores", "Classes", "Worst images", "Best images"])
      expect(html).toContain(`<h2>${title}</h2>`);
    for (const label of ["image", "ground truth"]) expect(occurrences(html, `<span>${label}</span>`)).toBe(3);
    expect(occurrences(html, "<span>prediction, PQ ")).toBe(3);
    expect(html.indexOf("photos/1.png")).toBeLessThan(html.indexOf("photos/2.png")); // the worst comes first
  });

  test("the page draws how the model was trained, where its run is known", async () => {
    const model = modelOf("runs/b", "panoptic", GUESSES);
    const log = [1, 2, 3].map((step) => ({
      step,
      loss: 9 / step,
      loss_dice: 1 / step,
      ...(step > 1 && { "val-pq": 5 * step }),
    }));
    const { html, json } = await evaluated({ task: "panoptic", models: [{ ...model, log }] });
    for (const title of ["Training loss", "Losses of the last prediction", "PQ on the validation images"]) {
      expect(html).toContain(title);
    }
    expect(JSON.stringify(json)).not.toContain("loss_dice");
    const both = await evaluated({
      task: "panoptic",
      models: [
        { ...model, log },
        { ...model, log: [] },
      ],
    });
    expect(both.html).toContain("model A");
    expect(both.html).not.toContain("Losses of the last prediction");
    const unknown = await evaluated({ task: "panoptic", models: [model] });
    expect(unknown.html).not.toContain("<h2>Training</h2>");
  });

  test("a model that says nothing is shown as the bare image, beside its ground truth", async () => {
    const blank = { ...panopticOf(TRUTHS[0]), ids: new Uint32Array(12), segments: [] };
    const model = { ...modelOf("b", "panoptic", TRUTHS), predict: async () => ({ panoptic: blank }) };
    const { html } = await evaluated({ task: "panoptic", models: [model] });
    const sources = [...html.matchAll(/ src="([^"]+)"/g)].map(([, source]) => source);
    expect(sources).toHaveLength(9);
    for (let row = 0; row < 9; row += 3) {
      const [image, truth, prediction] = sources.slice(row, row + 3);
      expect(prediction).toBe(image);
      expect(truth).not.toBe(image);
    }
  });

  test("a score that does not exist is a dash", async () => {
    const { html, evaluations } = await evaluated({ task: "instance", models: [modelOf("b", "instance", TRUTHS)] });
    expect(evaluations[0].scores.apLarge).toBeNull();
    expect(html).toContain('<td data-value="">\u2013</td>');
    expect(summaryTable(evaluations)).toMatch(/^AP {4}.*100\.0$/m);
    expect(summaryTable(evaluations)).toMatch(/^AP L.*\u2013$/m);
  });

  test("names from files cannot bring markup into the page", async () => {
    const evil = `<img src=x onerror="alert('x')">&`;
    const classes = CLASSES.map((one, i) => (i === 0 ? { ...one, name: evil } : one));
    const model = modelOf(`runs/<script>alert(1)</script>`, "semantic", TRUTHS, classes);
    const { html } = await evaluated({ task: "semantic", models: [model], classes });
    expect(html).toContain("&lt;img src=x onerror=&quot;alert(&#39;x&#39;)&quot;&gt;&amp;");
    expect(html).not.toContain("<img src=x");
    expect(occurrences(html, "<script")).toBe(1);
  });
});

describe("two models", () => {
  const pair = () => [modelOf("runs/b", "semantic", TRUTHS), modelOf("runs/c", "semantic", GUESSES)];

  test("are compared score by score, with pictures of both where they differ most and of some others", async () => {
    const { html, json, evaluations } = await evaluated({ task: "semantic", models: pair() });
    expect(json.models.map(({ checkpoint }: EvaluatedModel) => checkpoint)).toEqual(["runs/b", "runs/c"]);
    for (const head of ["IoU A", "IoU B", "B \u2212 A"]) expect(html).toContain(`>${head}</th>`);
    expect(html).toContain('class="worse">-');
    for (const label of ["image", "ground truth"]) expect(occurrences(html, `<span>${label}</span>`)).toBe(3);
    for (const label of ["model A", "model B"]) expect(occurrences(html, `<span>${label}, mIoU `)).toBe(3);
    const [different, random] = ["Where the models differ most", "Images at random"].map((title) =>
      html.indexOf(title),
    );
    expect(different).toBeLessThan(random);
    expect(html.indexOf("photos/2.png")).toBeGreaterThan(random); // there they agree
    expect(summaryTable(evaluations)).toMatch(/^mIoU +100\.0 +\d+\.\d +-\d+\.\d$/m);
  });

  test("that agree have no section of differences", async () => {
    const { html } = await evaluated({ task: "semantic", models: [pair()[0], pair()[0]] });
    expect(html).not.toContain("differ most");
  });
});

describe("what does not fit together", () => {
  test("classes: the first difference is named before any image is read", async () => {
    const renamed = CLASSES.map((one) => (one.name === "cat" ? { ...one, name: "kitten" } : one));
    const other = evaluated({ task: "semantic", models: [modelOf("runs/b", "semantic", TRUTHS, renamed)] });
    await expect(other).rejects.toThrow(
      /scenes\.yaml: expected the classes of runs\/b: class 2 "kitten", found class 2 "cat"/,
    );
    const fewer = evaluated({ task: "semantic", models: [modelOf("runs/b", "semantic", TRUTHS, CLASSES.slice(0, 3))] });
    await expect(fewer).rejects.toThrow(/no class 3, found class 3 "dog" \(3 classes in the model, 4 in the data\)/);
    const stuff = CLASSES.map((one) => ({ ...one, isThing: false }));
    const kinds = evaluated({ task: "panoptic", models: [modelOf("runs/b", "panoptic", TRUTHS, stuff)] });
    await expect(kinds).rejects.toThrow(/class 2 "cat", stuff, found class 2 "cat", a thing/);
  });

  test("tasks", async () => {
    const mixed = evaluated({ task: "panoptic", models: [modelOf("runs/b", "semantic", TRUTHS)] });
    await expect(mixed).rejects.toThrow(
      /runs\/b: expected a model of the task panoptic, found one of the task semantic/,
    );
  });

  test("a folder with files of the same names that are no evaluation; an earlier evaluation is replaced", async () => {
    const out = join(temporaryDirectory(), "scores");
    const models = [modelOf("runs/b", "semantic", TRUTHS)];
    await evaluated({ task: "semantic", models, out });
    await evaluated({ task: "semantic", models, out });
    writeFileSync(join(out, "evaluation.json"), '{"kind":"something else"}');
    await expect(evaluated({ task: "semantic", models, out })).rejects.toThrow(/of another origin.*--out/);
    expect(readFileSync(join(out, "evaluation.json"), "utf8")).toContain("something else");
    const file = join(temporaryDirectory(), "file");
    writeFileSync(file, "");
    await expect(evaluated({ task: "semantic", models, out: file })).rejects.toThrow(/folder that can be written/);
    mkdirSync(join(out, "empty"));
    await evaluated({ task: "semantic", models, out: join(out, "empty") });
  });
});

test("files go beside the checkpoints of the run, those of published weights into the current folder", () => {
  expect(defaultOutput(["hf:owner/model"], "val", false)).toBe("evaluation-model-val");
  expect(defaultOutput(["runs/b"], "val")).toBe(join(process.cwd(), "runs/b/evaluation-val"));
  expect(defaultOutput(["runs/b/checkpoints/step-00000030"], "test")).toBe(
    join(process.cwd(), "runs/b/evaluation-test"),
  );
  expect(defaultOutput(["runs/b", "runs/c/"], "val")).toBe(join(process.cwd(), "runs/b/evaluation-val-and-c"));
});

describe("the choice of images", () => {
  const images = (...scores: (number | null)[]) => scores.map((score, index) => ({ index, name: `${index}`, score }));

  test("best and worst, no image twice, those without a score left out", () => {
    expect(bestAndWorst(images(5, null, 9, 1, 5), 2)).toEqual({ best: [2, 0], worst: [3, 4] });
    expect(bestAndWorst(images(5, 9, 1), 2)).toEqual({ best: [1, 0], worst: [2] });
    expect(bestAndWorst(images(5), 2)).toEqual({ best: [0], worst: [] });
    expect(bestAndWorst(images(null), 2)).toEqual({ best: [], worst: [] });
  });

  test("where two differ most; equal scores are no difference", () => {
    expect(mostDifferent(images(1, 5, null, 9), images(2, 5, 3, 1), 3)).toEqual([3, 0]);
  });

  test("at random but the same ones every time, and evenly over a split", () => {
    const some = randomFew([3, 5, 7, 9, 11], 3);
    expect(new Set(some).size).toBe(3);
    expect(randomFew([3, 5, 7, 9, 11], 3)).toEqual(some);
    expect(randomFew([3], 3)).toEqual([3]);
    expect(evenlySpaced(10, 4)).toEqual([0, 2, 5, 7]);
    expect(evenlySpaced(2, 4)).toEqual([0, 1]);
  });
});
