/** @file From class and mask logits to what `predict` gives, inside the model: for images at the size they come in. */

import { range } from "../../core/range.js";
import type { SegmentRule } from "../../families/family.js";
import type { SegmentationClass, Task } from "../../masks/segmentation.js";
import type { NodeBuilder } from "../../onnx/node-builder.js";
import type { Dim, OnnxValue } from "../../onnx/protobuf.js";
import { MASK_STRIDE } from "../../predict/network-output.js";
import type { InferenceSettings } from "../../weights/model-description.js";
import { cropped, type ImageInput } from "./image-input.js";

/** How the outputs of a model become segments. */
export interface OutputRules extends Pick<InferenceSettings, "objectThreshold" | "overlapThreshold" | "topK"> {
  readonly queries: number;
  readonly classes: readonly SegmentationClass[];
  readonly panoptic: SegmentRule["panoptic"];
  /** Drop stuff from the instances, as panoptic models do. */
  readonly thingsOnly: boolean;
}

/** Where the outputs of the network are: logits [N, Q, classes + 1] and mask logits [N, Q, 8 rows, 8 columns]. */
export interface Outputs {
  readonly builder: NodeBuilder;
  readonly image: ImageInput;
  readonly logits: string;
  readonly masks: string;
  readonly rules: OutputRules;
}

/** An output of the file, and the value in the builder. */
export interface FileOutput {
  readonly declared: OnnxValue<Dim>;
  readonly value: string;
}

const output = (name: string, dtype: OnnxValue["dtype"], shape: readonly Dim[], value: string): FileOutput => ({
  declared: { name, dtype, shape },
  value,
});

const sidesOf = ({ fixed }: ImageInput): [Dim, Dim] => (fixed ? [fixed.height, fixed.width] : ["height", "width"]);

/** Mask logits [N, K, h, w] at the size of the images, bilinearly. */
function enlarged({ builder, image }: Outputs, masks: string): string {
  const scales = builder.literals.floats([1, 1, MASK_STRIDE, MASK_STRIDE]);
  const attributes = { mode: "linear", coordinate_transformation_mode: "half_pixel" };
  return cropped(builder, builder.op("Resize", [masks, "", scales], attributes), image, 1);
}

/** [N, K, H, W] -> [N, K, H W]. */
const flat = (builder: NodeBuilder, x: string) => builder.op("Reshape", [x, builder.ints(0, 0, -1)]);

/** [N, H W] -> [N, H, W]. */
const pixelwise = ({ builder, image: { images, height, width } }: Outputs, x: string) =>
  builder.op("Reshape", [x, builder.concat([images, height, width], 0)]);

/** 1 / (1 + exp(-x)): `predict/mask-probability.ts` says why not Sigmoid. */
const maskProbability = (builder: NodeBuilder, logits: string) =>
  builder.op("Reciprocal", [builder.op("Add", [builder.op("Exp", [builder.op("Neg", [logits])]), builder.scalar(1)])]);

/** Softmax over the classes and "no object", and of these the classes alone. */
const probabilities = ({ builder, logits }: Outputs) => builder.op("Softmax", [logits], { axis: -1 });
const ofClasses = ({ builder, rules }: Outputs, x: string) =>
  builder.slice(x, 2, builder.ints(0), builder.ints(rules.classes.length));

/** argmax over c of the sum over q of softmax(L)[q, c] sigmoid(X)[q]. */
function semantic(outputs: Outputs): FileOutput[] {
  const { builder, image, masks } = outputs;
  const byClass = builder.op("Transpose", [ofClasses(outputs, probabilities(outputs))], { perm: [0, 2, 1] });
  const pixels = flat(builder, maskProbability(builder, enlarged(outputs, masks)));
  const best = builder.op("ArgMax", [builder.op("MatMul", [byClass, pixels])], { axis: 1, keepdims: 0 });
  return [output("semantic", "int64", ["batch", ...sidesOf(image)], pixelwise(outputs, best))];
}

/** The most probable pairs of query and class, each a mask, the best score first. */
function instance(outputs: Outputs): FileOutput[] {
  const { builder, image, masks, rules } = outputs;
  const { queries, classes, thingsOnly } = rules;
  const count = Math.min(rules.topK, queries * classes.length);
  const pairs = builder.op("Reshape", [
    ofClasses(outputs, probabilities(outputs)),
    builder.ints(0, queries * classes.length),
  ]);
  const [chances, places] = builder.outputs("TopK", [pairs, builder.ints(count)], 2, { axis: 1 });
  const labels = builder.op("Mod", [places, builder.ints(classes.length)]);
  const query = builder.op("Div", [places, builder.ints(classes.length)]);
  /** Rows of x [N, Q, ..] that the image's own list [N, K] names. */
  const rows = (x: string, list: string) => builder.op("GatherND", [x, builder.unsqueeze(list, 2)], { batch_dims: 1 });
  const logits = enlarged(outputs, rows(masks, query));
  const inside = builder.op("Greater", [logits, builder.scalar(0)]);
  const area = flat(builder, builder.cast(inside, "float32"));
  const sure = builder.op("Mul", [flat(builder, maskProbability(builder, logits)), area]);
  const confidence = builder.op("Div", [
    builder.sum(sure, 2),
    builder.op("Add", [builder.sum(area, 2), builder.scalar(1e-6)]),
  ]);
  const things = builder.literals.floats(classes.map(({ isThing }) => Number(isThing)));
  const factors = [confidence, ...(thingsOnly ? [builder.op("Gather", [things, labels])] : [])];
  const scores = factors.reduce((x, factor) => builder.op("Mul", [x, factor]), chances);
  const [sorted, order] = builder.outputs("TopK", [scores, builder.ints(count)], 2, { axis: 1 });
  return [
    output("instance_masks", "bool", ["batch", count, ...sidesOf(image)], rows(inside, order)),
    output("instance_labels", "int64", ["batch", count], builder.op("GatherElements", [labels, order], { axis: 1 })),
    output("instance_scores", "float32", ["batch", count], sorted),
  ];
}

/** Confident queries share the pixels out; those that are left too little of what they claim are dropped. */
function panoptic(outputs: Outputs): FileOutput[] {
  const { builder, image, masks, rules } = outputs;
  const { queries, classes } = rules;
  const [zero, one] = [builder.scalar(0), builder.scalar(1)];
  const numbers = (condition: string) => builder.cast(condition, "float32");
  const both = (...conditions: readonly string[]) => conditions.reduce((a, b) => builder.op("And", [a, b]));
  const all = probabilities(outputs);
  const label = builder.op("ArgMax", [all], { axis: 2, keepdims: 0 });
  const score = builder.max(all, 2);
  const candidate = both(
    builder.op("Less", [label, builder.ints(classes.length)]),
    builder.op("Greater", [score, builder.scalar(rules.objectThreshold)]),
  );

  const sigmoid = flat(builder, maskProbability(builder, enlarged(outputs, masks)));
  const claims = numbers(builder.op("GreaterOrEqual", [sigmoid, builder.scalar(0.5)]));
  const weighted = builder.op("Mul", [builder.unsqueeze(score, 2), sigmoid]);
  const rivals = builder.op("Where", [builder.unsqueeze(candidate, 2), weighted, builder.scalar(-1)]);
  const owner = builder.op("ArgMax", [rivals], { axis: 1, keepdims: 0 });
  const numbered = builder.literals.integers(range(queries), [1, queries, 1]);
  const owned = numbers(builder.op("Equal", [builder.unsqueeze(owner, 1), numbered]));
  const kept = rules.panoptic === "won" ? owned : builder.op("Mul", [owned, claims]);
  const claimed = builder.sum(claims, 2);
  const share = builder.op("Div", [builder.sum(owned, 2), builder.op("Max", [claimed, one])]);
  const stays = both(
    candidate,
    builder.op("Greater", [claimed, zero]),
    builder.op("Greater", [builder.sum(kept, 2), zero]),
    builder.op("GreaterOrEqual", [share, builder.scalar(rules.overlapThreshold)]),
  );

  const ids = segmentIds(outputs, label, stays);
  const ofOwner = builder.op("GatherElements", [ids, owner], { axis: 1 });
  const pixels = builder.op("Mul", [ofOwner, builder.sum(kept, 1)]);
  /** Of each id the best of its queries' values, where `none` is that of an id that no segment has. */
  const bySegment = (values: string, none: number) => {
    const everyId = builder.literals.floats(range(queries + 1), [1, queries + 1, 1]);
    const isOf = builder.op("Equal", [builder.unsqueeze(ids, 1), everyId]);
    const isSegment = both(isOf, builder.op("Greater", [builder.unsqueeze(ids, 1), zero]));
    return builder.max(builder.op("Where", [isSegment, builder.unsqueeze(values, 1), builder.scalar(none)]), 2);
  };
  const labels = builder.cast(bySegment(builder.cast(label, "float32"), -1), "int64");
  return [
    output("panoptic", "int64", ["batch", ...sidesOf(image)], builder.cast(pixelwise(outputs, pixels), "int64")),
    output("panoptic_labels", "int64", ["batch", queries + 1], labels),
    output("panoptic_scores", "float32", ["batch", queries + 1], bySegment(score, 0)),
  ];
}

/** Ids 1, 2, .. in the order of the queries, float32 [N, Q], 0 for those that do not stay; stuff of a class has one. */
function segmentIds({ builder, rules: { classes } }: Outputs, label: string, stays: string): string {
  const staying = builder.cast(stays, "float32");
  const isStuff = builder.literals.floats([...classes.map(({ isThing }) => Number(!isThing)), 0]);
  const stuff = builder.op("Mul", [staying, builder.op("Gather", [isStuff, label])]);
  const same = builder.op("Equal", [builder.unsqueeze(label, 2), builder.unsqueeze(label, 1)]);
  // [N, Q, Q]: earlier queries that are stuff of the same class.
  const before = builder.op("Trilu", [builder.cast(same, "float32"), builder.literals.integers([-1], [])], {
    upper: 0,
  });
  const earlier = builder.op("Mul", [before, builder.unsqueeze(stuff, 1)]);
  const isFirst = builder.cast(builder.op("Equal", [builder.max(earlier, 2), builder.scalar(0)]), "float32");
  const first = builder.op("Mul", [staying, isFirst]);
  const counted = builder.op("CumSum", [first, builder.literals.integers([1], [])]);
  const own = builder.op("Mul", [counted, first]);
  const joined = builder.op("Squeeze", [builder.op("MatMul", [earlier, builder.unsqueeze(own, 2)]), builder.ints(2)]);
  return builder.op("Add", [own, builder.op("Mul", [joined, staying])]);
}

const FORMS: Readonly<Record<Task, (outputs: Outputs) => FileOutput[]>> = { semantic, instance, panoptic };

/** Adds a form of answer to the model. */
export const addForm = (form: Task, outputs: Outputs): FileOutput[] => FORMS[form](outputs);
