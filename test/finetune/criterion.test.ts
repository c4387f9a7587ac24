import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Criterion, compileCriterion, type SupervisedOutput } from "../../src/finetune/criterion.js";
import { normalisersOf } from "../../src/finetune/criterion-options.js";
import { Matcher } from "../../src/finetune/matcher.js";
import { assignObjects } from "../../src/losses/assignment.js";
import { PIXELWISE_FOCAL } from "../../src/losses/focal.js";
import { POINTWISE_CROSS_ENTROPY } from "../../src/losses/mask-comparison.js";
import type { Runtime } from "../../src/runtime/contract.js";
import { createRuntime } from "../../src/runtime/create-runtime.js";
import { loadCase } from "../golden/case.js";
import { contrastOf } from "../golden/contrast.js";
import { drawsOf, type Scene, targetsOf } from "../golden/criterion-case.js";
import { DEVICES, isTooSlow, missingDevices, TOO_SLOW } from "../support/devices.js";
import { compareTensors, reportDifferences } from "../support/tensor-comparison.js";
import { TOLERANCES } from "../support/tolerances.js";

const missing = await missingDevices();
const CASES = [
  "06_criterion",
  "06_criterion_empty_image",
  "06_criterion_all_empty",
  "06_criterion_more_gt_than_queries",
  "10_oneformer_criterion",
  "10_oneformer_criterion_empty_image",
  "12_maskformer_criterion",
  "12_maskformer_criterion_empty_image",
  "12_maskformer_criterion_all_empty",
  "12_maskformer_criterion_more_gt_than_queries",
  "12_maskformer_criterion_odd",
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

  test.for(CASES)("%s", async (name, { skip }) => {
    const another = /^1[02]_/.test(name) && name !== "12_maskformer_criterion_odd";
    skip(isTooSlow(device) && another, TOO_SLOW);
    const golden = await loadCase(name);
    const scene = golden.explicit<Scene>("targets");
    const targets = targetsOf(scene);
    const weights = golden.hyper.weight_dict as Record<string, number>;
    const outputs = Object.keys(weights).filter((key) => key.startsWith("loss_ce")).length;
    const [images, queries, width] = golden.shapes.get("pred_logits")!;
    const maskSize = golden.shapes.get("pred_masks")!.slice(2) as [number, number];
    const comparison = golden.hyper.focal ? PIXELWISE_FOCAL : POINTWISE_CROSS_ENTROPY;
    const shape = {
      images,
      queries,
      classes: width - 1,
      size: [scene.height, scene.width] as const,
      maskSize,
      comparison,
    };
    const ofPoints = (name: string) => (comparison.at === "points" ? golden.setting(name) : 0);
    const options = {
      points: ofPoints("num_points"),
      oversampling: ofPoints("oversample_ratio"),
      importance: ofPoints("importance_sample_ratio"),
      noObject: golden.setting("eos_coef"),
      weights: {
        class: weights.loss_ce,
        mask: weights.loss_mask,
        dice: weights.loss_dice,
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
    const contrast = await contrastOf(runtime, golden);
    for (const [name, values] of contrast) found.set(name, values);
    const total = [...found].filter(([key]) => key.startsWith("loss/"));
    const weightOf = (key: string) => weights[key.replace("loss/", "")];
    found.set("loss/total_weighted", [total.reduce((sum, [key, [value]]) => sum + weightOf(key) * value, 0)]);
    for (const [i, { logitsGradient, masksGradient }] of supervised.entries()) {
      found.set(`grad/${goldenPrefix(i, outputs)}pred_logits`, (await logitsGradient.read()).data);
      found.set(`grad/${goldenPrefix(i, outputs)}pred_masks`, (await masksGradient.read()).data);
    }
    const results = golden.results.filter((result) => !result.name.startsWith("match/"));
    expect([...found.keys()].sort()).toEqual(results.map((result) => result.name).sort());
    const numbers = results.flatMap((result) => golden.compare(result, Float32Array.from(found.get(result.name)!)));
    expect(reportDifferences(numbers, TOLERANCES[device].parity)).toBe("");

    const matcher = new Matcher(runtime, programs.matching, shape, options);
    for (const [i, output] of supervised.entries()) {
      const costs = await matcher.costs(output, targets, (image, out) => draws.matching(i, image, out));
      costs.forEach((rows, image) => {
        const key = `match/${i === outputs - 1 ? "final" : `aux${i}`}/image${image}`;
        const expected = { name: key, shape: [queries, counts[image]], values: golden.stored(`${key}/cost`) };
        const difference = compareTensors(
          rows.flatMap((row) => [...row]),
          expected,
        );
        expect(reportDifferences(counts[image] ? [difference] : [], TOLERANCES[device].parity)).toBe("");
        const assignment = assignObjects(rows);
        expect(assignment.queries).toEqual(Array.from(golden.stored(`${key}/pred`), Number));
        expect(assignment.objects).toEqual(Array.from(golden.stored(`${key}/target`), Number));
      });
    }
    matcher.dispose();
  });
});
