/** @file Configuration files that other programs leave beside weights, as plain data. */

import { readdir, readFile } from "node:fs/promises";
import { basename, dirname, extname, join } from "node:path";
import { parseDocument } from "yaml";
import { InputError } from "../core/errors.js";
import { errorCode, fileFault } from "../io/file-fault.js";

/** A file's text, or undefined where there is none. */
async function textOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw fileFault(error, path, "a configuration that can be read");
  }
}

function refused(path: string, format: string, cause: unknown): InputError {
  const fix = "Repair it or get it again; without the file, defaults are taken in its place.";
  return new InputError({ where: path, expected: `valid ${format}`, found: (cause as Error).message, fix }, { cause });
}

/** A JSON file, or undefined where there is none. @throws InputError for one that cannot be read or is no JSON */
export async function jsonBeside(folder: string, name: string): Promise<unknown> {
  const path = join(folder, name);
  const text = await textOf(path);
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw refused(path, "JSON", cause);
  }
}

type Mapping = Readonly<Record<string, unknown>>;

/** A configuration of detectron2, with what it inherits. */
export interface Detectron2Config {
  /** Of the file, for messages. */
  readonly path: string;
  readonly config: Mapping;
  /** What it inherits from and is not there. */
  readonly missingBase?: string;
}

const YAML = /\.ya?ml$/i;
const WRITTEN_BY_DETECTRON2 = "config.yaml";
const MOST_BASES = 8;

const isMapping = (value: unknown): value is Mapping =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Python's tuples are lists, and values that are written twice aliases. */
function parseYaml(text: string, path: string): Mapping {
  const document = parseDocument(text, { prettyErrors: false });
  try {
    const [fault] = document.errors;
    if (fault) throw fault;
    const value: unknown = document.toJS();
    return isMapping(value) ? value : {};
  } catch (cause) {
    throw refused(path, "YAML", cause);
  }
}

/** `over`, and what it does not say from `base`. */
function merged(base: Mapping, over: Mapping): Mapping {
  const both = Object.entries(over).map(([key, value]) => {
    const below = base[key];
    return [key, isMapping(value) && isMapping(below) ? merged(below, value) : value] as const;
  });
  return { ...base, ...Object.fromEntries(both) };
}

async function withBases(path: string, text: string, left = MOST_BASES): Promise<Detectron2Config> {
  const { _BASE_: base, ...config } = parseYaml(text, path);
  if (typeof base !== "string") return { path, config };
  const basePath = join(dirname(path), base);
  const baseText = YAML.test(base) && left > 0 ? await textOf(basePath) : undefined;
  if (baseText === undefined) return { path, config, missingBase: base };
  const inherited = await withBases(basePath, baseText, left - 1);
  return { ...inherited, path, config: merged(inherited.config, config) };
}

/** The YAML file that belongs to weights: what detectron2 writes, one of the same name, or the only one. */
async function yamlBeside(file: string): Promise<string | undefined> {
  const names = (await readdir(dirname(file)).catch(() => [])).filter((name) => YAML.test(name));
  const own = names.find((name) => name.replace(YAML, "") === basename(file, extname(file)));
  if (names.includes(WRITTEN_BY_DETECTRON2)) return WRITTEN_BY_DETECTRON2;
  return own ?? (names.length === 1 ? names[0] : undefined);
}

/**
 * The configuration of detectron2 beside weights; undefined where there is none.
 * @throws InputError for a file that cannot be read or is no YAML
 */
export async function detectron2Config(file: string): Promise<Detectron2Config | undefined> {
  const name = await yamlBeside(file);
  if (name === undefined) return undefined;
  const path = join(dirname(file), name);
  const text = await textOf(path);
  if (text === undefined) return undefined;
  const found = await withBases(path, text);
  return isMapping(found.config.MODEL) ? found : undefined;
}
