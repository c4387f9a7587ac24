/** @file Segmentations as plain data, whoever made them: what data sets hold, models predict, metrics compare, pictures show. */

import type { RunLengths } from "./run-lengths.js";

export const TASKS = ["semantic", "instance", "panoptic"] as const;
export type Task = (typeof TASKS)[number];

/** A class by its index in a model's or data set's list of classes (0, 1, ...): "label" everywhere in the code. */
export interface SegmentationClass {
  /** Its id in the data set's own files and in what is written for others to read. */
  readonly id: number;
  readonly name: string;
  /** A thing is counted (each instance a segment), stuff is not (one segment an image). */
  readonly isThing: boolean;
  /** For pictures, 0 to 255. */
  readonly color: readonly [red: number, green: number, blue: number];
}

/** Pixels of a semantic map that belong to no class. */
export const IGNORED = 0xffff;

/** One label a pixel. */
export interface SemanticMap {
  readonly width: number;
  readonly height: number;
  /** Row-major, `height * width` labels or IGNORED. */
  readonly labels: Uint16Array;
}

export interface Segment {
  /** Value of its pixels in the map, above 0. */
  readonly id: number;
  readonly label: number;
  /** Pixels, as the data set's own file says it where it does (metrics use that number). */
  readonly area: number;
  /** A region of several objects that were not separated. */
  readonly crowd: boolean;
  /** Of a predicted one, 0 to 1. */
  readonly score?: number;
}

/** Segments that do not overlap. */
export interface PanopticMap {
  readonly width: number;
  readonly height: number;
  /** Row-major segment ids; 0 is void. */
  readonly ids: Uint32Array;
  readonly segments: readonly Segment[];
}

/** Outlines in pixels, [x0, y0, x1, y1, ...] each: the union of the polygons. */
export interface Polygons {
  readonly polygons: readonly (readonly number[])[];
}

export interface Instance {
  readonly label: number;
  readonly crowd: boolean;
  /** Pixels, as the data set's own file says it where it does. */
  readonly area: number;
  readonly shape: RunLengths | Polygons;
  /** Of the data set's own file, where it has one. */
  readonly id?: number;
}

/** Objects that may overlap. */
export interface InstanceSet {
  readonly width: number;
  readonly height: number;
  readonly instances: readonly Instance[];
}

/** Predicted objects, best score first. */
export interface ScoredInstance {
  readonly label: number;
  /** 0 to 1. */
  readonly score: number;
  readonly mask: RunLengths;
}
