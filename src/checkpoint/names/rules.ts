/** @file A small language for renaming tensors, read in both directions. */

/**
 * One tensor under two names. `{x}` is a whole number, `{x+1}` one more than the other side's `{x}`, `{p}` one part of
 * a name (without dots), `{*}` any rest.
 */
export interface Rename {
  readonly canonical: string;
  readonly foreign: string;
  /** Only for reading: another rule says how it is written. */
  readonly readOnly?: boolean;
}

/** One canonical tensor that the other side keeps in parts, which follow one another along the first axis. */
export interface Fusion {
  readonly canonical: string;
  readonly foreign: readonly string[];
}

export type Rule = Rename | Fusion;

export const isFusion = (rule: Rule): rule is Fusion => typeof rule.foreign !== "string";

type Bindings = ReadonlyMap<string, string>;

const PLACEHOLDER = /\{(\w+|\*)(?:\+(\d+))?\}/g;

interface Template {
  match(name: string): Bindings | undefined;
  fill(bindings: Bindings): string;
}

function escapeRegExp(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}

function compile(text: string): Template {
  const slots: { name: string; plus: number }[] = [];
  let pattern = "";
  let end = 0;
  for (const found of text.matchAll(PLACEHOLDER)) {
    const [whole, name, plus = "0"] = found;
    pattern += escapeRegExp(text.slice(end, found.index));
    pattern += name === "*" ? "(.+)" : name === "p" ? "([^.]+)" : "(0|[1-9]\\d*)";
    slots.push({ name, plus: Number(plus) });
    end = found.index + whole.length;
  }
  const whole = new RegExp(`^${pattern}${escapeRegExp(text.slice(end))}$`);
  const isNumber = (name: string) => name !== "p" && name !== "*";
  return {
    match(name) {
      const values = whole.exec(name)?.slice(1);
      if (!values) return undefined;
      const bindings = new Map<string, string>();
      for (const [i, slot] of slots.entries()) {
        if (isNumber(slot.name) && Number(values[i]) < slot.plus) return undefined;
        bindings.set(slot.name, isNumber(slot.name) ? String(Number(values[i]) - slot.plus) : values[i]);
      }
      return bindings;
    },
    fill: (bindings) =>
      text.replace(PLACEHOLDER, (_, name: string, plus = "0") => {
        const value = bindings.get(name) ?? "";
        return isNumber(name) ? String(Number(value) + Number(plus)) : value;
      }),
  };
}

/** Where tensors go: one to one, several joined along the first axis, or one split into equal parts. */
export interface Move {
  readonly from: readonly string[];
  readonly to: readonly string[];
}

export interface Plan {
  readonly moves: readonly Move[];
  /** Names that no rule knows, and parts whose fellows are missing. */
  readonly unmatched: readonly string[];
}

interface CompiledRule {
  readonly canonical: Template;
  readonly foreign: readonly Template[];
  readonly readOnly: boolean;
}

export interface RuleSet {
  /** From the other side's names to the canonical ones. */
  read(names: Iterable<string>): Plan;
  /** From the canonical names to the other side's. */
  write(names: Iterable<string>): Plan;
}

/** Rules in order: the first that knows a name decides. */
export function ruleSet(rules: readonly Rule[]): RuleSet {
  const compiled: CompiledRule[] = rules.map((rule) => ({
    canonical: compile(rule.canonical),
    foreign: (isFusion(rule) ? rule.foreign : [rule.foreign]).map(compile),
    readOnly: !isFusion(rule) && rule.readOnly === true,
  }));
  return {
    read: (names) => planReading(compiled, names),
    write(names) {
      const moves: Move[] = [];
      const unmatched: string[] = [];
      for (const name of names) {
        const to = written(compiled, name);
        if (to) moves.push({ from: [name], to });
        else unmatched.push(name);
      }
      return { moves, unmatched };
    },
  };
}

function written(rules: readonly CompiledRule[], name: string): string[] | undefined {
  for (const { canonical, foreign, readOnly } of rules) {
    const bindings = readOnly ? undefined : canonical.match(name);
    if (bindings) return foreign.map((template) => template.fill(bindings));
  }
  return undefined;
}

function planReading(rules: readonly CompiledRule[], names: Iterable<string>): Plan {
  const given = new Set(names);
  const taken = new Set<string>();
  const moves = new Map<string, Move>();
  const unmatched: string[] = [];
  for (const name of given) {
    if (taken.has(name)) continue;
    const move = readMove(rules, name);
    const whole = move?.from.every((part) => given.has(part)) && !moves.has(move.to[0]);
    if (!move || !whole) {
      unmatched.push(name);
      continue;
    }
    moves.set(move.to[0], move);
    for (const part of move.from) taken.add(part);
  }
  return { moves: [...moves.values()], unmatched };
}

function readMove(rules: readonly CompiledRule[], name: string): Move | undefined {
  for (const { canonical, foreign } of rules) {
    for (const template of foreign) {
      const bindings = template.match(name);
      if (bindings) return { from: foreign.map((part) => part.fill(bindings)), to: [canonical.fill(bindings)] };
    }
  }
  return undefined;
}

/** The same rules for tensors below a prefix on either side. */
export function below(rules: readonly Rule[], canonicalPrefix: string, foreignPrefix: string): Rule[] {
  return rules.map((rule) => {
    const canonical = `${canonicalPrefix}${rule.canonical}`;
    if (isFusion(rule)) return { ...rule, canonical, foreign: rule.foreign.map((part) => `${foreignPrefix}${part}`) };
    return { ...rule, canonical, foreign: `${foreignPrefix}${rule.foreign}` };
  });
}

/** Two-way renames as pairs [canonical, foreign]. */
export function renames(pairs: readonly (readonly [canonical: string, foreign: string])[]): Rename[] {
  return pairs.map(([canonical, foreign]) => ({ canonical, foreign }));
}
