/** @file What a file of weights that this program wrote says of its model, in the metadata of its header. */

import { z } from "zod";
import { TASKS } from "../masks/segmentation.js";
import { withModel } from "../run/model-presets.js";
import { type ModelSettings, modelSection } from "../run/model-settings.js";
import type { ModelDescription } from "./model-description.js";
import type { Statement } from "./statement.js";

/** Name of the entry of the metadata. */
const KEY = "mask-jepa";

export interface OwnFacts {
  readonly settings: ModelSettings;
  /** Of a whole model: what its classes are, and how it predicts. */
  readonly statement?: Statement;
}

const byte = z.int().min(0).max(255);
const count = z.int().min(1);
const share = z.number().min(0).max(1);
const statementSchema = z.object({
  task: z.enum(TASKS),
  classes: z.array(
    z.object({ id: z.int().min(0), name: z.string(), isThing: z.boolean(), color: z.tuple([byte, byte, byte]) }),
  ),
  inference: z.object({
    shortEdge: count,
    longEdge: count,
    window: z.int().min(0).optional(),
    objectThreshold: share,
    overlapThreshold: share,
    topK: count,
  }),
  criterion: z
    .object({
      weights: z.object({ class: z.number(), mask: z.number(), dice: z.number() }),
      noObject: z.number(),
      points: z.number().optional(),
      oversampling: z.number().optional(),
      importance: z.number().optional(),
    })
    .optional(),
  whiteLevel: z.number().gt(0).optional(),
});
const factsSchema = z.object({ settings: modelSection, model: statementSchema.optional() });

/**
 * The entry of the metadata for a model, in a file that makes it one of `family` where that is another; none for
 * settings that are not all there.
 */
export function ownMetadata(
  settings: unknown,
  description: ModelDescription | undefined,
  family?: string,
): Record<string, string> {
  const own = modelSection.safeParse(settings);
  if (!own.success) return {};
  const parsed = modelSection.safeParse(withModel({ model: own.data }, { family: description && family }).model);
  if (!parsed.success) return {};
  const model = description && { ...description, architecture: undefined };
  return { [KEY]: JSON.stringify({ settings: parsed.data, model }) };
}

/** What a header's metadata says; undefined where it says nothing that can be understood. */
export function ownFacts(metadata: ReadonlyMap<string, string>): OwnFacts | undefined {
  const parsed = factsSchema.safeParse(jsonOf(metadata.get(KEY)));
  if (!parsed.success) return undefined;
  const { settings, model } = parsed.data;
  if (!model) return { settings };
  const { inference, ...others } = model;
  return { settings, statement: { from: "the file itself", ...others, ...inference } };
}

function jsonOf(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? "null");
  } catch {
    return undefined;
  }
}
