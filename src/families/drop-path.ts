/**
 * @file The form of a model that trains: residual branches of its backbone are scaled by factors that are drawn for
 * each image.
 */

import type { Graph } from "../graph/graph.js";
import { type EncoderArchitecture, familyOf } from "./families.js";

/** Graph input with the factors [N, blocks, 2]. */
export const KEEP = "keep";

/** Residual blocks of the backbone and the rate of the last one; undefined where nothing is dropped. */
export function dropPathOf(model: EncoderArchitecture): { blocks: number; rate: number } | undefined {
  const backbone = familyOf(model).backboneOf(model);
  if (backbone.kind !== "swin" || backbone.dropPath === 0) return undefined;
  return { blocks: backbone.depths.reduce((a, b) => a + b), rate: backbone.dropPath };
}

/** The model with KEEP as an input of `graph` for `images` images, where it has drop path. */
export function withDropPath<T extends EncoderArchitecture>(graph: Graph, model: T, images: number): T {
  const family = familyOf(model);
  const backbone = family.backboneOf(model);
  const drop = dropPathOf(model);
  if (!drop || backbone.kind !== "swin") return model;
  const keep = graph.input(KEEP, "float32", [images, drop.blocks, 2]);
  return family.withBackbone(model, { ...backbone, keep });
}
