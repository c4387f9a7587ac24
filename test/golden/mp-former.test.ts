import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Grid, sizeOf, type TypedArray } from "../../src/core/tensor-data.js";
import { givenObjects, mpFormer } from "../../src/families/mp-former.js";
import { Criterion, compileCriterion, type SupervisedOutput } from "../../src/finetune/criterion.js";
import { normalisersOf, normalisersOfGiven } from "../../src/finetune/criterion-options.js";
import { Matcher } from "../../src/finetune/matcher.js";
import * as g from "../../src/graph/build.js";
import { vectorJacobian } from "../../src/graph/differentiate.js";
import { Graph, inputName } from "../../src/graph/graph.js";
import { drawPilots, type PilotFrame, pilotInputs, pilotQueries } from "../../src/models/pilots.js";
import { learnedContent, type MaskedPrediction } from "../../src/models/transformer-decoder.js";
import { type Binding, Parameters } from "../../src/nn/scope.js";
import { toOnnx } from "../../src/onnx/emit.js";
import type { DeviceTensor, Runtime } from "../../src/runtime/contract.js";
import { createRuntime } from "../../src/runtime/create-runtime.js";
import { DEVICES, isTooSlow, missingDevices, TOO_SLOW } from "../support/devices.js";
import { reportDifferences } from "../support/tensor-comparison.js";
import { TOLERANCES } from "../support/tolerances.js";
import { type GoldenCase, loadCase } from "./case.js";
import { type Scene, targetsOf } from "./criterion-case.js";
import { frameOf, pilotDrawsOf, pointDrawsOf } from "./mp-former-case.js";

const missing = await missingDevices();
const CASES = readdirSync(fileURLToPath(new URL("../fixtures/golden/", import.meta.url))).filter((name) =>
  name.startsWith("09_mp_former_"),
);

/** The one that a software adapter computes. */
const SHORT = "09_mp_former_official_script";

const PREFIX = "sem_seg_head.predictor.";
const MAPS = ["x.0", "x.1", "x.2"];

type Found = Map<string, TypedArray>;
type Floats = DeviceTensor<"float32">;

/** The name of prediction `i` of a group in the case. */
const nameOf = (group: string, i: number, last: number) =>
  `${group === "dn" ? "dn_out." : ""}${i === last ? "" : `aux_outputs.${i}.`}`;

/** The tensors whose gradients a case stores. */
const gradientsOf = ({ results }: GoldenCase) =>
  results.flatMap(({ name }) => (name.startsWith("grad/") ? [name.slice("grad/".length)] : []));

/** Of [n, rows, ...] the first `count` rows and those from `rest` on. */
function rowsOf(data: TypedArray, shape: readonly number[], count: number, rest: number): Float32Array {
  const [n, rows] = shape;
  const width = sizeOf(shape) / n / rows;
  return Float32Array.from(data as Float32Array).filter((_, at) => {
    const row = Math.floor(at / width) % rows;
    return row < count || row >= rest;
  });
}

/** [n, rows, width] as [rows, n, width] */
const byQuery = (data: Float32Array, [n, rows, width]: readonly [number, number, number]) =>
  data.map((_, at) => {
    const [row, image, i] = [Math.floor(at / width / n), Math.floor(at / width) % n, at % width];
    return data[(image * rows + row) * width + i];
  });

const sumsOfRows = (data: Float32Array, width: number) =>
  Float32Array.from({ length: data.length / width }, (_, row) =>
    data.subarray(row * width, (row + 1) * width).reduce((a, b) => a + b, 0),
  );

/** The decoder as a graph, with the gradients of its predictions as inputs. */
function networkOf(golden: GoldenCase, frame: PilotFrame, own: ReadonlyMap<string, readonly number[]>) {
  const graph = new Graph(golden.name);
  const input = (name: string, shape = golden.shapes.get(name)!) => graph.input(name, "float32", shape);
  const inputs = new Map([...own].map(([name, shape]) => [name, input(name, shape)]));
  const bind: Binding = ({ name, shape }) => input(name.slice(PREFIX.length), shape);
  const p = new Parameters(bind).root;
  const [res5, res4, res3] = MAPS.map((name) => input(name));
  const features = { multiScale: [res5, res4, res3] as const, maskFeatures: input("mask_features") };
  const model = { ...frame, backbone: undefined as never, pixelDecoder: undefined as never };
  const { groups } = mpFormer.transformerDecoder(p, features, model, inputs);
  const matched = groups[0].predictions as MaskedPrediction[];
  const last = matched.length - 1;

  const scope = p.in("sem_seg_head", "predictor");
  const content = learnedContent(scope, res5.shape[0], frame.transformerDecoder);
  const pilots = inputs.size > 0 ? [pilotQueries(scope, inputs, frame).content] : [];
  graph.output("start", g.concat([...pilots, content], 1));
  matched.slice(0, last).forEach(({ bias }, i) => {
    graph.output(`cross_attn_mask.${i}`, g.where(g.less(bias, 0), 1, 0));
  });
  const outputs = groups.flatMap(({ name: group, objects, predictions }) =>
    predictions.map(({ logits, masks }, i) => ({ group, objects, i, name: nameOf(group, i, last), logits, masks })),
  );
  const predicted = outputs.flatMap(({ name, logits, masks }) => [
    [`${name}pred_logits`, logits] as const,
    [`${name}pred_masks`, masks] as const,
  ]);
  for (const [name, tensor] of predicted) graph.output(name, tensor);
  const seeds = predicted.map(([name, { shape }]) => input(`seed/${name}`, shape));
  const byName = new Map(graph.inputs.map((tensor) => [inputName(tensor), tensor]));
  const differentiated = gradientsOf(golden).filter((name) => byName.has(name));
  vectorJacobian(
    predicted.map(([, tensor]) => tensor),
    seeds,
    differentiated.map((name) => byName.get(name)!),
  ).forEach((gradient, i) => {
    graph.output(`grad/${differentiated[i]}`, gradient);
  });
  return { graph, outputs, last, maskSize: matched[0].masks.shape.slice(2) as unknown as Grid };
}

/** Everything that the case stores, without the pilots that only take up room. */
async function compute(runtime: Runtime, golden: GoldenCase): Promise<Found> {
  const { piloted, ...frame } = frameOf(golden);
  const { transformerDecoder: decoder, pilots } = frame;
  const withPilots = golden.hyper.dn_args_given as boolean;
  const scene = golden.explicit<Scene>("targets");
  const targets = targetsOf(scene);
  const images = targets.length;
  const size: Grid = [scene.height, scene.width];
  const own = withPilots ? pilotInputs(frame, images, size) : new Map<string, readonly number[]>();
  const { graph, outputs, last, maskSize } = networkOf(golden, frame, own);

  const drawn = drawPilots(frame, withPilots ? targets : targets.map(() => []), size, pilotDrawsOf(golden, targets));
  const values = drawn.inputs(0, images);
  const feeds: Record<string, Floats> = {};
  for (const input of graph.inputs) {
    const [name, { shape }] = [inputName(input), input];
    feeds[name] = runtime.allocate("float32", shape);
    const data = values.get(name);
    if (data) await feeds[name].write({ dtype: "float32", shape, data });
    else if (!name.startsWith("seed/")) await feeds[name].write(golden.values(name, shape));
  }
  const program = await runtime.compile(toOnnx(graph), { name: graph.name });
  const fetches: Record<string, Floats> = {};
  for (const [name, { shape }] of graph.outputs) fetches[name] = runtime.allocate("float32", shape);

  const weightOf = (name: string) => (golden.hyper.weight_dict as Record<string, number>)[`loss_${name}`];
  const options = {
    points: golden.setting("num_points"),
    oversampling: golden.setting("oversample_ratio"),
    importance: golden.setting("importance_sample_ratio"),
    noObject: golden.setting("eos_coef"),
    weights: { class: weightOf("ce"), mask: weightOf("mask"), dice: weightOf("dice") },
  };
  const { queries, classes } = decoder;
  const criterionFrame = { images, queries, classes, size, maskSize, comparison: mpFormer.comparison };
  const supervised = outputs.map(
    ({ group, objects, i, name }): SupervisedOutput => ({
      group,
      objects,
      suffix: `${group === "dn" ? "_dn" : ""}${i === last ? "" : `_${i}`}`,
      logits: fetches[`${name}pred_logits`],
      masks: fetches[`${name}pred_masks`],
      logitsGradient: feeds[`seed/${name}pred_logits`],
      masksGradient: feeds[`seed/${name}pred_masks`],
    }),
  );
  const counts = targets.map(({ length }) => length);
  const given = givenObjects(drawn);
  const draws = pointDrawsOf(golden, last, {
    matched: counts.map((count) => Math.min(count, queries)),
    piloted: counts.map((count) => drawn.groups * count),
  });
  const perOutput = outputs.map(({ logits }) => logits.shape[1]);
  const programs = await compileCriterion(runtime, criterionFrame, perOutput, options);
  const criterion = new Criterion(runtime, programs, criterionFrame, supervised, options);
  await program.run(feeds, fetches);
  const losses = await criterion.run(
    { objects: targets, given: new Map([["dn", given]]) },
    new Map([
      ["", normalisersOf(counts, queries, options.noObject)],
      ["dn", normalisersOfGiven(counts, given, options.noObject)],
    ]),
    draws,
  );
  await program.run(feeds, fetches);

  const found: Found = new Map();
  const rows = piloted + queries;
  const all = queries + (withPilots ? pilots.queries : 0);
  const kept = (data: TypedArray, shape: readonly number[]) => rowsOf(data, shape, piloted, all - queries);
  for (const [name, tensor] of Object.entries(fetches)) {
    const { data, shape } = await tensor.read();
    if (name.startsWith("dn_out.")) found.set(name, rowsOf(data, shape, piloted, shape[1]));
    else if (name === "start") found.set("initial_queries", byQuery(kept(data, shape), [images, rows, shape[2]]));
    else if (name.startsWith("cross_attn_mask.")) {
      found.set(name, kept(data, shape));
      found.set(name.replace("mask.", "mask_count."), sumsOfRows(kept(data, shape), shape[2]));
    } else found.set(name, data);
  }
  if (piloted > 0) {
    const apart = kept(values.get("pilot groups")!, [1, all, all]);
    found.set("self_attn_mask", kept(apart, [rows, all]));
  }
  for (const name of gradientsOf(golden).filter((name) => !(name in feeds))) {
    found.set(`grad/${name}`, new Float32Array(sizeOf(golden.shapes.get(name)!)));
  }
  let weighted = 0;
  for (const { suffix, class: ce, mask, dice } of losses) {
    for (const [name, value] of Object.entries({ ce, mask, dice })) {
      found.set(`loss/loss_${name}${suffix}`, Float32Array.of(value));
      weighted += weightOf(name) * value;
    }
  }
  found.set("loss/total_weighted", Float32Array.of(weighted));
  const matcher = new Matcher(runtime, programs.matching, criterionFrame, options);
  for (let i = 0; i <= last; i++) {
    const assignments = await matcher.match(supervised[i], targets, (image, out) => draws.matching(i, image, out));
    assignments.forEach(({ queries, objects }, image) => {
      const key = `match/${i === last ? "final" : `aux${i}`}/image${image}`;
      found.set(`${key}/pred`, Float32Array.from(queries));
      found.set(`${key}/target`, Float32Array.from(objects));
    });
  }
  for (const disposable of [matcher, criterion, program, ...Object.values({ ...feeds, ...fetches, ...programs })]) {
    disposable.dispose();
  }
  return found;
}

describe.each(DEVICES)("MP-Former's decoder, pilots and criterion on %s", (device) => {
  let runtime: Runtime;
  beforeAll(async () => {
    if (!missing.has(device)) runtime = await createRuntime({ device, cores: 1 });
  });
  beforeEach(({ skip }) => skip(missing.has(device), missing.get(device)));
  afterAll(() => runtime?.dispose());

  test.for(CASES)("%s", async (name, { skip }) => {
    skip(isTooSlow(device) && name !== SHORT, TOO_SLOW);
    const golden = await loadCase(name);
    const found = await compute(runtime, golden);
    // Without pilots the official code reports their losses as zeros.
    const withoutPilots = golden.hyper.dn_args === null;
    const results = golden.results.filter((result) => !(withoutPilots && /^loss\/.*_dn/.test(result.name)));
    const expected = results.map((result) => result.name);
    expect(expected.filter((key) => !found.has(key))).toEqual([]);
    const compare = (dtype: "f32" | "i64") =>
      results
        .filter((result) => result.dtype === dtype && sizeOf(result.shape) > 0)
        .flatMap((result) => golden.compare(result, found.get(result.name)!));
    expect(reportDifferences(compare("f32"), TOLERANCES[device].parity)).toBe("");
    expect(reportDifferences(compare("i64"), 0)).toBe("");
    for (const { name: key, shape } of results) {
      if (sizeOf(shape) === 0) expect(found.get(key)).toHaveLength(0);
    }
    const ofPilots = [...found].filter(([key]) => withoutPilots && /_dn/.test(key));
    expect(ofPilots.filter(([, [loss]]) => Number(loss) !== 0)).toEqual([]);
  });
});
