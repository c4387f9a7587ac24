/**
 * @file What is known of the model that weights belong to: by their tensors, by what lies beside them, or by its
 * family's defaults.
 */

import { basename, dirname } from "node:path";
import { isHubLocation } from "../checkpoint/hub-location.js";
import { describeColours } from "../checkpoint/input-colours.js";
import { describeReport } from "../checkpoint/load-weights.js";
import type { StoredWeights } from "../checkpoint/read-weights.js";
import { InputError } from "../core/errors.js";
import type { Reporter } from "../core/reporter.js";
import { someOf } from "../core/text.js";
import { classList } from "../data/datasets/class-list.js";
import { classesOfDataset, knownClasses } from "../data/datasets/known-classes.js";
import {
  type DecoderSettings,
  FAMILY_NAMES,
  type FamilyName,
  familyOf,
  isFamily,
  sizesOf,
} from "../families/families.js";
import type { SegmentationClass } from "../masks/segmentation.js";
import { modelArchitecture } from "../run/architecture.js";
import { BACKBONES, DECODERS, partsOf, withParts } from "../run/model-presets.js";
import { type BackboneSettings, type ModelSettings, modelConflicts, modelSection } from "../run/model-settings.js";
import { storedModelOf } from "../run/stored-run.js";
import { backboneSizes } from "./backbone-sizes.js";
import { detectron2Statement } from "./detectron2-statement.js";
import { readerOf } from "./families.js";
import type { FamilyReader } from "./family-reader.js";
import { configStatement, preprocessorStatement } from "./huggingface-statements.js";
import { describedModel, type ModelDescription } from "./model-description.js";
import { ownFacts } from "./own-facts.js";
import { placeTask } from "./place-task.js";
import { Shapes } from "./shapes.js";
import { type Statement, Statements } from "./statement.js";

export interface KnownModel {
  /** Undefined where there is none among the tensors. */
  readonly backbone?: BackboneSettings;
  /** Settings of the decoders that are there, their family first; none of a family that is not here. */
  readonly decoders: Partial<DecoderSettings>;
  /** Object queries of a whole model. */
  readonly queries?: number;
  /** Of a whole model, which can predict. */
  readonly description?: ModelDescription;
  /** What was taken from which source, one a line; empty where a run said everything. */
  readonly sources: readonly string[];
  /** What of the description nobody said: of classes, "names", and "classes" what is a thing. */
  readonly assumed: ReadonlySet<keyof Statement>;
}

/** Tells what was read of a file, and what is known of its model by whom; of a run nothing, which knows its model. */
export function announceWeights(
  { run, report }: StoredWeights,
  { sources }: KnownModel,
  { reporter, brief = true }: { readonly reporter: Reporter; readonly brief?: boolean },
): void {
  if (!run) reporter.say(describeReport(report, { brief }));
  if (sources.length > 0) reporter.say(`What is known of this model:${sources.map((line) => `\n  ${line}`).join("")}`);
}

const hasBackbone = (shapes: Shapes) =>
  shapes.has("backbone.patch_embed.proj.weight") || shapes.has("backbone.stem.conv1.weight");

function backboneSettings(shapes: Shapes, statements: Statements): BackboneSettings {
  const sizes = backboneSizes(shapes);
  if (sizes.backbone === "swin") {
    const { embedDim, stageBlocks, stageHeads, window, patch } = sizes;
    statements.note("its tensors", `a Swin Transformer of ${embedDim} channels and ${stageBlocks.join(", ")} blocks`);
    if (patch !== 4) {
      throw new InputError({ where: shapes.source, expected: "patches of 4 pixels", found: String(patch) });
    }
    const dropPath = statements.ask("dropPath") ?? BACKBONES.swin.dropPath;
    return { ...BACKBONES.swin, embedDim, window, dropPath, stageBlocks, stageHeads };
  }
  const { stemChannels, stageBlocks, stageChannels, statistics } = sizes;
  statements.note("its tensors", `a ResNet of ${stageBlocks.join(", ")} blocks`);
  const resnet = BACKBONES.resnet50;
  const stated = statements.ask("backboneNorm");
  const norm = typeof stated === "string" ? stated : statistics ? resnet.norm : "group";
  const backboneNormGroups = typeof stated === "object" ? stated.groups : null;
  return { ...resnet, norm, backboneNormGroups, stemChannels, stageBlocks, stageChannels };
}

/** Whether there can be a model of these sizes. Throws `InputError`. */
function checked(settings: ModelSettings, source: string): ModelSettings {
  const parsed = modelSection.safeParse(settings);
  const [issue] = parsed.error?.issues ?? [];
  if (issue) {
    const found = `model.${issue.path.join(".")} ${issue.message}`;
    throw new InputError({ where: source, expected: "tensors of a model of reasonable sizes", found });
  }
  for (const { expected, found } of modelConflicts({ model: settings })) {
    throw new InputError({ where: source, expected, found });
  }
  return parsed.data as ModelSettings;
}

function classesOf(statements: Statements, count: number, source: string): readonly SegmentationClass[] {
  const stated = statements.ask("classes", (classes) => `${classes.length} classes`);
  if (stated) return stated;
  const names = statements.ask("names", (given) => `names of classes (${someOf(given, 3)})`);
  const dataset = statements.ask("dataset") ?? "";
  const listed = names ? undefined : classesOfDataset(dataset, count);
  if (listed) {
    statements.assumed.delete("classes");
    statements.note(`${dataset}, its data set`, `${listed.name}'s ${count} classes`);
    return listed.classes;
  }
  if (!names) {
    statements.note("nobody", `names of classes (class 0 to class ${count - 1}), each of which counts as a thing`);
    return classList(Array.from({ length: count }, (_, id) => ({ id, name: `class ${id}`, isThing: true })));
  }
  if (names.length !== count) {
    const expected = `names of ${count} classes, as many as its tensors have`;
    throw new InputError({ where: source, expected, found: String(names.length) });
  }
  const known = knownClasses(names);
  if (!known) {
    statements.note("nobody", "which classes are stuff: each counts as a thing");
    return classList(names.map((name, id) => ({ id, name, isThing: true })));
  }
  statements.assumed.delete("classes");
  const things = known.classes.filter(({ isThing }) => isThing).length;
  statements.note(`${known.name}'s list of classes`, `${things} things, ${count - things} stuff, and ids`);
  return known.classes;
}

/** All that is asked for a model that can predict. */
function describe(
  statements: Statements,
  settings: ModelSettings,
  { queries, classes: count }: { readonly queries: number; readonly classes: number },
  source: string,
): ModelDescription {
  const classes = classesOf(statements, count, source);
  const number = (key: "shortEdge" | "longEdge" | "objectThreshold" | "overlapThreshold" | "topK", what: string) =>
    statements.ask(key, (value) => `${what} ${value}`) as number;
  const task = statements.ask("task", (value) => `task ${value}`) as ModelDescription["task"];
  const inference = {
    shortEdge: number("shortEdge", "shorter side"),
    longEdge: number("longEdge", "longer side at most"),
    window: statements.ask("window"),
    objectThreshold: number("objectThreshold", "threshold of queries"),
    overlapThreshold: number("overlapThreshold", "of overlap"),
    topK: number("topK", "instances"),
  };
  const [criterion, whiteLevel] = [statements.ask("criterion"), statements.ask("whiteLevel")];
  const architecture = modelArchitecture(settings, { queries }, count, []);
  return {
    task,
    classes,
    architecture,
    inference,
    ...(criterion && { criterion }),
    ...(whiteLevel !== undefined && { whiteLevel }),
  };
}

/** How colours are normalised; a file of this program, which says everything, need not say it. */
function noteColours({ colours, run }: StoredWeights, statements: Statements, assumedBy: string, isOwn: boolean): void {
  if (colours) statements.note(colours.from, describeColours(colours));
  else if (!run && !isOwn) statements.note(assumedBy, "colours normalised as ImageNet's");
}

/** What lies beside the weights, the most believed first. */
async function statementsBeside(
  { location, path }: StoredWeights,
  reader: FamilyReader,
  defaults: Statement,
): Promise<Statements> {
  const place = isHubLocation(location) ? location : basename(dirname(path));
  const task = placeTask(place) ?? placeTask(basename(path));
  const statements = [
    await configStatement(path, reader.huggingfaceType),
    await preprocessorStatement(path),
    await detectron2Statement(path),
    task && { from: "the name of its place", task },
    defaults,
  ];
  return new Statements(statements.filter((statement) => statement !== undefined));
}

/** What a fine-tuned model's own description says. */
function ownStatement({ architecture, ...description }: ModelDescription): Statement {
  const { transformerDecoder, pixelDecoder } = architecture;
  const backbone = familyOf(architecture).backboneOf(architecture);
  return {
    from: "its run",
    ...description,
    ...description.inference,
    heads: transformerDecoder.heads,
    normGroups: pixelDecoder.normGroups,
    ...(backbone.kind === "swin" ? { dropPath: backbone.dropPath } : { backboneNorm: backbone.norm }),
  };
}

function partsByShapes(
  shapes: Shapes,
  family: FamilyName | undefined,
  statements: Statements,
): Pick<KnownModel, "backbone" | "decoders"> {
  const backbone = hasBackbone(shapes) ? backboneSettings(shapes, statements) : undefined;
  if (!family) return { backbone, decoders: {} };
  statements.note("its tensors", familyOf({ family }).title);
  const heads = statements.ask("heads", (value) => `${value} heads`) as number;
  const normGroups = statements.ask("normGroups", (value) => `norms in ${value} groups`) as number;
  return { backbone, decoders: { family, normGroups, ...readerOf(family).decoders(shapes, heads) } };
}

/**
 * What is known of the model that weights belong to. Their values are not looked at.
 * @throws InputError for tensors of no model that can be built, and for what lies beside them and cannot be read
 */
export async function knownModel(stored: StoredWeights): Promise<KnownModel> {
  const { path, run, shapes: all, report, metadata } = stored;
  const description = run && describedModel(run.state);
  const queries = description && sizesOf(description.architecture).queries;
  const ofRun = run && storedModelOf(path);
  if (ofRun) return { ...partsOf(ofRun), queries, description, sources: [], assumed: new Set() };

  const shapes = new Shapes(all, path, "a whole model");
  const own = ownFacts(metadata);
  const family = own?.settings.family ?? (isFamily(report.family) ? report.family : undefined);
  const reader = readerOf(family ?? FAMILY_NAMES[0]);
  const defaults = { from: `${familyOf({ family: family ?? FAMILY_NAMES[0] }).title}'s defaults`, ...reader.defaults };
  const said = description ? ownStatement(description) : own?.statement;
  const statements = said ? new Statements([said, defaults]) : await statementsBeside(stored, reader, defaults);
  const parts = own ? partsOf(own.settings) : partsByShapes(shapes, family, statements);
  const { assumed } = statements;
  if (description) return { ...parts, queries, description, sources: [], assumed };
  const by = family ? defaults.from : "default";
  if (!family || !parts.backbone || !reader.isWhole(shapes)) {
    noteColours(stored, statements, by, own !== undefined);
    return { ...parts, sources: statements.described, assumed };
  }
  const answer = reader.answer(shapes);
  statements.note("its tensors", `${answer.queries} queries`);
  const whole = checked(withParts({ ...parts.backbone, ...DECODERS }, parts), path);
  const whatItIs = describe(statements, whole, answer, path);
  noteColours(stored, statements, by, own !== undefined);
  return {
    ...parts,
    queries: answer.queries,
    description: whatItIs,
    sources: statements.described,
    assumed,
  };
}
