/**
 * @file Semantic labels of which all but one class are ignored: a model of them learns to say that class everywhere.
 */

import { InputError } from "../../core/errors.js";
import { IGNORED } from "../../masks/segmentation.js";
import type { LabelledSplit } from "./split.js";

/** Label maps that are read to see what occurs. */
const LOOKED_AT = 8;

/** @param occurring indices of the classes that occur */
export function oneClassRemark(
  { classes, ifOneClass }: Pick<LabelledSplit, "classes" | "ifOneClass">,
  occurring: readonly number[],
): string | undefined {
  if (occurring.length !== 1) return undefined;
  const { name } = classes[occurring[0]];
  const remark = `every labelled pixel is "${name}" and all others are ignored: there is nothing to tell apart.`;
  return ifOneClass ? `${remark} ${ifOneClass}` : remark;
}

/** Looks at a few label maps, spread over a semantic source, for one class beside ignored pixels. */
export async function suspectOneClass(source: LabelledSplit): Promise<string | undefined> {
  if (source.task !== "semantic") return undefined;
  const found = new Set<number>();
  const count = Math.min(LOOKED_AT, source.length);
  for (let i = 0; i < count; i++) {
    try {
      const { labels } = await source.semantic(Math.floor((i * source.length) / count));
      for (const label of labels) found.add(label);
    } catch (error) {
      if (!(error instanceof InputError)) throw error; // whoever trains on it reports it
    }
  }
  const remark = found.delete(IGNORED) ? oneClassRemark(source, [...found]) : undefined;
  return remark && `In ${count} label maps that were looked at, ${remark}`;
}
