/**
 * @file Settings of one run: preset, then file, then `--set`, then flags; the resolved settings are stored in the run.
 */

import { dirname } from "node:path";
import type { z } from "zod";
import { InputError, suggestion } from "../core/errors.js";
import { type Reporter, SILENT } from "../core/reporter.js";
import {
  type Assignment,
  changedSettings,
  mergeSettings,
  parseSet,
  settingsToYaml,
  valueAt,
  type WhereOf,
} from "../core/settings-file.js";
import { type ListedSetting, listSettings } from "../core/settings-list.js";
import { readAssignments } from "../io/settings-file.js";
import { type ModelParts, withModel } from "./model-presets.js";
import type { ModelSettings } from "./model-settings.js";
import { SETTINGS_HEADING } from "./run-files.js";

/** What a user asks for over a preset or over a stored run; later fields win. */
export interface SettingsOverrides {
  /** YAML file; its key `preset` chooses the preset unless the command line does. */
  file?: string;
  /** `section.key=value`, as after `--set`. */
  sets?: readonly string[];
  /** From dedicated flags such as `--batch 8`. */
  flags?: readonly Assignment[];
}

/** The model of weights that a run begins with, as far as it is known. */
export interface WeightsSettings {
  readonly parts: ModelParts;
  /** Object queries, where the weights have some. */
  readonly queries?: number;
}

/** Where the weights are that a run begins with, and which of several. */
export interface WeightsAskedFor {
  readonly location: string;
  readonly part?: string;
}

export interface NewRun extends SettingsOverrides {
  preset?: string;
  /** What is known of the weights at `from.run`, where that is no run with settings of its own. */
  weights?: WeightsSettings;
}

export interface SettingsList {
  /** The name of the preset below everything else. */
  readonly preset: string;
  /** Whether nobody asked for that preset. */
  readonly isDefault: boolean;
  readonly settings: readonly ListedSetting[];
  /** What a run with these settings would be refused for. */
  readonly conflict?: string;
}

export interface AskedFor {
  readonly preset: string;
  /** Whether nobody asked for that preset. */
  readonly isDefault: boolean;
  readonly assignments: readonly Assignment[];
  readonly weights?: WeightsSettings;
}

/** A kind of run: its settings and how they are checked. */
export interface SettingsKind<S extends z.ZodObject> {
  readonly schema: S;
  readonly presets: Readonly<Record<string, z.output<S>>>;
  readonly defaultPreset: string;
  /** The settings that a preset means beside what the user asks for, e.g. the model of the weights that are given. */
  readonly adapt?: (preset: z.output<S>, asked: AskedFor) => z.output<S>;
  /** Throws InputError for settings that disagree. */
  readonly check: (settings: z.output<S>, whereOf: WhereOf) => void;
  /** Makes the paths among the settings absolute, in place. */
  readonly resolvePaths: (settings: z.output<S>) => void;
  /** Names of the settings that may change when a run is resumed: no step that it has taken depends on them. */
  readonly resumable: readonly string[];
}

export interface SettingsResolution<T> {
  /**
   * Settings of a new run. Paths become absolute. `reporter` is told of what follows from what was asked for.
   * @throws InputError for an unknown name or preset, a bad value, or settings that disagree
   */
  resolve(options?: NewRun, reporter?: Reporter): T;
  /**
   * Where the weights are that a new run would begin with; undefined where none are asked for. Nothing else is checked.
   */
  weightsAskedFor(options: NewRun): WeightsAskedFor | undefined;
  /**
   * The same settings for a person to read. Those that disagree are told as `conflict`, not refused.
   * @throws InputError for an unknown name or preset, or a bad value
   */
  list(options?: NewRun): SettingsList;
  /** The stored settings of a run: complete, and checked like any others. @throws InputError */
  load(file: string): T;
  /**
   * Settings to go on with: the stored ones, with overrides only where they change no number.
   * @throws InputError that names every changed setting
   */
  resume(storedFile: string, overrides?: SettingsOverrides): T;
  /** YAML text that `load` reads back to equal settings. */
  toYaml(settings: T): string;
}

const isPreset = ({ path }: Assignment) => path.length === 1 && path[0] === "preset";

/** Settings that take the place of another one, which they unset in lower layers. */
const REPLACING: readonly [name: string, other: string][] = [
  ["run.steps", "run.epochs"],
  ["run.epochs", "run.steps"],
  ["from.run", "from.step"],
  ["from.run", "from.part"],
];

function withReplaced(layer: readonly Assignment[]): readonly Assignment[] {
  const given = (name: string) => layer.find(({ path, value }) => value !== null && path.join(".") === name);
  const unset = REPLACING.flatMap(([name, other]) => {
    const setter = given(name);
    return setter && !given(other) ? [{ path: other.split("."), value: null, where: setter.where }] : [];
  });
  return [...layer, ...unset];
}

/** The last of the assignments of a setting. */
const givenOf = (assignments: readonly Assignment[], name: string) =>
  assignments.findLast(({ path }) => path.join(".") === name);

/** The settings with the model of another family or backbone where one is assigned. */
const withModelOf = <T extends { model: ModelSettings }>(settings: T, assignments: readonly Assignment[]): T =>
  withModel(settings, {
    family: givenOf(assignments, "model.family")?.value,
    backbone: givenOf(assignments, "model.backbone")?.value,
  });

/** Who sets the batch alone gets micro-batches that divide it, the largest up to those of the base; `note` says so. */
function withMicroBatch<T extends object>(base: T, assignments: readonly Assignment[]): { base: T; note?: string } {
  const { run } = base as unknown as { run: { microBatch: number } };
  const batch = givenOf(assignments, "run.batch");
  const size = Number(batch?.value);
  if (!batch || givenOf(assignments, "run.microBatch") || !Number.isSafeInteger(size) || size < 1) return { base };
  let { microBatch } = run;
  while (size % microBatch !== 0) microBatch--;
  if (microBatch === run.microBatch) return { base };
  const note = `run.microBatch is ${microBatch}, which divides ${batch.where}; ${run.microBatch} does not.`;
  return { base: { ...base, run: { ...run, microBatch } }, note };
}

/**
 * Where the settings were written that bring another with them: family and backbone their sizes, a run its model, a
 * batch its parts.
 */
function reasons(assignments: readonly Assignment[], name: string): string {
  const names = name === "run.microBatch" ? ["run.batch"] : ["model.family", "model.backbone", "from.run"];
  const bring = assignments.filter(({ path }) => names.includes(path.join(".")));
  return bring.map(({ where }) => where).join(" and ");
}

function layers({ file, sets = [], flags = [] }: SettingsOverrides): Assignment[][] {
  return [file === undefined ? [] : readAssignments(file), sets.flatMap(parseSet), [...flags]];
}

export function settingsResolution<S extends z.ZodObject>(kind: SettingsKind<S>): SettingsResolution<z.output<S>> {
  type Settings = z.output<S>;
  const { schema, presets, defaultPreset, adapt, check, resolvePaths, resumable } = kind;

  function merged(base: object, assignments: readonly Assignment[], baseName?: string): Settings {
    const { settings, whereOf } = mergeSettings(schema, base, assignments, baseName);
    check(settings, whereOf);
    resolvePaths(settings);
    return settings;
  }

  /** The preset that is meant, what it means beside the assignments, and these. */
  function beginning({ preset: asked, weights, ...overrides }: NewRun) {
    const [file, ...others] = layers(overrides);
    const inFile = file.find(isPreset);
    const name = String(asked ?? inFile?.value ?? defaultPreset);
    if (!Object.hasOwn(presets, name)) {
      throw new InputError({
        where: asked === undefined && inFile ? inFile.where : `--preset ${name}`,
        expected: "the name of a preset",
        found: `"${name}"`,
        fix: suggestion(name, Object.keys(presets)),
      });
    }
    const assignments = [file.filter((assignment) => !isPreset(assignment)), ...others].flatMap(withReplaced);
    const isDefault = asked === undefined && !inFile;
    const preset = adapt ? adapt(presets[name], { preset: name, isDefault, assignments, weights }) : presets[name];
    const { base, note } = withMicroBatch(withModelOf(preset as { model: ModelSettings }, assignments), assignments);
    return { name, isDefault, base, assignments, note };
  }

  function resolve(options: NewRun = {}, reporter = SILENT): Settings {
    const { name, base, assignments, note } = beginning(options);
    const settings = merged(base, assignments, `preset ${name}:`);
    if (note) reporter.say(note);
    return settings;
  }

  function list(options: NewRun = {}): SettingsList {
    const { name: preset, isDefault, base, assignments } = beginning(options);
    const { settings, whereOf, origins } = mergeSettings(schema, base, assignments, `preset ${preset}:`);
    const fromOf = (name: string) => {
      const path = name.split(".");
      const ofPreset = JSON.stringify(valueAt(base, path)) === JSON.stringify(valueAt(presets[preset], path));
      return origins.get(name) ?? (ofPreset ? `preset ${preset}` : `${reasons(assignments, name)}, which brings it`);
    };
    const listed = { preset, isDefault, settings: listSettings(schema, settings as object, fromOf) };
    try {
      check(settings, whereOf);
      return listed;
    } catch (error) {
      if (error instanceof InputError) return { ...listed, conflict: error.message };
      throw error;
    }
  }

  /** Sections that runs may have been stored without. */
  const optional = Object.entries(schema.shape).filter(([, section]) => section.safeParse({}).success);
  const load = (file: string) =>
    merged(Object.fromEntries(optional.map(([key]) => [key, {}])), readAssignments(file), `${file}:`);

  function resume(storedFile: string, overrides: SettingsOverrides = {}): Settings {
    const stored = load(storedFile);
    const assignments = layers(overrides)
      .flatMap(withReplaced)
      .filter((assignment) => !isPreset(assignment));
    const settings = merged(withModelOf(stored as { model: ModelSettings }, assignments), assignments);
    const written = new Set(assignments.map(({ path }) => path.join(".")));
    const changed = changedSettings(schema, stored, settings).filter((name) => !resumable.includes(name));
    if (changed.length > 0) {
      throw new InputError({
        where: storedFile,
        expected: `the settings that the run began with; only these may change: ${resumable.join(", ")}`,
        found: `changes of ${changed.filter((name) => written.has(name)).join(", ")}`,
        fix: `Leave them out, or begin a new run from its weights with --from ${dirname(storedFile)} --out NEW.`,
      });
    }
    return settings;
  }

  const toYaml = (settings: Settings) => settingsToYaml(settings as object, SETTINGS_HEADING);
  const weightsAskedFor = (options: NewRun) => {
    const assignments = layers(options).flatMap(withReplaced);
    const textOf = (setting: string) => {
      const value = givenOf(assignments, setting)?.value;
      return typeof value === "string" ? value : undefined;
    };
    const location = textOf("from.run");
    return location === undefined ? undefined : { location, part: textOf("from.part") };
  };
  return { resolve, weightsAskedFor, list, load, resume, toYaml };
}
