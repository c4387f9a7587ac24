/** @file The one reader of weights: whatever a place holds, as tensors under the names that are used here. */

import { readdir, stat } from "node:fs/promises";
import { type Reporter, SILENT } from "../core/reporter.js";
import type { Shape, TensorData } from "../core/tensor-data.js";
import { exists } from "../io/atomic-file.js";
import { type JsonObject, readPartShapes, STATE_FILE } from "./checkpoint.js";
import { isHubLocation } from "./hub-location.js";
import { areImageNets, coloursBeside, type InputColours, withImageNetColours } from "./input-colours.js";
import { type LoadedWeights, loadWeights } from "./load-weights.js";
import { familyIn, layoutOf } from "./names/layouts.js";
import { loadCheckpoint } from "./run-state.js";
import { locateWeights } from "./weights-location.js";

export interface ReadOptions {
  /**
   * Of a run "model" or another part of its checkpoints; of a file the nested dictionary to take. By default the usual
   * one.
   */
  readonly part?: string;
  /** Of a run the checkpoint of this step; by default the newest that is whole. */
  readonly step?: number;
  readonly reporter?: Reporter;
}

/** Weights with all that their place says of them. */
export interface StoredWeights extends LoadedWeights {
  /** As it was given. */
  readonly location: string;
  /** The checkpoint's folder, or the file. */
  readonly path: string;
  /** What lies beside a file and says how colours were normalised; the tensors are those for ImageNet's statistics. */
  readonly colours?: InputColours;
  /** What is known of a checkpoint of a run. */
  readonly run?: StoredRun;
}

export interface StoredRun {
  /** Optimiser steps that it was trained for. */
  readonly step: number;
  /** What its checkpoint says besides the tensors. */
  readonly state: JsonObject;
}

/** Whether a place is a run's folder or a checkpoint's, which may lack what they should have. */
export async function isRunLocation(location: string): Promise<boolean> {
  if (isHubLocation(location) || !(await exists(location)) || !(await stat(location)).isDirectory()) return false;
  const names = await readdir(location).catch(() => []);
  return names.some((name) => name === STATE_FILE || name === "checkpoints" || /^step-\d+/.test(name));
}

/**
 * Reads weights from a run, one of its checkpoints, a file of any known format and names, a folder as Hugging Face
 * saves it, or `hf:owner/name`. Nothing of a file is executed.
 * @throws InputError for what cannot be read, and for names of no known layout
 */
export async function readWeights(location: string, options: ReadOptions = {}): Promise<StoredWeights> {
  return (await isRunLocation(location)) ? readRun(location, options, true) : readFile(location, options);
}

/** The same without the tensors' values: `tensors` is empty. @throws InputError as `readWeights` does */
export async function inspectWeights(location: string, options: ReadOptions = {}): Promise<StoredWeights> {
  return (await isRunLocation(location)) ? readRun(location, options, false) : readFile(location, options, () => false);
}

async function readFile(
  location: string,
  { part, reporter }: ReadOptions,
  keep?: (name: string) => boolean,
): Promise<StoredWeights> {
  const path = await locateWeights(location, reporter);
  const loaded = await loadWeights(path, { part, keep });
  const colours = await coloursBeside(path);
  const isOther = colours !== undefined && !areImageNets(colours);
  const tensors = isOther ? withImageNetColours(loaded.tensors, colours) : loaded.tensors;
  return { ...loaded, tensors, location, path, ...(colours && { colours }) };
}

async function readRun(
  location: string,
  { part = "model", step: asked, reporter = SILENT }: ReadOptions,
  values: boolean,
): Promise<StoredWeights> {
  const parts = values ? [part] : [];
  const { path, step, state, tensors } = await loadCheckpoint(location, { parts, step: asked, reporter });
  const shapes = values ? shapesOf(tensors[part]) : await readPartShapes(path, part);
  const layout = layoutOf(shapes.keys());
  const { name = "own", title = "tensors of a run" } = layout ?? {};
  return {
    location,
    path,
    run: { step, state },
    tensors: tensors[part] ?? new Map(),
    shapes,
    metadata: new Map(),
    layout: name,
    report: {
      source: path,
      format: "checkpoint",
      part,
      otherParts: [],
      layout: name,
      title,
      family: layout && familyIn(layout),
      prefix: "",
      moves: [...shapes.keys()].map((name) => ({ from: [name], to: [name] })),
      aside: [],
      unknown: [],
    },
  };
}

export const shapesOf = (tensors: ReadonlyMap<string, Pick<TensorData, "shape">>): Map<string, Shape> =>
  new Map([...tensors].map(([name, { shape }]) => [name, shape] as const));
