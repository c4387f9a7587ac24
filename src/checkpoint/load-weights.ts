/** @file Weights of any known format and layout, under the names of Mask2Former, with a report of what went where. */

import { InputError } from "../core/errors.js";
import type { Shape, TensorData } from "../core/tensor-data.js";
import type { Format } from "./formats/format.js";
import type { StoredTensor } from "./formats/stored-tensor.js";
import { openWeights } from "./formats/weights-file.js";
import { groupNames } from "./names/group-names.js";
import { familyIn, isBackbone, type Recognised, recognise } from "./names/layouts.js";
import type { Move } from "./names/rules.js";
import { joinedShape, joinRows } from "./rows.js";

/** What `loadWeights` read and how it named it. */
export interface WeightsReport {
  /** The file. */
  readonly source: string;
  readonly format: Format | "checkpoint";
  /** The nested dictionary that was taken; "" for the file itself. */
  readonly part: string;
  readonly otherParts: readonly string[];
  /** The layout's name and what it is called. */
  readonly layout: string;
  readonly title: string;
  /** The family of models that has these names, as in the setting model.family; undefined for a backbone alone. */
  readonly family?: string;
  /** What stood in front of every name. */
  readonly prefix: string;
  /** Names of the file (with the prefix) and what became of them. */
  readonly moves: readonly Move[];
  /** Tensors without the prefix: other parts of the checkpoint. */
  readonly aside: readonly string[];
  /** Names that the layout does not know: they keep them, so that strict loading names them. */
  readonly unknown: readonly string[];
}

/** What `loadWeights` read. */
export interface LoadedWeights {
  /** By canonical name. */
  readonly tensors: Map<string, TensorData>;
  /** Of all that it holds, whether it was read or not. */
  readonly shapes: ReadonlyMap<string, Shape>;
  /** What the header of a safetensors file says besides. */
  readonly metadata: ReadonlyMap<string, string>;
  readonly layout: string;
  readonly report: WeightsReport;
}

export interface LoadOptions {
  /** The nested dictionary of a checkpoint, e.g. "teacher"; by default the usual one. */
  readonly part?: string;
  /** Which canonical names to read; all if absent. */
  readonly keep?: (name: string) => boolean;
}

const FORMATS: Record<WeightsReport["format"], string> = {
  checkpoint: "a checkpoint of a run",
  safetensors: "safetensors",
  torch: "PyTorch",
  "torch-legacy": "PyTorch before 1.6",
  "torch-tar": "PyTorch before 0.2",
  pickle: "pickle",
};

/** What the plan says, with the prefix in front of the file's names; unknown names stand for themselves. */
function movesOf({ plan, prefix, layout }: Recognised): { moves: Move[]; unknown: string[] } {
  const moves = plan.moves.map(({ from, to }) => ({ from: from.map((name) => prefix + name), to }));
  const taken = new Set(plan.moves.flatMap(({ to }) => to));
  const unknown = plan.unmatched.map((name) => {
    const own = isBackbone(layout) ? `backbone.${name}` : name;
    return { from: [prefix + name], to: [taken.has(own) ? `${own} (again)` : own] };
  });
  return { moves: [...moves, ...unknown], unknown: unknown.map(({ from }) => from[0]) };
}

async function readMove(
  { from }: Move,
  stored: ReadonlyMap<string, StoredTensor>,
  source: string,
): Promise<TensorData> {
  const tensors: TensorData[] = [];
  for (const name of from) tensors.push(await (stored.get(name) as StoredTensor).read());
  if (tensors.length === 1) return tensors[0];
  const joined = joinRows(tensors);
  if (joined) return joined;
  throw new InputError({
    where: source,
    expected: `${from.join(", ")} of shapes that can be joined`,
    found: tensors.map(({ shape }) => `[${shape}]`).join(", "),
  });
}

/**
 * Reads weights of any format (safetensors, PyTorch, pickle) and any known layout of names. Nothing of the file is
 * executed.
 * @throws InputError for a file that cannot be read or whose names are of no known layout
 */
export async function loadWeights(path: string, { part, keep = () => true }: LoadOptions = {}): Promise<LoadedWeights> {
  const file = await openWeights(path, part);
  try {
    const recognised = recognise(file.tensors.keys(), path);
    const { moves, unknown } = movesOf(recognised);
    const tensors = new Map<string, TensorData>();
    const shapes = new Map<string, Shape>();
    for (const move of moves) {
      shapes.set(move.to[0], joinedShape(move.from.map((name) => (file.tensors.get(name) as StoredTensor).shape)));
      if (keep(move.to[0])) tensors.set(move.to[0], await readMove(move, file.tensors, path));
    }
    const { layout, prefix, aside } = recognised;
    const { format, otherParts } = file;
    const { name, title } = layout;
    const source = { source: path, format, part: file.part, otherParts };
    const named = { layout: name, title, family: familyIn(layout) };
    const { metadata } = file;
    return { tensors, shapes, metadata, layout: name, report: { ...source, ...named, prefix, moves, aside, unknown } };
  } finally {
    await file.close();
  }
}

/** `a.b.* -> c.*` where only what comes before the last part changes. */
function arrow({ from, to }: Move): string {
  const last = /[^.]+$/.exec(to[0])?.[0] ?? "";
  const shared = from.every((name) => name.endsWith(`.${last}`));
  const start = (name: string) => (shared ? `${name.slice(0, -last.length)}*` : name);
  return `${from.map(start).join(" + ")} -> ${start(to[0])}`;
}

/** What was recognised, and unless it is to be `brief` what went where, one fact a line. */
export function describeReport(report: WeightsReport, { brief = false } = {}): string {
  const { source, format, part, otherParts, title, prefix, moves, aside, unknown } = report;
  const renamed = moves.filter(({ from, to }) => from[0] !== to[0]);
  const lines = [
    `${source}: ${title}, ${FORMATS[format]}, ${moves.length} tensors${part ? ` of its part "${part}"` : ""}`,
    ...(otherParts.length > 0 ? [`  not taken: the parts ${otherParts.map((name) => `"${name}"`).join(", ")}`] : []),
    ...(prefix ? [`  names begin with ${prefix}`] : []),
    ...(brief ? [] : groupNames(renamed.map(arrow)).map((line) => `  ${line}`)),
    ...groupNames(aside).map((line) => `  left aside: ${line}`),
    ...groupNames(unknown).map((line) => `  unknown: ${line}`),
  ];
  return lines.join("\n");
}
