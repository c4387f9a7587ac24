/** @file Classes of published weights that nothing describes: those of the data that they are judged on. */

import type { Reporter } from "../core/reporter.js";
import type { LabelledSource } from "../data/labelled-source.js";
import type { LoadedModel } from "../predict/trained-model.js";

/**
 * The model with the data's classes, in their order, where nothing names its own; with what the data counts as a thing,
 * where nothing says that of the same names. The reporter is told.
 */
export function withClassesOf(
  { classes }: Pick<LabelledSource, "classes">,
  model: LoadedModel,
  { where, reporter }: { readonly where: string; readonly reporter: Reporter },
): LoadedModel {
  if (!model.assumed?.has("classes") || model.classes.length !== classes.length) return model;
  const isNameless = model.assumed.has("names");
  if (!isNameless && !classes.every(({ name }, i) => name === model.classes[i].name)) return model;
  const taken = isNameless ? "The data's classes are taken in their order" : "What is a thing is taken from the data";
  reporter.say(`${taken}: nothing says that of ${where}.`);
  return { ...model, classes };
}
