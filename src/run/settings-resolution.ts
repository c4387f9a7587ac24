/** @file Settings of one run: preset, then file, then `--set`, then flags; the resolved settings are stored in the run. */

import type { z } from "zod";
import { InputError, suggestion } from "../core/errors.js";
import {
  type Assignment,
  changedSettings,
  mergeSettings,
  parseSet,
  readAssignments,
  settingsToYaml,
  type WhereOf,
} from "../core/settings-file.js";
import { withBackbone } from "./model-presets.js";
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

/** A kind of run: its settings and how they are checked. */
export interface SettingsKind<S extends z.ZodObject> {
  readonly schema: S;
  readonly presets: Readonly<Record<string, z.output<S>>>;
  readonly defaultPreset: string;
  /** The settings that a preset means beside what the user asks for, e.g. the model of the weights that are given. */
  readonly adapt?: (name: string, preset: z.output<S>, assignments: readonly Assignment[]) => z.output<S>;
  /** Throws InputError for settings that disagree. */
  readonly check: (settings: z.output<S>, whereOf: WhereOf) => void;
  /** Makes the paths among the settings absolute, in place. */
  readonly resolvePaths: (settings: z.output<S>) => void;
  /** Names of the settings that may change when a run is resumed: they do not enter any number that it computes. */
  readonly resumable: readonly string[];
}

export interface SettingsResolution<T> {
  /**
   * Settings of a new run. Paths become absolute.
   * @throws InputError for an unknown name or preset, a bad value, or settings that disagree
   */
  resolve(options?: SettingsOverrides & { preset?: string }): T;
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

/** Who sets one of `run.steps` and `run.epochs` unsets what a lower layer said of the other. */
function withOneLength(layer: readonly Assignment[]): readonly Assignment[] {
  const given = layer.filter(
    ({ path, value }) => value !== null && ["run.steps", "run.epochs"].includes(path.join(".")),
  );
  if (new Set(given.map(({ path }) => path[1])).size !== 1) return layer;
  const [{ path, where }] = given;
  return [{ path: ["run", path[1] === "steps" ? "epochs" : "steps"], value: null, where }, ...layer];
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

  function resolve({ preset: asked, ...overrides }: SettingsOverrides & { preset?: string } = {}): Settings {
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
    const assignments = [file.filter((assignment) => !isPreset(assignment)), ...others].flatMap(withOneLength);
    const backbone = assignments.findLast(({ path }) => path.join(".") === "model.backbone");
    const preset = adapt ? adapt(name, presets[name], assignments) : presets[name];
    const base = withBackbone(preset as { model: ModelSettings }, backbone?.value);
    return merged(base, assignments, `preset ${name}:`);
  }

  const load = (file: string) => merged({}, readAssignments(file), `${file}:`);

  function resume(storedFile: string, overrides: SettingsOverrides = {}): Settings {
    const stored = load(storedFile);
    const assignments = layers(overrides)
      .flatMap(withOneLength)
      .filter((assignment) => !isPreset(assignment));
    const settings = merged(stored as object, assignments);
    const changed = changedSettings(schema, stored, settings).filter((name) => !resumable.includes(name));
    if (changed.length > 0) {
      throw new InputError({
        where: storedFile,
        expected: `the settings that the run began with (only ${resumable.join(", ")} may change)`,
        found: `changes of ${changed.join(", ")}`,
        fix: "Leave them out, or start a new run with --out.",
      });
    }
    return settings;
  }

  const toYaml = (settings: Settings) => settingsToYaml(settings as object, SETTINGS_HEADING);
  return { resolve, load, resume, toYaml };
}
