/** @file What our side draws within a fine-tuning step, for the other side, which reads it from a file. */

import { floats, type TensorData } from "../src/core/tensor-data.js";
import { type Architecture, familyOf, sizesOf } from "../src/families/families.js";
import { drawTasks, textsFor } from "../src/families/joint-tasks.js";
import { seededDraws } from "../src/families/mp-former.js";
import { type DrawnBatch, type TrainingBatch, undrawn } from "../src/families/training.js";
import { pointDraws } from "../src/finetune/draws.js";
import { type PointOptions, pointCounts } from "../src/losses/points.js";
import { TASKS } from "../src/masks/segmentation.js";
import { clipVocabulary, tokensOf } from "../src/models/text-tokens.js";

type Floats = TensorData<"float32">;

/** Two numbers for each of `sets * count` points or pilots, [sets, count, 2]. */
function pairsOfNumbers(sets: number, count: number, fill: (set: number, out: Float32Array) => void): Floats {
  const all = floats([sets, count, 2], new Float32Array(sets * count * 2));
  for (let set = 0; set < sets; set++) fill(set, all.data.subarray(set * count * 2, (set + 1) * count * 2));
  return all;
}

/** Outputs of a group of predictions: the first one's number, and whether objects are matched to its queries. */
interface Outputs {
  readonly first: number;
  readonly matched: boolean;
  /** Of each image. */
  readonly pairs: readonly number[];
}

/**
 * All random points of a step in the order in which the authors' criterion draws them: for every output, the last one
 * of a group first, those of the matching of each image, then the candidates of all pairs, then the unconditional ones
 * of all pairs.
 */
function* pointsOf(
  { seed, step, objects }: Pick<TrainingBatch, "seed" | "step" | "objects">,
  options: PointOptions,
  layers: number,
  groups: readonly Outputs[],
): Generator<Floats> {
  const { candidates, uniform } = pointCounts(options);
  const draws = objects.map((_, image) => pointDraws(seed, step, image));
  for (const { first, matched, pairs } of groups) {
    const all = pairs.flatMap((count, image) => Array.from({ length: count }, (_, pair) => ({ image, pair })));
    for (const number of [layers, ...Array.from({ length: layers }, (_, i) => i)]) {
      const output = first + number;
      if (matched) {
        for (const { matching } of draws) yield pairsOfNumbers(1, options.points, (_, out) => matching(output, 0, out));
      }
      for (const [kind, count] of [
        ["candidates", candidates],
        ["uniform", uniform],
      ] as const) {
        yield pairsOfNumbers(all.length, count, (set, out) => {
          const { image, pair } = all[set];
          draws[image][kind](output, 0, pair, out);
        });
      }
    }
  }
}

/** The matched predictions, and those of the queries that objects are given to. */
function groupsOf(model: Architecture, { objects, given }: DrawnBatch): Outputs[] {
  const { queries } = sizesOf(model);
  const outputs = model.transformerDecoder.layers + 1;
  return [
    { first: 0, matched: true, pairs: objects.map(({ length }) => Math.min(length, queries)) },
    ...[...given.values()].map(({ queries }, i) => ({
      first: (i + 1) * outputs,
      matched: false,
      pairs: queries.map((numbers) => numbers.filter((number) => number >= 0).length),
    })),
  ];
}

/** The task of each image of a OneFormer, and its texts as the numbers of their tokens. */
async function textsOf(model: Architecture, batch: TrainingBatch, { objects }: DrawnBatch) {
  if (model.family !== "oneformer") return [];
  const { length, context } = model.texts;
  const rows = sizesOf(model).queries - context;
  const vocabulary = await clipVocabulary();
  const integers = (shape: number[], values: readonly number[]): TensorData<"int64"> => ({
    dtype: "int64",
    shape,
    data: BigInt64Array.from(values, BigInt),
  });
  const tasks = drawTasks(batch);
  const texts = tasks.map((task, image) => {
    const texts = textsFor(task, objects[image], batch.classes, rows);
    const tokens = texts.flatMap((text) => [...tokensOf(text, length, vocabulary)]);
    return [`texts/${image}`, integers([rows, length], tokens)] as const;
  });
  const numbers = tasks.map((task) => TASKS.indexOf(task));
  return [["tasks", integers([numbers.length], numbers)] as const, ...texts];
}

/** By name: everything random of a step of this model; `draws/0` .. in the order of the other side. */
export async function drawsForPeer(
  model: Architecture,
  batch: TrainingBatch,
  points: PointOptions,
): Promise<Map<string, TensorData>> {
  const family = familyOf(model);
  const drawn = (await family.training?.draw(model, batch)) ?? undrawn(batch);
  const draws: Floats[] = [];
  const repeats = drawn.given.get("dn")?.repeats;
  if (repeats !== undefined) {
    const pilots = seededDraws(batch.seed, batch.step);
    drawn.objects.forEach(({ length }, image) => {
      draws.push(pairsOfNumbers(1, repeats * length, (_, out) => pilots.labels(image, out)));
    });
  }
  if (family.comparison.at === "points") {
    draws.push(...pointsOf(batch, points, model.transformerDecoder.layers, groupsOf(model, drawn)));
  }
  return new Map<string, TensorData>([
    ...draws.map((values, i) => [`draws/${i}`, values] as const),
    ...(await textsOf(model, batch, drawn)),
  ]);
}

/** Names of what `drawsForPeer` gives. */
export const DRAWS_FOR_PEER = /^(draws|texts)\/|^tasks$/;
