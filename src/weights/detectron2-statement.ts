/** @file What detectron2's configuration beside weights says of Mask2Former and its relatives (their config.py). */

import { basename } from "node:path";
import { z } from "zod";
import { detectron2Config } from "../checkpoint/configuration-files.js";
import { InputError } from "../core/errors.js";
import { TASKS, type Task } from "../masks/segmentation.js";
import type { Statement } from "./statement.js";

/** What is of another type is as if it were not there. */
const number = z.number().optional().catch(undefined);
const count = z.int().min(1).optional().catch(undefined);
const flag = z.boolean().optional().catch(undefined);
const text = z.string().optional().catch(undefined);

const testSchema = z
  .object({
    SEMANTIC_ON: flag,
    INSTANCE_ON: flag,
    PANOPTIC_ON: flag,
    TASK: text,
    OBJECT_MASK_THRESHOLD: number,
    OVERLAP_THRESHOLD: number,
  })
  .optional()
  .catch(undefined);

const headSchema = z
  .object({
    NHEADS: count,
    PRE_NORM: flag,
    CLASS_WEIGHT: number,
    MASK_WEIGHT: number,
    DICE_WEIGHT: number,
    NO_OBJECT_WEIGHT: number,
    TRAIN_NUM_POINTS: count,
    OVERSAMPLE_RATIO: number,
    IMPORTANCE_SAMPLE_RATIO: number,
    TEST: testSchema,
  })
  .optional()
  .catch(undefined);

const configSchema = z.object({
  MODEL: z.object({
    BACKBONE: z.object({ NAME: text }).optional().catch(undefined),
    RESNETS: z.object({ STRIDE_IN_1X1: flag, RES5_DILATION: count }).optional().catch(undefined),
    SWIN: z.object({ DROP_PATH_RATE: number }).optional().catch(undefined),
    MASK_FORMER: headSchema,
    ONE_FORMER: headSchema,
    TEST: testSchema,
  }),
  INPUT: z.object({ MIN_SIZE_TEST: count, MAX_SIZE_TEST: count }).optional().catch(undefined),
  DATASETS: z
    .object({ TEST: z.array(z.string()).optional().catch(undefined) })
    .optional()
    .catch(undefined),
  TEST: z.object({ DETECTIONS_PER_IMAGE: count }).optional().catch(undefined),
});
type Head = NonNullable<z.output<typeof headSchema>>;
type Test = NonNullable<z.output<typeof testSchema>>;

/** The widest of the tasks that are on, or the one that a OneFormer is asked for. */
function taskOf({ TASK, SEMANTIC_ON, INSTANCE_ON, PANOPTIC_ON }: Test): Task | undefined {
  const asked = TASKS.find((task) => task === TASK);
  const on = { panoptic: PANOPTIC_ON, instance: INSTANCE_ON, semantic: SEMANTIC_ON };
  return asked ?? (["panoptic", "instance", "semantic"] as const).find((task) => on[task]);
}

function criterionOf(head: Head): Statement["criterion"] {
  const { CLASS_WEIGHT, MASK_WEIGHT: mask, DICE_WEIGHT: dice, NO_OBJECT_WEIGHT: noObject } = head;
  const { TRAIN_NUM_POINTS: points, OVERSAMPLE_RATIO: oversampling, IMPORTANCE_SAMPLE_RATIO: importance } = head;
  if (mask === undefined || dice === undefined || noObject === undefined) return undefined;
  return { weights: { class: CLASS_WEIGHT ?? 1, mask, dice }, noObject, points, oversampling, importance };
}

/** Their weights have the same names and shapes, and would be taken for what is built here. */
function refuseVariants({ MODEL: { BACKBONE, RESNETS } }: z.output<typeof configSchema>, head: Head, where: string) {
  const isResNet = BACKBONE?.NAME?.toLowerCase().includes("resnet") ?? false;
  const variants = [
    ["MODEL.RESNETS.STRIDE_IN_1X1", isResNet ? RESNETS?.STRIDE_IN_1X1 : undefined, false],
    ["MODEL.RESNETS.RES5_DILATION", isResNet ? RESNETS?.RES5_DILATION : undefined, 1],
    ["MODEL's PRE_NORM", head.PRE_NORM, false],
  ] as const;
  for (const [key, found, usual] of variants) {
    if (found === undefined || found === usual) continue;
    throw new InputError({ where, expected: `${key} ${usual}: others are not built here`, found: String(found) });
  }
}

/**
 * The configuration beside a file; undefined where there is none. Keys that are not known are left.
 * @throws InputError for one that cannot be read, or of a model that is not built here
 */
export async function detectron2Statement(file: string): Promise<Statement | undefined> {
  const found = await detectron2Config(file);
  if (!found) return undefined;
  const { path, missingBase } = found;
  const config = configSchema.parse(found.config);
  const { MODEL, INPUT, DATASETS, TEST } = config;
  const head: Head = MODEL.MASK_FORMER ?? MODEL.ONE_FORMER ?? {};
  refuseVariants(config, head, path);
  const test: Test = head.TEST ?? MODEL.TEST ?? {};
  return {
    from: `${basename(path)}${missingBase === undefined ? "" : ` without ${missingBase}, which is not there`}`,
    task: taskOf(test),
    dataset: DATASETS?.TEST?.[0],
    heads: head.NHEADS,
    dropPath: MODEL.SWIN?.DROP_PATH_RATE,
    shortEdge: INPUT?.MIN_SIZE_TEST,
    longEdge: INPUT?.MAX_SIZE_TEST,
    objectThreshold: test.OBJECT_MASK_THRESHOLD,
    overlapThreshold: test.OVERLAP_THRESHOLD,
    topK: TEST?.DETECTIONS_PER_IMAGE,
    criterion: criterionOf(head),
  };
}
