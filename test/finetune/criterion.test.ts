import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Criterion, compileCriterion, type SupervisedOutput } from "../../src/finetune/criterion.js";
import { normalisersOf } from "../../src/finetune/criterion-options.js";
import { OBJECTS } from "../../src/finetune/matcher.js";
import { assignObjects } from "../../src/losses/assignment.js";
import { POINTWISE_CROSS_ENTROPY } from "../../src/losses/mask-comparison.js";
import { sampleMask } from "../../src/losses/points.js";
import type { Runtime } from "../../src/runtime/contract.js";
import { createRuntime } from "../../src/runtime/create-runtime.js";
import { loadCase } from "../golden/case.js";
import { drawsOf, type Scene, targetsOf } from "../golden/criterion-case.js";
import { DEVICES, missingDevices } from "../support/devices.js";
import { compareTensors, reportDifferences } from "../support/tensor-comparison.js";
import { TOLERANCES } from "../support/tolerances.js";

const missing = await missingDevices();
const CASES = [
  "06_criterion",
  "06_criterion_empty_image",
  "06_criterion_all_empty",
  "06_criterion_more_gt_than_queries",
];

/** The names in the cases of the predictions of output `i`. */
const goldenPrefix = (i: number, outputs: number) => (i === outputs - 1 ? "" : `aux_outputs.${i}.`);

describe.each(DEVICES)("the criterion of the official code on %s", (device) => {
  let runtime: Runtime;
  beforeAll(async () => {
    if (!missing.has(device)) runtime = await createRuntime({ device, cores: 1 });
  });
  beforeEach(({ skip }) => skip(missing.has(device), missing.get(device)));
  afterAll(() => runtime?.dispose());

  test.each(CASES)("%s", async (name) => {
    const golden = await loadCase(name);
    const scene = golden.explicit<Scene>("targets");
    const targets = targetsOf(scene);
    const outputs = Object.keys(golden.hyper.weight_dict as object).length / 3;
    const [images, queries, width] = golden.shapes.get("pred_logits")!;
    const maskSize = golden.shapes.get("pred_masks")!.slice(2) as [number, number];
    const shape = {
      images,
      queries,
      classes: width - 1,
      size: [scene.height, scene.width] as const,
      maskSize,
      comparison: POINTWISE_CROSS_ENTROPY,
    };
    const options = {
      points: golden.setting("num_points"),
      oversampling: golden.setting("oversample_ratio"),
      importance: golden.setting("importance_sample_ratio"),
      noObject: golden.setting("eos_coef"),
      weights: {
        class: golden.setting("cost_class"),
        mask: golden.setting("cost_mask"),
        dice: golden.setting("cost_dice"),
      },
    };
    const tensorOf = async (key: string) => {
      const tensor = runtime.allocate("float32", golden.shapes.get(key)!);
      await tensor.write(golden.values(key, tensor.shape));
      return tensor;
    };
    const supervised: SupervisedOutput[] = [];
    for (let i = 0; i < outputs; i++) {
      const [logits, masks] = await Promise.all(
        ["pred_logits", "pred_masks"].map((key) => tensorOf(goldenPrefix(i, outputs) + key)),
      );
      supervised.push({
        group: "",
        objects: "matched",
        suffix: i === outputs - 1 ? "" : `_${i}`,
        logits,
        masks,
        logitsGradient: runtime.allocate("float32", logits.shape),
        masksGradient: runtime.allocate("float32", masks.shape),
      });
    }
    const programs = await compileCriterion(
      runtime,
      shape,
      supervised.map(() => queries),
      options,
    );
    const criterion = new Criterion(runtime, programs, shape, supervised, options);
    const counts = targets.map((objects) => objects.length);
    const draws = drawsOf(
      golden,
      outputs,
      counts.map((n) => Math.min(n, queries)),
    );
    const normalisers = new Map([["", normalisersOf(counts, queries, options.noObject)]]);
    const supervision = { objects: targets, given: new Map() };
    // Twice: the second run must not see what the first left behind.
    await criterion.run(supervision, normalisers, draws);
    const losses = await criterion.run(supervision, normalisers, draws);

    const found = new Map<string, Float32Array | number[]>();
    for (const { suffix, class: ce, mask, dice } of losses) {
      for (const [name, value] of Object.entries({ ce, mask, dice })) found.set(`loss/loss_${name}${suffix}`, [value]);
    }
    const weightOf = (key: string) => (golden.hyper.weight_dict as Record<string, number>)[key.replace("loss/", "")];
    found.set("loss/total_weighted", [[...found].reduce((sum, [key, [value]]) => sum + weightOf(key) * value, 0)]);
    for (const [i, { logitsGradient, masksGradient }] of supervised.entries()) {
      found.set(`grad/${goldenPrefix(i, outputs)}pred_logits`, (await logitsGradient.read()).data);
      found.set(`grad/${goldenPrefix(i, outputs)}pred_masks`, (await masksGradient.read()).data);
    }
    const results = golden.results.filter((result) => !result.name.startsWith("match/"));
    expect([...found.keys()].sort()).toEqual(results.map((result) => result.name).sort());
    const numbers = results.flatMap((result) => golden.compare(result, Float32Array.from(found.get(result.name)!)));
    expect(reportDifferences(numbers, TOLERANCES[device].parity)).toBe("");

    for (let i = 0; i < outputs; i++) {
      const label = i === outputs - 1 ? "final" : `aux${i}`;
      const points = runtime.allocate("float32", [images, options.points, 2]);
      const objects = runtime.allocate("float32", [images, options.points, OBJECTS]);
      const classes = runtime.allocate("float32", [images, width, OBJECTS]);
      const [drawn, masks, labels] = [points, objects, classes].map(
        ({ shape }) => new Float32Array(shape.reduce((a, b) => a * b)),
      );
      targets.forEach((found, image) => {
        const own = drawn.subarray(2 * options.points * image, 2 * options.points * (image + 1));
        draws.matching(i, image, own);
        found.forEach(({ label, mask }, k) => {
          const bytes = { width: scene.width, height: scene.height, data: mask };
          sampleMask(bytes, own, options.points, masks, image * options.points * OBJECTS + k, OBJECTS);
          labels[(image * width + label) * OBJECTS + k] = 1;
        });
      });
      for (const [tensor, data] of [
        [points, drawn],
        [objects, masks],
        [classes, labels],
      ] as const) {
        await tensor.write({ dtype: "float32", shape: tensor.shape, data });
      }
      const cost = runtime.allocate("float32", [images, queries, OBJECTS]);
      const feeds = { logits: supervised[i].logits, masks: supervised[i].masks, points, objects, classes };
      await programs.matching.run(feeds, { cost });
      const { data } = await cost.read();
      targets.forEach(({ length }, image) => {
        const rows = Array.from({ length: queries }, (_, q) =>
          Float64Array.from(data.subarray((image * queries + q) * OBJECTS, (image * queries + q) * OBJECTS + length)),
        );
        const key = `match/${label}/image${image}`;
        const values = golden.stored(`${key}/cost`) as Float32Array;
        const difference = compareTensors(
          rows.flatMap((row) => [...row]),
          { name: key, shape: [queries, length], values, stride: 1 },
        );
        expect(reportDifferences(length ? [difference] : [], TOLERANCES[device].parity)).toBe("");
        const assignment = assignObjects(rows);
        expect(assignment.queries).toEqual(Array.from(golden.stored(`${key}/pred`), Number));
        expect(assignment.objects).toEqual(Array.from(golden.stored(`${key}/target`), Number));
      });
    }
  });
});
