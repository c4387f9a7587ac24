/** @file Settings of one run: preset, then file, then `--set`, then flags; the resolved settings are stored in the run. */

import { resolve } from "node:path";
import { InputError, suggestion } from "../core/errors.js";
import {
  type Assignment,
  changedSettings,
  mergeSettings,
  parseSet,
  readAssignments,
  settingsToYaml,
} from "../core/settings-file.js";
import { PRESET_NAMES, PRESETS, type PresetName } from "./presets.js";
import { checkAgreement, type PretrainSettings, pretrainSchema, RESUMABLE_SETTINGS } from "./settings.js";

/** Name of the resolved settings inside a run's folder. */
export const SETTINGS_FILE = "config.yaml";

const DEFAULT_PRESET: PresetName = "r50";

/** What a user asks for over a preset or over a stored run; later fields win. */
export interface SettingsOverrides {
  /** YAML file; its key `preset` chooses the preset unless the command line does. */
  file?: string;
  /** `section.key=value`, as after `--set`. */
  sets?: readonly string[];
  /** From dedicated flags such as `--batch 8`. */
  flags?: readonly Assignment[];
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

function merged(base: object, assignments: readonly Assignment[], baseName?: string): PretrainSettings {
  const { settings, whereOf } = mergeSettings(pretrainSchema, base, assignments, baseName);
  checkAgreement(settings, whereOf);
  settings.data.images = settings.data.images.map((folder) => resolve(folder));
  if (settings.backbone.weights !== null) settings.backbone.weights = resolve(settings.backbone.weights);
  return settings;
}

/**
 * Settings of a new run. Paths become absolute.
 * @throws InputError for an unknown name or preset, a bad value, or settings that disagree
 */
export function resolveSettings({
  preset,
  ...overrides
}: SettingsOverrides & { preset?: string } = {}): PretrainSettings {
  const [file, ...others] = layers(overrides);
  const inFile = file.find(isPreset);
  const name = String(preset ?? inFile?.value ?? DEFAULT_PRESET);
  if (!Object.hasOwn(PRESETS, name)) {
    throw new InputError({
      where: preset === undefined && inFile ? inFile.where : `--preset ${name}`,
      expected: "the name of a preset",
      found: `"${name}"`,
      fix: suggestion(name, PRESET_NAMES),
    });
  }
  const assignments = [file.filter((assignment) => !isPreset(assignment)), ...others].flatMap(withOneLength);
  return merged(PRESETS[name as PresetName], assignments, `preset ${name}:`);
}

/** The stored settings of a run: complete, and checked like any others. @throws InputError */
export function loadSettings(file: string): PretrainSettings {
  return merged({}, readAssignments(file), `${file}:`);
}

/**
 * Settings to go on with: the stored ones, with overrides only where they change no number.
 * @throws InputError that names every changed setting
 */
export function resumeSettings(storedFile: string, overrides: SettingsOverrides = {}): PretrainSettings {
  const stored = loadSettings(storedFile);
  const assignments = layers(overrides)
    .flatMap(withOneLength)
    .filter((assignment) => !isPreset(assignment));
  const settings = merged(stored, assignments);
  const allowed: readonly string[] = RESUMABLE_SETTINGS;
  const changed = changedSettings(pretrainSchema, stored, settings).filter((name) => !allowed.includes(name));
  if (changed.length > 0) {
    throw new InputError({
      where: storedFile,
      expected: `the settings that the run began with (only ${allowed.join(", ")} may change)`,
      found: `changes of ${changed.join(", ")}`,
      fix: "Leave them out, or start a new run with --out.",
    });
  }
  return settings;
}

/** YAML text that `loadSettings` reads back to equal settings. */
export function toYaml(settings: PretrainSettings): string {
  return settingsToYaml(settings, "Resolved settings of this run.");
}
