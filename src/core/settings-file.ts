/**
 * @file Settings from YAML files and `key=value` arguments, merged over a base and checked by a schema; every error
 * says where.
 */

import { Document, isMap, isScalar, LineCounter, type Node, parseDocument, visit } from "yaml";
import { z } from "zod";
import { InputError, nearest, suggestion } from "./errors.js";
import { neededFor, variantsOf, withVariants } from "./settings-variants.js";
import { show } from "./show.js";

/**
 * One leaf of a settings tree and where the user wrote it (`recipe.yaml:3:5 optim.lr`, `--set optim.lr=0`, `--batch
 * 8`).
 */
export interface Assignment {
  readonly path: readonly string[];
  readonly value: unknown;
  readonly where: string;
}

/** Where a setting got its value, for messages about several settings at once. */
export type WhereOf = (...names: string[]) => string;

function collect(
  node: Node | null,
  path: readonly string[],
  offset: number,
  where: (path: readonly string[], offset: number) => string,
): Assignment[] {
  if (!isMap(node)) return [{ path, value: node?.toJSON() ?? null, where: where(path, offset) }];
  return node.items.flatMap(({ key, value }) => {
    const name = isScalar(key) ? String(key.value) : "?";
    const start = (isScalar(key) && key.range?.[0]) || 0;
    return collect(value as Node | null, [...path, name], start, where);
  });
}

function parse(text: string, position: (offset: number) => string, lineCounter?: LineCounter): Document.Parsed {
  // The parser's own search for repeated keys takes the square of their number.
  const document = parseDocument(text, { prettyErrors: false, uniqueKeys: false, lineCounter });
  const refuse = (offset: number, found: string, fix?: string): never => {
    throw new InputError({ where: position(offset), expected: "valid YAML", found, fix });
  };
  const [fault] = [...document.errors, ...document.warnings];
  if (fault) refuse(fault.pos[0], fault.message);
  visit(document, {
    // An alias can expand a short file to billions of values.
    Alias: (_, node) => refuse(node.range?.[0] ?? 0, `the alias *${node.source}`, "Write the value out."),
    Map: (_, { items }) => {
      const seen = new Set<unknown>();
      for (const { key } of items) {
        if (!isScalar(key)) continue;
        const name = String(key.value);
        if (seen.has(name)) refuse(key.range?.[0] ?? 0, `the key ${show(name)} twice`);
        seen.add(name);
      }
    },
  });
  return document;
}

/** The leaves of a YAML text with their positions; `file` is its name in messages. @throws InputError */
export function parseAssignments(text: string, file: string): Assignment[] {
  const lines = new LineCounter();
  const position = (offset: number) => {
    const { line, col } = lines.linePos(offset);
    return `${file}:${line}:${col}`;
  };
  const { contents } = parse(text, position, lines);
  if (contents === null) return [];
  if (!isMap(contents)) {
    throw new InputError({ where: `${file}:1:1`, expected: "a mapping of settings", found: show(contents.toJSON()) });
  }
  return collect(contents, [], 0, (path, offset) => `${position(offset)} ${path.join(".")}`);
}

/** A value as YAML reads it: `8`, `1e-4`, `true`, `null`, `[1, 2]`, `text`. */
export function parseValue(text: string, where: string): unknown {
  return parse(text, () => where).toJS();
}

/** One `--set` argument, `section.key=value`. @throws InputError */
export function parseSet(argument: string): Assignment[] {
  const where = `--set ${argument}`;
  const equals = argument.indexOf("=");
  if (equals < 1) {
    throw new InputError({ where, expected: "key=value, for example --set optim.lr=1e-3", found: show(argument) });
  }
  const path = argument.slice(0, equals).trim().split(".");
  return collect(parse(argument.slice(equals + 1), () => where).contents, path, 0, () => where);
}

/** Dotted names of all leaves of a schema, in its order; those of every variant where a section has some. */
export function settingNames(schema: z.ZodObject, prefix = ""): string[] {
  const names = Object.entries(schema.shape).flatMap(([key, child]) => {
    const sections = variantsOf(child);
    return sections.length === 0 ? `${prefix}${key}` : sections.flatMap((s) => settingNames(s, `${prefix}${key}.`));
  });
  return [...new Set(names)];
}

/** `schema` has all variants of the sections, `section` what applies. */
function unknownKey(
  schema: z.ZodObject,
  section: z.ZodObject,
  { path, where }: Assignment,
  depth: number,
  fix?: string,
): InputError {
  const name = path[depth];
  const parent = path
    .slice(0, depth)
    .map((key) => `${key}.`)
    .join("");
  const full = parent + name;
  const names = settingNames(schema);
  const siblings = depth === 0 ? Object.keys(section.shape) : names.filter((other) => other.startsWith(parent));
  const keys = siblings.map((sibling) => sibling.slice(parent.length));
  const elsewhere = names.find((other) => other.endsWith(`.${path.at(-1)}`));
  const close = nearest(name, keys);
  const near = close === undefined ? elsewhere : parent + close;
  return new InputError({
    where,
    expected: "a known setting",
    found: show(full),
    fix: fix ?? (near ? `Did you mean "${near}"?` : suggestion(full, siblings)),
  });
}

/**
 * The schema of one assignment's target in `root`, which is `schema` with the variants that apply; refuses names that
 * are unknown, with `fix`, or go too deep or not deep enough.
 */
function targetOf(schema: z.ZodObject, root: z.ZodObject, assignment: Assignment, fix?: string): z.core.$ZodType {
  const { path, value, where } = assignment;
  let node: z.core.$ZodType = root;
  for (const [depth, key] of path.entries()) {
    if (!(node instanceof z.ZodObject)) {
      throw new InputError({ where, expected: expectationOf(node), found: `a mapping with the key "${key}"` });
    }
    if (!Object.hasOwn(node.shape, key)) throw unknownKey(schema, node, assignment, depth, fix);
    node = node.shape[key];
  }
  if (node instanceof z.ZodObject && value !== null) {
    throw new InputError({ where, expected: expectationOf(node), found: show(value) });
  }
  return node;
}

function expectationOf(schema: z.core.$ZodType): string {
  if (schema instanceof z.ZodObject) return `a mapping with the keys ${Object.keys(schema.shape).join(", ")}`;
  return (schema instanceof z.ZodType && schema.description) || "another value";
}

/** What a leaf says to do about a bad value: the `fix` of its metadata. */
function adviceOf(schema: z.core.$ZodType): string | undefined {
  const fix = schema instanceof z.ZodType ? schema.meta()?.fix : undefined;
  return typeof fix === "string" ? fix : undefined;
}

interface Tree {
  [key: string]: unknown;
}

function assign(tree: Tree, path: readonly string[], value: unknown): void {
  const [key, ...rest] = path;
  if (rest.length === 0) {
    tree[key] = value;
    return;
  }
  tree[key] ??= {};
  assign(tree[key] as Tree, rest, value);
}

/** What lies at a path of a settings tree; undefined where nothing does. */
export function valueAt(tree: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((node, key) => (node as Record<PropertyKey, unknown> | undefined)?.[key], tree);
}

/**
 * `base` with the assignments over it, later ones first in rank, checked by `schema`, whose leaves' descriptions are
 * the "expected" of the messages. An empty section changes nothing. `origins`: where assigned settings were written, by
 * name.
 * @throws InputError for the first unknown name or bad value
 */
export function mergeSettings<S extends z.ZodObject>(
  schema: S,
  base: object,
  assignments: readonly Assignment[],
  baseName = "setting",
): { settings: z.output<S>; whereOf: WhereOf; origins: ReadonlyMap<string, string> } {
  const tree = structuredClone(base) as Tree;
  const origins = new Map<string, string>();
  const chosen = withVariants(schema, (discriminator) => {
    const written = assignments.filter(({ path }) => path.join(".") === discriminator).map(({ value }) => value);
    return [...written.reverse(), valueAt(base, discriminator.split("."))];
  });
  for (const assignment of assignments) {
    const other = neededFor(schema, assignment.path);
    if (targetOf(schema, chosen, assignment, other && `It needs ${other}.`) instanceof z.ZodObject) continue;
    const name = assignment.path.join(".");
    assign(tree, assignment.path, assignment.value);
    origins.delete(name); // so that the map is ordered by rank
    origins.set(name, assignment.where);
  }
  const whereOf: WhereOf = (...names) => {
    const written = [...origins.keys()].findLast((name) => names.includes(name));
    return written ? origins.get(written)! : `${baseName} ${names[0]}`;
  };

  const result = chosen.safeParse(tree);
  if (result.success) return { settings: result.data as z.output<S>, whereOf, origins };
  const [issue] = result.error.issues;
  const path = issue.path.map(String);
  const names = settingNames(chosen);
  const name = path.map((_, i) => path.slice(0, i + 1).join(".")).find((prefix) => names.includes(prefix));
  const value = valueAt(tree, issue.path);
  const known = issue.code === "invalid_value" && typeof value === "string" ? issue.values.map(String) : undefined;
  const leaf = (name?.split(".") ?? path).reduce<z.core.$ZodType>(
    (node, key) => (node instanceof z.ZodObject ? node.shape[key] : node),
    chosen,
  );
  throw new InputError({
    where: whereOf(name ?? path.join(".")),
    expected: expectationOf(leaf),
    found: show(name ? valueAt(tree, name.split(".")) : value),
    fix: adviceOf(leaf) ?? (known && suggestion(value as string, known)),
  });
}

/** Dotted names of the leaves in which two settings of one schema differ. */
export function changedSettings(schema: z.ZodObject, a: unknown, b: unknown): string[] {
  return settingNames(schema).filter((name) => {
    const path = name.split(".");
    return JSON.stringify(valueAt(a, path)) !== JSON.stringify(valueAt(b, path));
  });
}

/** Settings as YAML text, lists on one line. `comment` becomes the first line. */
export function settingsToYaml(settings: object, comment?: string): string {
  const document = new Document(settings);
  if (comment) document.commentBefore = ` ${comment}`;
  visit(document, {
    Seq: (_, node) => {
      node.flow = true;
    },
  });
  return document.toString({ lineWidth: 0 });
}
