/**
 * @file Pilots of MP-Former: queries that are made of known objects, one for each object in each of some groups, and
 * see the objects' masks in place of predicted ones (prepare_for_dn_v5 in its mask2former_transformer_decoder.py). The
 * numbers of a batch, and the queries of its graph.
 */

import { type Grid, sizeOf } from "../core/tensor-data.js";
import * as g from "../graph/build.js";
import type { Tensor } from "../graph/graph.js";
import { normal } from "../nn/init.js";
import type { Scope } from "../nn/scope.js";
import { changeRate, touchedCells, writeClosed } from "./pilot-masks.js";
import type { PilotQueries, TransformerDecoderOptions } from "./transformer-decoder.js";

export interface PilotOptions {
  /** Pilots that there is room for. */
  readonly queries: number;
  /** Groups of them, fewer than AS_MANY_AS_FIT, or pilots that are to make as many groups as they can. */
  readonly groups: number;
  /** Share of the pilots that are made of a random class. */
  readonly labelNoise: number;
  /** Of a cell of a mask, as a multiple of the share of all cells that the object touches. */
  readonly maskNoise: number;
  /** Whether each head has mask noise of its own. */
  readonly ownHeads: boolean;
  /** Whether they see the objects' masks in all layers, or in FIRST_LAYERS. */
  readonly allLayers: boolean;
}

/** What pilots are made for. */
export interface PilotFrame {
  readonly pilots: PilotOptions;
  readonly transformerDecoder: TransformerDecoderOptions;
}

/** An object that pilots are made of; its mask is as large as the network's input: 1 inside, 0 outside. */
export interface PilotedObject {
  readonly label: number;
  readonly mask: Uint8Array;
}

/** From so many groups on, what is meant is as many as so many pilots make. */
export const AS_MANY_AS_FIT = 100;
const FIRST_LAYERS = 4;
const STRIDES = [32, 16, 8];

/** One input with masks: those of a level serve all its layers where no noise tells these apart. */
interface MaskInput {
  readonly name: string;
  readonly layer: number;
  readonly level: number;
}

function maskInput({ pilots, transformerDecoder: { layers } }: PilotFrame, layer: number): MaskInput | undefined {
  if (layer >= (pilots.allLayers ? layers : Math.min(layers, FIRST_LAYERS))) return undefined;
  const level = layer % STRIDES.length;
  return {
    layer,
    level,
    name: pilots.maskNoise > 0 ? `pilot masks of layer ${layer}` : `pilot masks of level ${level}`,
  };
}

function maskInputs(frame: PilotFrame): MaskInput[] {
  const all = Array.from({ length: frame.transformerDecoder.layers }, (_, layer) => maskInput(frame, layer));
  return [...new Map(all.flatMap((input) => (input ? [[input.name, input] as const] : []))).values()];
}

const gridAt = ([height, width]: Grid, level: number): Grid => [height / STRIDES[level], width / STRIDES[level]];

/** Classes of the pilots, one-hot [N, S, K]; zeros for a pilot without an object. */
const LABELS = "pilot labels";
/** Which queries do not see each other: 1 where blocked, [1, S + Q, S + Q]. */
const APART = "pilot groups";

/** Shapes of the graph inputs of a micro-batch of `images` images of `size` pixels. */
export function pilotInputs(frame: PilotFrame, images: number, size: Grid): Map<string, readonly number[]> {
  const { pilots, transformerDecoder: decoder } = frame;
  const all = pilots.queries + decoder.queries;
  const rows = images * (pilots.ownHeads ? decoder.heads : 1);
  const shapes = new Map([
    [LABELS, [images, pilots.queries, decoder.classes]],
    [APART, [1, all, all]],
  ]);
  for (const { name, level } of maskInputs(frame)) {
    shapes.set(name, [rows, pilots.queries, sizeOf(gridAt(size, level))]);
  }
  return shapes;
}

/** Random numbers in [0, 1) for the pilots of an image of a batch. */
export interface PilotDraws {
  /** `room` of the numbers 0 .. objects - 1, ascending. */
  objects(image: number, objects: number, room: number): readonly number[];
  /** Two for each object of each group, one object after another: whether it gets another class, and which. */
  labels(image: number, out: Float32Array): void;
  /** One for each cell of a layer's map, those of each head one after another where they have noise of their own. */
  cells(layer: number, of: { image: number; group: number; object: number }, out: Float32Array): void;
}

/** Group g has the pilots g * room .. g * room + room - 1, one for each object in their order. */
interface Places {
  readonly groups: number;
  readonly room: number;
  /** Of each image, the numbers of its objects that have pilots. */
  readonly chosen: readonly (readonly number[])[];
}

/** Groups of a batch whose images have up to `largest` objects, and how many objects of an image are in each. */
function groupsOf({ queries, groups }: PilotOptions, largest: number): { groups: number; room: number } {
  if (largest === 0) return { groups: 0, room: 0 };
  if (groups < AS_MANY_AS_FIT) return { groups, room: Math.min(largest, Math.floor(queries / groups)) };
  const fitting = Math.floor(Math.min(groups, queries) / largest);
  return { groups: fitting, room: fitting === 0 ? 0 : largest };
}

/** The pilots of a batch. */
export interface DrawnPilots {
  readonly groups: number;
  /**
   * Of each image, the number of each pilot's object; "empty" for one of a group without, "unused" for one of no group.
   */
  readonly objects: readonly (readonly (number | "empty" | "unused")[])[];
  /** Values of the inputs for images `first` .. `first + count - 1`. */
  inputs(first: number, count: number): Map<string, Float32Array>;
}

/** Pilots for the objects of each image of a batch of images of `size` pixels. */
export function drawPilots(
  frame: PilotFrame,
  objects: readonly (readonly PilotedObject[])[],
  size: Grid,
  draws: PilotDraws,
): DrawnPilots {
  const { pilots } = frame;
  const { groups, room } = groupsOf(pilots, Math.max(0, ...objects.map(({ length }) => length)));
  const chosen = objects.map(({ length }, image) =>
    length > room ? draws.objects(image, length, room) : Array.from({ length }, (_, i) => i),
  );
  const places: Places = { groups, room, chosen };
  const numberOf = (numbers: readonly number[], pilot: number) =>
    pilot < groups * room ? (numbers[pilot % room] ?? "empty") : "unused";
  const apart = separation(frame, places);
  return {
    groups,
    objects: chosen.map((numbers) => Array.from({ length: pilots.queries }, (_, pilot) => numberOf(numbers, pilot))),
    inputs(first, count) {
      const shapes = pilotInputs(frame, count, size);
      const values = new Map<string, Float32Array>();
      for (const [name, shape] of shapes) values.set(name, new Float32Array(sizeOf(shape)));
      values.set(APART, apart);
      const inputs = maskInputs(frame);
      for (const { name } of inputs) values.get(name)?.fill(1);
      for (let row = 0; row < count; row++) {
        const of = { image: first + row, row, objects: objects[first + row], places };
        writeLabels(frame, of, draws, values.get(LABELS) as Float32Array);
        for (const input of inputs) writeMasks(frame, of, input, size, draws, values.get(input.name) as Float32Array);
      }
      return values;
    },
  };
}

/** Other queries see no pilots; pilots see the other queries and their own group. */
function separation({ pilots, transformerDecoder }: PilotFrame, { groups, room }: Places): Float32Array {
  const all = pilots.queries + transformerDecoder.queries;
  const apart = new Float32Array(all * all);
  for (let query = 0; query < all; query++) {
    const row = apart.subarray(query * all, (query + 1) * all);
    row.fill(1, 0, pilots.queries);
    const group = Math.floor(query / room);
    if (group < groups) row.fill(0, group * room, (group + 1) * room);
  }
  return apart;
}

/** An image of a batch and its place in a micro-batch. */
interface PilotedImage {
  readonly image: number;
  readonly row: number;
  readonly objects: readonly PilotedObject[];
  readonly places: Places;
}

function writeLabels(
  { pilots, transformerDecoder: { classes } }: PilotFrame,
  { image, row, objects, places }: PilotedImage,
  draws: PilotDraws,
  labels: Float32Array,
): void {
  const { groups, room, chosen } = places;
  const numbers = chosen[image];
  const random = new Float32Array(2 * groups * numbers.length);
  draws.labels(image, random);
  for (let group = 0; group < groups; group++) {
    numbers.forEach((number, i) => {
      const [chance, choice] = random.subarray(2 * (group * numbers.length + i));
      const label = chance < pilots.labelNoise ? Math.floor(choice * classes) : objects[number].label;
      labels[(row * pilots.queries + group * room + i) * classes + label] = 1;
    });
  }
}

function writeMasks(
  { pilots, transformerDecoder }: PilotFrame,
  { image, row, objects, places }: PilotedImage,
  { layer, level }: MaskInput,
  size: Grid,
  draws: PilotDraws,
  closed: Float32Array,
): void {
  const { groups, room, chosen } = places;
  const heads = pilots.ownHeads ? transformerDecoder.heads : 1;
  chosen[image].forEach((number, object) => {
    const touched = touchedCells(objects[number].mask, size, gridAt(size, level));
    const cells = touched.length;
    const rate = changeRate(touched, pilots.maskNoise);
    const random = new Float32Array(pilots.maskNoise > 0 ? heads * cells : 0);
    for (let group = 0; group < groups; group++) {
      if (random.length > 0) draws.cells(layer, { image, group, object }, random);
      for (let head = 0; head < heads; head++) {
        const start = ((row * heads + head) * pilots.queries + group * room + object) * cells;
        const noise = { rate, random: random.subarray(head * cells, (head + 1) * cells) };
        writeClosed(touched, closed, start, random.length > 0 ? noise : undefined);
      }
    }
  });
}

/**
 * The pilots as the decoder sees them. Parameter label_enc.weight [K, C]: embeddings of classes, for training alone.
 */
export function pilotQueries(p: Scope, inputs: ReadonlyMap<string, Tensor>, frame: PilotFrame): PilotQueries {
  const { hiddenDim, classes } = frame.transformerDecoder;
  const embeddings = p.in("label_enc").parameter("weight", [classes, hiddenDim], normal(), { decay: false });
  return {
    content: g.matMul(inputs.get(LABELS) as Tensor, embeddings),
    apart: inputs.get(APART) as Tensor,
    closed(layer) {
      const input = maskInput(frame, layer);
      return input && inputs.get(input.name);
    },
  };
}
