import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Grid, sizeOf, type TypedArray } from "../../src/core/tensor-data.js";
import { mpFormer } from "../../src/families/mp-former.js";
import { NO_OBJECT } from "../../src/families/training.js";
import { Criterion, compileCriterion, type SupervisedOutput } from "../../src/finetune/criterion.js";
import { normalisersOf, normalisersOfGiven } from "../../src/finetune/criterion-options.js";
import { Matcher } from "../../src/finetune/matcher.js";
import * as g from "../../src/graph/build.js";
import { vectorJacobian } from "../../src/graph/differentiate.js";
import { Graph, inputName, type Tensor } from "../../src/graph/graph.js";
import { drawPilots, pilotInputs, pilotQueries } from "../../src/models/pilots.js";
import { learnedContent, type MaskedPrediction } from "../../src/models/transformer-decoder.js";
import { type Binding, Parameters } from "../../src/nn/scope.js";
import { toOnnx } from "../../src/onnx/emit.js";
import type { DeviceTensor, Runtime } from "../../src/runtime/contract.js";
import { createRuntime } from "../../src/runtime/create-runtime.js";
import { DEVICES, missingDevices, SOFTWARE_GPU } from "../support/devices.js";
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

/** The name of prediction `i` of a group in the case. */
const nameOf = (group: string, i: number, last: number) =>
  `${group === "dn" ? "dn_out." : ""}${i === last ? "" : `aux_outputs.${i}.`}`;

/** Rows `start` .. `end - 1` along the second axis of [n, rows, ...] and those from `rest` on. */
function rowsOf(data: TypedArray, shape: readonly number[], start: number, end: number, rest?: number): Float32Array {
  const [n, rows] = shape;
  const width = sizeOf(shape) / n / rows;
  const kept: number[] = [];
  for (let image = 0; image < n; image++) {
    for (let row = 0; row < rows; row++) {
      if ((row < start || row >= end) && (rest === undefined || row < rest)) continue;
      for (let i = 0; i < width; i++) kept.push(Number(data[(image * rows + row) * width + i]));
    }
  }
  return Float32Array.from(kept);
}

async function compute(runtime: Runtime, golden: GoldenCase, asPilots: boolean): Promise<Found> {
  const { piloted, ...frame } = frameOf(golden);
  const { transformerDecoder: decoder, pilots } = frame;
  const scene = golden.explicit<Scene>("targets");
  const targets = targetsOf(scene);
  const images = targets.length;
  const size: Grid = [scene.height, scene.width];
  const found: Found = new Map();

  // The network, and the gradients of its predictions as inputs.
  const graph = new Graph(golden.name);
  const data = Object.fromEntries(
    [...MAPS, "mask_features"].map((name) => [name, graph.input(name, "float32", golden.shapes.get(name)!)]),
  );
  const own = new Map(
    [...(asPilots ? pilotInputs(frame, images, size) : [])].map(([name, shape]) => [
      name,
      graph.input(name, "float32", shape),
    ]),
  );
  const bind: Binding = ({ name, shape }) => graph.input(name.slice(PREFIX.length), "float32", shape);
  const parameters = new Parameters(bind);
  const features = {
    multiScale: MAPS.map((name) => data[name]) as unknown as readonly [Tensor, Tensor, Tensor],
    maskFeatures: data.mask_features,
  };
  const model = { ...frame, backbone: undefined as never, pixelDecoder: undefined as never };
  const { groups } = mpFormer.transformerDecoder(parameters.root, features, model, own);
  const scope = parameters.root.in("sem_seg_head", "predictor");
  const content = learnedContent(scope, images, decoder);
  const start = asPilots ? g.concat([pilotQueries(scope, own, frame).content, content], 1) : content;
  graph.output("start", start);
  const last = decoder.layers;
  const supervised = groups.flatMap(({ name: group, objects, predictions }) =>
    predictions.map(({ logits, masks }, i) => ({ group, objects, i, logits, masks })),
  );
  const seeds = supervised.flatMap(({ group, i, logits, masks }) => {
    const name = nameOf(group, i, last);
    return [["pred_logits", logits] as const, ["pred_masks", masks] as const].map(([kind, tensor]) => {
      graph.output(name + kind, tensor);
      return graph.input(`seed/${name}${kind}`, "float32", tensor.shape);
    });
  });
  const matched = groups[0].predictions as MaskedPrediction[];
  matched.slice(0, last).forEach(({ bias }, i) => {
    graph.output(`cross_attn_mask.${i}`, g.where(g.less(bias, 0), 1, 0));
  });
  const inputs = new Map(graph.inputs.map((tensor) => [inputName(tensor), tensor]));
  const wanted = golden.results.flatMap(({ name }) => (name.startsWith("grad/") ? [name.slice(5)] : []));
  const differentiated = wanted.filter((name) => inputs.has(name));
  vectorJacobian(
    supervised.flatMap(({ logits, masks }) => [logits, masks]),
    seeds,
    differentiated.map((name) => inputs.get(name)!),
  ).forEach((gradient, i) => {
    graph.output(`grad/${differentiated[i]}`, gradient);
  });

  // What is drawn, and the inputs of the case.
  const piloting = asPilots ? targets : targets.map(() => []);
  const drawn = drawPilots(frame, piloting, size, pilotDrawsOf(golden, targets));
  const values = drawn.inputs(0, images);
  const feeds: Record<string, DeviceTensor> = {};
  for (const [name, { shape }] of inputs) {
    const tensor = runtime.allocate("float32", shape);
    feeds[name] = tensor;
    if (name.startsWith("seed/")) continue;
    await tensor.write(
      values.has(name) ? { dtype: "float32", shape, data: values.get(name)! } : golden.values(name, shape),
    );
  }
  const program = await runtime.compile(toOnnx(graph), { name: graph.name });
  const outputs = new Map(
    [...graph.outputs].map(([name, { dtype, shape }]) => [name, runtime.allocate(dtype, shape)] as const),
  );
  const run = () => program.run(feeds, Object.fromEntries(outputs));
  await run();

  // The criterion between the halves.
  const weightOf = (name: string) => (golden.hyper.weight_dict as Record<string, number>)[`loss_${name}`];
  const options = {
    points: golden.setting("num_points"),
    oversampling: golden.setting("oversample_ratio"),
    importance: golden.setting("importance_sample_ratio"),
    noObject: golden.setting("eos_coef"),
    weights: { class: weightOf("ce"), mask: weightOf("mask"), dice: weightOf("dice") },
  };
  const criterionFrame = {
    images,
    queries: decoder.queries,
    classes: decoder.classes,
    size,
    maskSize: matched[0].masks.shape.slice(2) as unknown as Grid,
    comparison: mpFormer.comparison,
  };
  const floats = (name: string) => outputs.get(name) as DeviceTensor<"float32">;
  const ofOutputs = supervised.map(({ group, objects, i }): SupervisedOutput => {
    const name = nameOf(group, i, last);
    return {
      group,
      objects,
      suffix: `${group === "dn" ? "_dn" : ""}${i === last ? "" : `_${i}`}`,
      logits: floats(`${name}pred_logits`),
      masks: floats(`${name}pred_masks`),
      logitsGradient: feeds[`seed/${name}pred_logits`] as DeviceTensor<"float32">,
      masksGradient: feeds[`seed/${name}pred_masks`] as DeviceTensor<"float32">,
    };
  });
  const counts = targets.map(({ length }) => length);
  const queries = drawn.objects.map((numbers) =>
    Int32Array.from(numbers, (number) => (typeof number === "number" ? number : number === "empty" ? NO_OBJECT : -2)),
  );
  const given = { queries, repeats: drawn.groups };
  const draws = pointDrawsOf(golden, last, {
    matched: counts.map((count) => Math.min(count, decoder.queries)),
    piloted: counts.map((count) => (asPilots ? drawn.groups * count : 0)),
  });
  const perOutput = supervised.map(({ logits }) => logits.shape[1]);
  const programs = await compileCriterion(runtime, criterionFrame, perOutput, options);
  const criterion = new Criterion(runtime, programs, criterionFrame, ofOutputs, options);
  const losses = await criterion.run(
    { objects: targets, given: new Map([["dn", given]]) },
    new Map([
      ["", normalisersOf(counts, decoder.queries, options.noObject)],
      ["dn", normalisersOfGiven(counts, given, options.noObject)],
    ]),
    draws,
  );
  await run();

  // By the names of the case, without the spare pilots.
  const spare = [piloted, asPilots ? pilots.queries : 0] as const;
  for (const [name, tensor] of outputs) {
    const { data: all } = await tensor.read();
    if (name.startsWith("dn_out.")) found.set(name, rowsOf(all, tensor.shape, 0, piloted));
    else if (name.startsWith("cross_attn_mask.")) {
      const heads = pilots.ownHeads && asPilots ? decoder.heads : 1;
      const open = rowsOf(all, tensor.shape, 0, piloted, spare[1]);
      const rows = piloted + decoder.queries;
      found.set(name, open);
      const width = open.length / images / heads / rows;
      const blocked = Array.from({ length: open.length / width }, (_, i) =>
        open.subarray(i * width, (i + 1) * width).reduce((a, b) => a + b, 0),
      );
      found.set(name.replace("mask.", "mask_count."), Float32Array.from(blocked));
    } else if (name === "start") {
      const kept = rowsOf(all, tensor.shape, 0, piloted, spare[1]);
      const [width, rows] = [decoder.hiddenDim, piloted + decoder.queries];
      const byQuery = kept.map((_, at) => {
        const [query, image, c] = [Math.floor(at / width / images), Math.floor(at / width) % images, at % width];
        return kept[(image * rows + query) * width + c];
      });
      found.set("initial_queries", byQuery);
    } else found.set(name, all);
  }
  if (piloted > 0) {
    const total = pilots.queries + decoder.queries;
    const columns = rowsOf(values.get("pilot groups")!, [1, total, total], 0, piloted, spare[1]);
    found.set("self_attn_mask", rowsOf(columns, [piloted + decoder.queries, total], 0, piloted, spare[1]));
  }
  const weighted = losses.reduce((sum, { suffix, class: ce, mask, dice }) => {
    for (const [name, value] of Object.entries({ ce, mask, dice })) {
      found.set(`loss/loss_${name}${suffix}`, Float32Array.of(value));
    }
    return sum + weightOf("ce") * ce + weightOf("mask") * mask + weightOf("dice") * dice;
  }, 0);
  found.set("loss/total_weighted", Float32Array.of(weighted));
  for (const name of wanted.filter((name) => !differentiated.includes(name))) {
    found.set(`grad/${name}`, new Float32Array(sizeOf(golden.shapes.get(name)!)));
  }
  const matcher = new Matcher(runtime, programs.matching, criterionFrame, options);
  for (let i = 0; i <= last; i++) {
    const assignments = await matcher.match(ofOutputs[i], targets, (image, out) => draws.matching(i, image, out));
    assignments.forEach(({ queries, objects }, image) => {
      const key = `match/${i === last ? "final" : `aux${i}`}/image${image}`;
      found.set(`${key}/pred`, Float32Array.from(queries));
      found.set(`${key}/target`, Float32Array.from(objects));
    });
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
    const slow = device === "webgpu" && SOFTWARE_GPU && name !== SHORT;
    skip(slow, "a software adapter takes minutes");
    const golden = await loadCase(name);
    const found = await compute(runtime, golden, golden.hyper.dn_args_given as boolean);
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
