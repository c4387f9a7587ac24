/** @file The classes of the sample scenes: one row each, category ids 1, 2, ... in this order. */

import type { Rgb } from "../core/image.js";

export interface SceneClass {
  readonly name: string;
  /** A thing is counted (each instance a segment), stuff is not (one segment an image). */
  readonly isThing: boolean;
  /** For pictures of labels, 0 to 255. */
  readonly color: Rgb;
}

const stuff = (name: string, ...color: [number, number, number]) => ({ name, isThing: false, color }) as const;
const thing = (name: string, ...color: [number, number, number]) => ({ name, isThing: true, color }) as const;

export const STUFF_NAMES = [
  "sky",
  "mountain",
  "grass",
  "road",
  "pavement",
  "water",
  "sand",
  "building",
  "wall",
  "floor",
] as const;

export const THING_NAMES = [
  "tree",
  "rock",
  "house",
  "car",
  "boat",
  "cone",
  "barrel",
  "crate",
  "ball",
  "sheep",
  "parasol",
  "table",
  "chair",
  "vase",
] as const;

export type StuffName = (typeof STUFF_NAMES)[number];
export type ThingName = (typeof THING_NAMES)[number];
export type ClassName = StuffName | ThingName;

const TABLE: Record<ClassName, SceneClass> = {
  sky: stuff("sky", 112, 172, 220),
  mountain: stuff("mountain", 122, 124, 140),
  grass: stuff("grass", 118, 168, 64),
  road: stuff("road", 84, 84, 96),
  pavement: stuff("pavement", 168, 160, 152),
  water: stuff("water", 44, 110, 168),
  sand: stuff("sand", 222, 200, 140),
  building: stuff("building", 150, 104, 88),
  wall: stuff("wall", 200, 186, 170),
  floor: stuff("floor", 140, 100, 66),
  tree: thing("tree", 32, 112, 48),
  rock: thing("rock", 96, 92, 84),
  house: thing("house", 196, 92, 60),
  car: thing("car", 24, 60, 150),
  boat: thing("boat", 240, 240, 244),
  cone: thing("cone", 250, 120, 20),
  barrel: thing("barrel", 36, 132, 150),
  crate: thing("crate", 178, 132, 76),
  ball: thing("ball", 226, 40, 90),
  sheep: thing("sheep", 236, 220, 200),
  parasol: thing("parasol", 240, 70, 160),
  table: thing("table", 112, 64, 30),
  chair: thing("chair", 160, 60, 190),
  vase: thing("vase", 90, 200, 190),
};

/** All classes; the category id of `CLASSES[i]` is i + 1, its value in a semantic map is i. */
export const CLASSES: readonly SceneClass[] = [...STUFF_NAMES, ...THING_NAMES].map((name) => TABLE[name]);

const IDS = new Map(CLASSES.map(({ name }, index) => [name, index + 1]));

/** Category id, 1 or more. */
export function categoryId(name: ClassName): number {
  return IDS.get(name)!;
}
