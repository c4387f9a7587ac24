/** @file What the configuration files of Hugging Face transformers say beside weights (its models/mask2former/). */

import { dirname, join } from "node:path";
import { z } from "zod";
import { jsonBeside } from "../checkpoint/configuration-files.js";
import { InputError } from "../core/errors.js";
import { placeTask } from "./place-task.js";
import type { Statement } from "./statement.js";

const number = z.number().optional().catch(undefined);
/** What is none is as if it were not there. */
const count = z.int().min(1);
const maybeCount = count.optional().catch(undefined);
const configSchema = z.object({
  model_type: z.string().optional().catch(undefined),
  id2label: z.record(z.string().regex(/^\d+$/), z.string()).optional().catch(undefined),
  num_attention_heads: maybeCount,
  backbone_config: z.object({ drop_path_rate: number }).optional().catch(undefined),
  decoder_config: z.object({ decoder_attention_heads: maybeCount }).optional().catch(undefined),
  class_weight: number,
  cross_entropy_weight: number,
  mask_weight: number,
  dice_weight: number,
  no_object_weight: number,
  train_num_points: number,
  oversample_ratio: number,
  importance_sample_ratio: number,
  pre_norm: z.boolean().optional().catch(undefined),
  activation_function: z.string().optional().catch(undefined),
  use_task_norm: z.boolean().optional().catch(undefined),
  _name_or_path: z.string().optional().catch(undefined),
});
type Config = z.output<typeof configSchema>;

const sizeSchema = z.union([
  z.object({ shortest_edge: count, longest_edge: count.nullish() }),
  z.object({ height: count, width: count }),
  count,
]);
const preprocessorSchema = z.object({
  size: sizeSchema.optional().catch(undefined),
  max_size: maybeCount,
  do_resize: z.boolean().optional().catch(undefined),
});

/** Classes by rising index from 0; undefined where one is missing. */
function namesOf({ id2label }: Config): string[] | undefined {
  if (!id2label) return undefined;
  const names = Object.keys(id2label).map((_, i) => id2label[String(i)]);
  return names.includes(undefined as unknown as string) ? undefined : names;
}

function criterionOf(config: Config): Statement["criterion"] {
  const {
    class_weight,
    cross_entropy_weight,
    mask_weight: mask,
    dice_weight: dice,
    no_object_weight: noObject,
  } = config;
  const { train_num_points: points, oversample_ratio: oversampling, importance_sample_ratio: importance } = config;
  const ofClass = class_weight ?? cross_entropy_weight;
  if (ofClass === undefined || mask === undefined || dice === undefined || noObject === undefined) return undefined;
  return { weights: { class: ofClass, mask, dice }, noObject, points, oversampling, importance };
}

/** transformers builds these, and no published weights are of them. */
function refuseVariants(config: Config, where: string): void {
  const usual = { pre_norm: false, activation_function: "relu", use_task_norm: true } as const;
  for (const name of ["pre_norm", "activation_function", "use_task_norm"] as const) {
    const found = config[name] ?? usual[name];
    if (found === usual[name]) continue;
    throw new InputError({ where, expected: `${name} ${usual[name]}`, found: `${name} ${found}` });
  }
}

/** `config.json` of a model of the type; undefined where there is none beside the file. @throws InputError */
export async function configStatement(file: string, modelType: string): Promise<Statement | undefined> {
  const folder = dirname(file);
  const parsed = configSchema.safeParse(await jsonBeside(folder, "config.json"));
  if (!parsed.success || parsed.data.model_type !== modelType) return undefined;
  const config = parsed.data;
  refuseVariants(config, join(folder, "config.json"));
  return {
    from: "config.json",
    names: namesOf(config),
    heads: config.num_attention_heads ?? config.decoder_config?.decoder_attention_heads,
    dropPath: config.backbone_config?.drop_path_rate,
    criterion: criterionOf(config),
    task: placeTask(config._name_or_path ?? ""),
  };
}

/**
 * `preprocessor_config.json`: the size of images, which keep their proportions here whatever it says. @throws
 * InputError
 */
export async function preprocessorStatement(file: string): Promise<Statement | undefined> {
  const parsed = preprocessorSchema.safeParse(await jsonBeside(dirname(file), "preprocessor_config.json"));
  if (!parsed.success || parsed.data.size === undefined) return undefined;
  const { size, max_size: maxSize } = parsed.data;
  const from = "preprocessor_config.json";
  if (typeof size === "number") return { from, shortEdge: size, longEdge: maxSize };
  if ("height" in size) return { from, shortEdge: Math.min(size.height, size.width) };
  return { from, shortEdge: size.shortest_edge, longEdge: size.longest_edge ?? maxSize };
}
