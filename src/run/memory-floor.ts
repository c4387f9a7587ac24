/**
 * @file The least memory that a training step takes, from the settings alone: what cannot fit is refused before
 * anything is built. Only what is certainly there is counted, so a run that passes may still need several times as
 * much.
 */

import type { Conflict } from "../core/settings-conflicts.js";
import type { Grid } from "../core/tensor-data.js";
import { familyOf } from "../families/families.js";
import type { RecomputeBlock } from "../families/settings.js";
import type { ModelSettings } from "./model-settings.js";

/** What a step trains on. */
export interface StepSize {
  readonly model: ModelSettings;
  readonly run: {
    readonly batch: number;
    readonly microBatch: number;
    readonly device: string;
    readonly cores: number;
    readonly recompute: readonly RecomputeBlock[];
  };
  /** Sides of the network's input in pixels. */
  readonly size: Grid;
  /** Images of that size that are kept besides the batch. */
  readonly keptImages?: number;
  /** Numbers that a micro-batch takes besides, e.g. its predictions. */
  readonly extra?: number;
}

const STAGES = [0, 1, 2, 3];
const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);

/** Cells of the maps at strides 8, 16 and 32: the tokens of the pixel decoder. */
const tokensOf = ([height, width]: StepSize["size"]): number => (height * width * 21) / 1024;

/** Cells of the map of one stage of the backbone. */
const cellsOf = ([height, width]: StepSize["size"], stage: number) => (height * width) / 16 / 4 ** stage;

/** Numbers in the matrices of the backbone, without shortcuts, norms and biases. */
function backboneWeights(model: ModelSettings): number {
  if (model.backbone === "swin") {
    return sum(STAGES.map((stage) => model.stageBlocks[stage] * 12 * (model.embedDim * 2 ** stage) ** 2));
  }
  const bottleneck = (channels: number) => 2 * channels * (channels / 4) + 9 * (channels / 4) ** 2;
  return sum(STAGES.map((stage) => (model.stageBlocks[stage] - 1) * bottleneck(model.stageChannels[stage])));
}

/** Numbers in the matrices of the model, at least. */
export const leastWeights = (model: ModelSettings): number =>
  backboneWeights(model) + familyOf(model).settings.least.weights(model);

/** Numbers that one image's backward pass reads of its forward pass, at least. */
function leastActivations({ model, run, size }: Pick<StepSize, "model" | "run" | "size">): number {
  const again = run.recompute.includes("backbone");
  // Of a block: what comes out, and inside a bottleneck two maps of a quarter of its channels, or ten rows of a Swin
  // block.
  const backbone = STAGES.map((stage) => {
    const channels = model.backbone === "swin" ? model.embedDim * 2 ** stage : model.stageChannels[stage];
    const inside = again ? 0 : model.backbone === "swin" ? 10 : 0.5;
    return (model.stageBlocks[stage] - 1) * cellsOf(size, stage) * channels * (1 + inside);
  });
  return sum(backbone) + familyOf(model).settings.least.activations(model, size, run.recompute);
}

/**
 * Bytes of memory of a step, at least; for a GPU only what lies in the computer's own memory.
 * @param cores of the machine, where a run takes all
 */
export function leastMemory({ model, run, size, keptImages = 0, extra = 0 }: StepSize, cores = 1): number {
  const lanes = Math.min(run.cores || cores, run.batch / run.microBatch);
  const weights = leastWeights(model);
  const images = (run.batch + keptImages) * 3 * size[0] * size[1];
  // Weights and two moments of them; in each lane the gradients and what they are computed from.
  const lane = weights + run.microBatch * leastActivations({ model, run, size }) + extra;
  return 4 * (weights + images + (run.device === "cpu" ? 2 * weights + lanes * lane : 0));
}

/** Numbers of one map of tokens: a step of what exceeds this takes hundreds of GiB. */
const MAX_FEATURES = 2 ** 25;
/** Rows that Swin windows are dealt out from. */
const MAX_ROWS = 2 ** 23;

const show = (n: number) => Math.ceil(n).toLocaleString("en-US");

/**
 * Micro-batches whose maps are so large that not even a dry run plans them; `name`: the setting with the images' size.
 */
export function* sizeConflicts({ model, run, size }: StepSize, name: string): Generator<Conflict> {
  const images = `run.microBatch ${run.microBatch}, ${size.join("x")} pixels`;
  const fix = "Take smaller images, fewer of them at once, or a smaller model.";
  const features = run.microBatch * tokensOf(size) * model.hiddenDim;
  if (features > MAX_FEATURES) {
    yield {
      names: [name, "run.microBatch", "model.hiddenDim"],
      expected: `at most ${show(MAX_FEATURES)} numbers in a map of features: images * pixels * 21/1024 * channels`,
      found: `${show(features)} (${images}, model.hiddenDim ${model.hiddenDim})`,
      fix,
    };
  }
  if (model.backbone !== "swin") return;
  const rows = STAGES.map((stage) => 3 * run.microBatch * cellsOf(size, stage) * model.stageHeads[stage]);
  if (Math.max(...rows) > MAX_ROWS) {
    yield {
      names: [name, "run.microBatch", "model.stageHeads"],
      expected: `at most ${show(MAX_ROWS)} rows of a stage's windows: 3 * images * tokens * heads`,
      found: `${show(Math.max(...rows))} (${images}, model.stageHeads ${model.stageHeads.join(", ")})`,
      fix,
    };
  }
}
