/**
 * @file Segmentations as plain data, whoever made them: what data sets hold, models predict, metrics compare, pictures
 * show.
 */

import type { Rgb, Size } from "../core/image.js";
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
  /** For pictures. */
  readonly color: Rgb;
}

/** Pixels of a semantic map that belong to no class. */
export const IGNORED = 0xffff;

/** What one query is to predict. */
export interface Target {
  readonly label: number;
  /** Of the padded view, row by row: 1 inside, 0 outside; all 0 where the view shows nothing of the segment. */
  readonly mask: Uint8Array;
}

/** One label a pixel. */
export interface SemanticMap extends Size {
  /** Row-major, `height * width` labels or IGNORED. */
  readonly labels: Uint16Array;
}

export interface Segment {
  /** Value of its pixels in the map, above 0. */
  readonly id: number;
  readonly label: number;
  /** Pixels, by which metrics measure it. */
  readonly area: number;
  /** A region of several objects that were not separated. */
  readonly crowd: boolean;
  /** Of a predicted one, 0 to 1. */
  readonly score?: number;
}

/** What is odd about a label that can be used all the same, as whoever read it saw. */
export interface LabelRemark {
  /** An area that is not the number of pixels; an object outside of its image; an object that is there twice. */
  readonly kind: "area" | "outside" | "repeated";
  /** Which entry of which file, and what it says. */
  readonly text: string;
}

/** Segments that do not overlap. */
export interface PanopticMap extends Size {
  /** Row-major segment ids; 0 is void. */
  readonly ids: Uint32Array;
  readonly segments: readonly Segment[];
  readonly remarks?: readonly LabelRemark[];
}

/** Outlines in pixels, [x0, y0, x1, y1, ...] each: the union of the polygons. */
export interface Polygons {
  readonly polygons: readonly (readonly number[])[];
}

export interface Instance {
  readonly label: number;
  readonly crowd: boolean;
  /**
   * Pixels, by which metrics sort it into small, medium and large: what the data set's own file says, if that is about
   * right.
   */
  readonly area: number;
  readonly shape: RunLengths | Polygons;
  /** Of the data set's own file, where it has one. */
  readonly id?: number;
}

/** Objects that may overlap. */
export interface InstanceSet extends Size {
  readonly instances: readonly Instance[];
  /** Found out when it is asked for. */
  readonly remarks?: readonly LabelRemark[];
}

/** Predicted objects, best score first. */
export interface ScoredInstance {
  readonly label: number;
  /** 0 to 1. */
  readonly score: number;
  readonly mask: RunLengths;
}
