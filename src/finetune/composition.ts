/**
 * @file From the settings of a fine-tuning run to the options of its parts. Below this file nobody sees a settings
 * object.
 */

import { groupNames } from "../checkpoint/names/group-names.js";
import { InputError } from "../core/errors.js";
import { type Reporter, SILENT } from "../core/reporter.js";
import { show } from "../core/show.js";
import { plural, someOf } from "../core/text.js";
import { type LabelledViewRule, largeScaleJitterView, shortestEdgeView } from "../data/labelled-view.js";
import { type Architecture, familyOf } from "../families/families.js";
import { partOf, prefixOf } from "../families/family.js";
import type { ClassFacts } from "../families/training.js";
import type { SegmentationClass, Task } from "../masks/segmentation.js";
import { backboneForInference } from "../models/backbone.js";
import type { Declaration } from "../nn/scope.js";
import { modelArchitecture } from "../run/architecture.js";
import { optimOptions } from "../run/optim-options.js";
import type { Runtime } from "../runtime/contract.js";
import type { TrainingState } from "../train/training-state.js";
import type { ModelDescription } from "../weights/model-description.js";
import { describeStart, freshWeights, type StartingWeights } from "../weights/starting-weights.js";
import type { CriterionOptions } from "./criterion-options.js";
import { Finetuner, type FinetunerOptions } from "./finetuner.js";
import type { SegmentationOptions } from "./segmentation.js";
import type { FinetuneSettings } from "./settings.js";
import { weightsFrom } from "./starting-weights.js";

export function architectureOf({ model, decoder, run }: FinetuneSettings, classes: number): Architecture {
  return modelArchitecture(model, decoder, classes, run.recompute);
}

/** What a checkpoint says of its model. */
export function describeModel(
  settings: FinetuneSettings,
  { task, classes }: { task: Task; classes: readonly SegmentationClass[] },
): ModelDescription {
  return {
    task,
    classes,
    architecture: architectureOf(settings, classes.length),
    inference: settings.inference,
    criterion: criterionOptions(settings),
  };
}

function criterionOptions({ criterion }: FinetuneSettings): CriterionOptions {
  const { points, oversampling, importance, noObject, classWeight, maskWeight, diceWeight } = criterion;
  const weights = { class: classWeight, mask: maskWeight, dice: diceWeight };
  return { points, oversampling, importance, noObject, weights };
}

/** A backbone that stays as it is has no batch statistics, drops nothing and needs nothing again. */
function withFrozenBackbone(model: Architecture): Architecture {
  const family = familyOf(model);
  return family.withBackbone(model, backboneForInference(family.backboneOf(model)));
}

/** The segmentation that a run trains. */
export function segmentationOptions(settings: FinetuneSettings, classes: number): SegmentationOptions {
  const { freeze: frozen } = settings.optim;
  const model = architectureOf(settings, classes);
  return {
    architecture: frozen.includes("backbone") ? withFrozenBackbone(model) : model,
    frozen,
    criterion: criterionOptions(settings),
    microBatch: settings.run.microBatch,
    size: settings.data.crop,
  };
}

/** What of each training image is seen. */
export function trainingView({ data }: FinetuneSettings): LabelledViewRule {
  const [height, width] = data.crop;
  if (data.view === "large-scale-jitter") {
    return largeScaleJitterView({ width, height, scale: data.jitter, flip: data.flip });
  }
  const { shortEdges: sizes, longEdge: maxSize, flip, colorJitter: color } = data;
  return shortestEdgeView({ sizes, maxSize, crop: { width, height }, flip, color });
}

/** `steps`: length of the whole run. */
export function finetunerOptions(
  settings: FinetuneSettings,
  classes: readonly ClassFacts[],
  steps: number,
): FinetunerOptions {
  const { model, run } = settings;
  const { freeze, ...learning } = settings.optim;
  const optim = optimOptions(learning, familyOf(model).prefixes);
  const segmentation = segmentationOptions(settings, classes.length);
  const task = settings.data.task ?? "panoptic"; // before data has decided it
  return { ...segmentation, classes, task, optim, steps, seed: run.seed, batch: run.batch };
}

/**
 * The weights before the first step, of all that are `declared`; `classes`: those of the data, where weights depend on
 * them.
 * @throws InputError when those of another place do not fit
 */
export async function startingWeights(
  { from, model, run }: FinetuneSettings,
  declared: ReadonlyMap<string, Declaration>,
  { classes, reporter }: { readonly classes?: readonly ClassFacts[]; readonly reporter: Reporter },
): Promise<StartingWeights> {
  const { run: location, step, part, parts, classes: classRule } = from;
  const { seed } = run;
  if (location === null) return freshWeights(declared, seed);
  const reading = { step: step ?? undefined, part: part ?? undefined, reporter };
  const names = classes?.map(({ name }) => name);
  return weightsFrom({ location, ...reading, parts, family: model.family, classes: names, classRule, seed }, declared);
}

/** Sentences on parts that neither come from anywhere nor train. */
function frozenAndRandom({ fresh, source }: StartingWeights, { model, optim }: FinetuneSettings): string[] {
  const { prefixes } = familyOf(model);
  return optim.freeze.flatMap((part) => {
    const random = fresh.filter((name) => partOf(prefixes, name) === part);
    if (random.length === 0) return [];
    const some = groupNames(random.map((name) => name.slice(prefixOf(prefixes[part], name)?.length)));
    const what = `${plural(random.length, "weight")} of it (${someOf(some, 3)})`;
    const way = source ? "Start from weights that have it, or let it train." : "Start from weights with --from.";
    return `The ${part} is frozen, and ${what} were not loaded: they stay random. ${way}`;
  });
}

export interface FinetunerPlan {
  /** Of the data. */
  readonly classes: readonly ClassFacts[];
  /** Length of the whole run. */
  readonly steps: number;
  /** What a run goes on from; by default it begins with the weights that the settings say. */
  readonly state?: TrainingState;
  /** Is told of these weights, before the first step. */
  readonly onStart?: (start: StartingWeights) => void;
  readonly reporter?: Reporter;
}

/**
 * A fine-tuner of the model that the settings describe.
 * @throws InputError when there are no classes, or weights are to be taken over and do not fit
 */
export function createFinetuner(
  runtime: Runtime,
  settings: FinetuneSettings,
  { classes, steps, state, onStart, reporter = SILENT }: FinetunerPlan,
): Promise<Finetuner> {
  if (!Array.isArray(classes)) {
    const expected = "the classes of the data, as a labelled source has them";
    throw new InputError({ where: "createFinetuner classes", expected, found: show(classes) });
  }
  const options = finetunerOptions(settings, classes, steps);
  return Finetuner.create(runtime, options, async (declared) => {
    if (state) return state;
    const start = await startingWeights(settings, declared, { classes, reporter });
    reporter.say(describeStart(start, settings.model.family));
    for (const warning of frozenAndRandom(start, settings)) reporter.warn(warning);
    onStart?.(start);
    return { model: start.weights, target: new Map(), optimizer: new Map() };
  });
}
