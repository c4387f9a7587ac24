/** @file The models that are fine-tuned and used: ResNet-50 with frozen norms or Swin-T, sizes of COCO panoptic. */

import type { TensorData } from "../src/core/tensor-data.js";
import { COCO_CLASSES } from "../src/data/datasets/coco-classes.js";
import { type Architecture, familyOf } from "../src/families/families.js";
import { segment } from "../src/families/family.js";
import { architectureOf } from "../src/finetune/composition.js";
import { PRESET_NAMES } from "../src/finetune/presets.js";
import type { FinetuneSettings } from "../src/finetune/settings.js";
import { resolveSettings } from "../src/finetune/settings-resolution.js";
import { Graph } from "../src/graph/graph.js";
import { asInputs, type Declaration, Parameters } from "../src/nn/scope.js";
import { conditionInputs } from "../src/predict/model-graph.js";
import type { Problem } from "./job.js";

/** Longest side in the network, of the shorter one. */
const LONG_EDGE = 1333 / 800;
/**
 * Share of its pixels that a segment must own: random masks overlap more than trained ones, so less than the usual 0.8.
 */
const OVERLAP = 0.2;

/** Images of a micro-batch of OneFormer, which it contrasts with each other, as on each of its authors' GPUs. */
const CONTRASTED = 2;

/** The optimiser of the other side, whose learning rate is constant. */
const OPTIMISER = [
  "optim.lr=1e-4",
  "optim.weightDecay=0.05",
  "optim.backboneLrFactor=0.1",
  "optim.warmup=0",
  "optim.clip=0.01",
];

/** Images that a core of our side computes at once. */
export const microBatchOf = ({ job, family }: Pick<Problem, "job" | "family">): number =>
  family === "oneformer" && job === "finetune" ? CONTRASTED : 1;

/** The published settings at the size of the problem; Mask2Former's for a model of a family that has none of its own. */
export function cocoSettings({ job, family, backbone, size, images, cores, recompute }: Problem): FinetuneSettings {
  const sets = [
    `data.crop=[${size}, ${size}]`,
    `inference.shortEdge=${size}`,
    `inference.longEdge=${Math.floor(LONG_EDGE * size)}`,
    `inference.overlapThreshold=${OVERLAP}`,
    `run.batch=${images}`,
    `run.microBatch=${microBatchOf({ job, family })}`,
    `run.cores=${cores}`,
    ...OPTIMISER,
  ];
  if (recompute) sets.push(`run.recompute=${JSON.stringify(recompute)}`);
  // The other side would drop others.
  if (backbone === "swin-t") sets.push("model.dropPath=0");
  if (family === "maskformer" || family === "oneformer") sets.push("model.dropout=0");
  if (family === "oneformer" && job === "inference") sets.push("model.contrastiveWeight=0");
  const data = `${backbone === "swin-t" ? backbone : "r50"}-coco`;
  const names = [`${family}-${data}-panoptic`, `${family}-${data}`].filter((name) => PRESET_NAMES.includes(name));
  if (names.length > 0) return resolveSettings({ preset: names[0], sets });
  return resolveSettings({ preset: `mask2former-${data}-panoptic`, sets: [`model.family=${family}`, ...sets] });
}

/** The model of the problem, without its weights. */
export const cocoModel = (problem: Problem): Architecture => architectureOf(cocoSettings(problem), COCO_CLASSES.length);

/** All weights that the job of the problem needs, those of the norms included. */
export function cocoDeclarations(problem: Problem): Declaration[] {
  const graph = new Graph("weights");
  const parameters = new Parameters(asInputs(graph));
  const model = cocoModel(problem);
  const family = familyOf(model);
  const [images, side] = [1, 32];
  const asked =
    problem.job === "inference"
      ? conditionInputs(model)
      : (family.training?.inputs(model, { images, size: [side, side] }) ?? new Map());
  const own = new Map([...asked].map(([name, { dtype, shape }]) => [name, graph.input(name, dtype, shape)]));
  segment(family, parameters.root, graph.input("images", "float32", [images, 3, side, side]), model, own);
  return [...parameters.declarations.values()];
}

const DECODER = "sem_seg_head.predictor";
const ENCODER = "sem_seg_head.pixel_decoder.transformer.encoder.layers";
const MASK_FEATURES = "sem_seg_head.pixel_decoder.mask_features";
/** Factor of the queries' positions. */
const APART = 8;
/** The mask logits of all queries are lower by this. */
const SHIFT = 8;
/** Of the class logits of "no object". */
const NO_OBJECT = 20;

/**
 * Random weights make all queries alike, unsure of their class and with masks over the whole image. These make what
 * inference sees of a trained model: half of the queries choose "no object", a fifth are sure of a class, masks cover
 * parts of the image.
 */
export function sharpen(weights: ReadonlyMap<string, TensorData<"float32">>): void {
  const valuesOf = (name: string) => (weights.get(name) as TensorData<"float32">).data;
  const scale = (name: string, factor: number) =>
    valuesOf(name).forEach((x, i, data) => {
      data[i] = factor * x;
    });
  // A query stays what it is, whatever it attends to, and so does a place of the map that MaskFormer's encoder sees.
  const calm = [`${DECODER}.transformer_`, ...(weights.has(`${ENCODER}.0.self_attn.out_proj.weight`) ? [ENCODER] : [])];
  for (const name of weights.keys()) {
    const isIn = calm.some((prefix) => name.startsWith(prefix));
    if (isIn && /(out_proj|linear2)\.weight$/.test(name)) scale(name, 0.1);
  }
  // Where positions alone tell queries apart, each looks at a place of its own.
  if (!weights.has(`${DECODER}.query_feat.weight`)) scale(`${DECODER}.query_embed.weight`, APART);
  scale(`${DECODER}.class_embed.weight`, 10);
  valuesOf(`${DECODER}.class_embed.bias`)[COCO_CLASSES.length] += NO_OBJECT;
  const embedding = `${DECODER}.mask_embed.layers.2`;
  scale(`${embedding}.weight`, 4);
  // Mask features without a mean (that of a normed ReLU is 0.4), but for the first one: it is 1, and only shifts the
  // masks.
  const [kernel, bias] = [valuesOf(`${MASK_FEATURES}.weight`), valuesOf(`${MASK_FEATURES}.bias`)];
  const width = bias.length;
  const taps = kernel.length / width;
  for (let c = 0; c < width; c++) bias[c] = -0.4 * kernel.subarray(c * taps, (c + 1) * taps).reduce((a, b) => a + b);
  kernel.fill(0, 0, taps);
  bias[0] = 1;
  valuesOf(`${embedding}.weight`).fill(0, 0, width);
  valuesOf(`${embedding}.bias`)[0] = -SHIFT;
}
