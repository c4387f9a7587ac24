/** @file What a whole model among the golden cases predicts, and who is matched to whom. */

import type { Grid, TensorData } from "../../src/core/tensor-data.js";
import { type Architecture, familyOf, sizesOf } from "../../src/families/families.js";
import { segment } from "../../src/families/family.js";
import type { CriterionOptions, PointDraws } from "../../src/finetune/criterion-options.js";
import { buildMatching, Matcher } from "../../src/finetune/matcher.js";
import { Graph } from "../../src/graph/graph.js";
import type { Target } from "../../src/masks/segmentation.js";
import { asConstants, Parameters } from "../../src/nn/scope.js";
import { toOnnx } from "../../src/onnx/emit.js";
import type { DeviceTensor, Runtime } from "../../src/runtime/contract.js";

interface Batch {
  readonly architecture: Architecture;
  readonly weights: ReadonlyMap<string, TensorData>;
  readonly images: Float32Array;
  /** Inputs of the family's own. */
  readonly own?: ReadonlyMap<string, TensorData<"float32">>;
  readonly size: Grid;
  readonly targets: readonly (readonly Target[])[];
}

export interface WholePredictions {
  /** By the names of the cases: `pred_logits`, `aux_outputs.0.pred_masks`, .. */
  readonly values: ReadonlyMap<string, Float32Array>;
  /** Numbers by the names of the cases: `match/final/image0/pred`, `match/aux0/image0/target`, .. */
  readonly matches: ReadonlyMap<string, readonly number[]>;
}

/** Of the two images of a case: all predictions, and the objects that are matched to them at the points of `draws`. */
export async function predictionsOf(
  runtime: Runtime,
  { architecture, weights, images, own = new Map(), size, targets }: Batch,
  criterion: CriterionOptions,
  drawsFor: (outputs: number, pairs: readonly number[]) => PointDraws,
): Promise<WholePredictions> {
  const graph = new Graph("predictions");
  const parameters = new Parameters(asConstants(graph, weights));
  const shape = [targets.length, 3, ...size];
  const feeds: Record<string, DeviceTensor<"float32">> = {};
  const feed = async (name: string, value: TensorData<"float32">) => {
    feeds[name] = runtime.allocate("float32", value.shape);
    await feeds[name].write(value);
    return graph.input(name, "float32", value.shape);
  };
  const input = await feed("images", { dtype: "float32", shape, data: images });
  const inputs = new Map<string, Awaited<ReturnType<typeof feed>>>();
  for (const [name, value] of own) inputs.set(name, await feed(name, value));
  const family = familyOf(architecture);
  const [{ predictions }] = segment(family, parameters.root, input, architecture, inputs).groups;
  const nameOf = (i: number) => (i === predictions.length - 1 ? "" : `aux_outputs.${i}.`);
  const found: Record<string, DeviceTensor<"float32">> = {};
  predictions.forEach(({ logits, masks }, i) => {
    for (const [kind, tensor] of Object.entries({ logits, masks })) {
      const name = `${nameOf(i)}pred_${kind}`;
      graph.output(name, tensor);
      found[name] = runtime.allocate("float32", tensor.shape);
    }
  });
  const program = await runtime.compile(toOnnx(graph), { name: graph.name });
  await program.run(feeds, found);
  const values = new Map<string, Float32Array>();
  for (const [name, tensor] of Object.entries(found)) values.set(name, (await tensor.read()).data.slice());

  const [, , ...maskSize] = predictions[0].masks.shape;
  const { queries, classes } = sizesOf(architecture);
  const { comparison } = family;
  const frame = { images: 2, queries, classes, size, maskSize: maskSize as [number, number], comparison };
  const matching = await runtime.compile(toOnnx(buildMatching(frame, criterion)), { name: "matching" });
  const matcher = new Matcher(runtime, matching, frame, criterion);
  const draws = drawsFor(
    predictions.length,
    targets.map(({ length }) => Math.min(length, queries)),
  );
  const matches = new Map<string, readonly number[]>();
  for (let i = 0; i < predictions.length; i++) {
    const output = { logits: found[`${nameOf(i)}pred_logits`], masks: found[`${nameOf(i)}pred_masks`] };
    const matched = await matcher.match(output, targets, (image, out) => draws.matching(i, image, out));
    matched.forEach(({ queries, objects }, image) => {
      const key = `match/${nameOf(i) === "" ? "final" : `aux${i}`}/image${image}`;
      matches.set(`${key}/pred`, queries).set(`${key}/target`, objects);
    });
  }
  matcher.dispose();
  for (const disposable of [program, matching, ...Object.values({ ...feeds, ...found })]) disposable.dispose();
  return { values, matches };
}
