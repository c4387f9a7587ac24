/** @file What the drawing of a run of any kind is given and gives. */

import type { Device } from "../core/devices.js";
import type { Reporter } from "../core/reporter.js";
import type { BadFile } from "../data/source.js";
import type { Gallery, PicturedImage, PredictionQuality } from "./gallery.js";

export interface VisualizationOptions {
  /** A run, a checkpoint, or weights of a whole model that `loadTrainedModel` takes. */
  checkpoint: string;
  /** Which of several models there; of a pretraining run both are drawn. */
  part?: string;
  /** Files, folders and patterns. */
  images: readonly string[];
  /** Folder for the pictures; files of the same names are replaced, others stay. */
  out: string;
  /** The first so many images that can be read. */
  count: number;
  /** Where to compute; by default where the run was trained. */
  device?: Device;
  /** 0 for all; by default as many as the run was trained with. */
  cores?: number;
  reporter?: Reporter;
}

export interface Visualization extends PredictionQuality {
  kind: "pretraining" | "fine-tuned model";
  /** Steps that the run's checkpoint was trained for. */
  step?: number;
  /** Of pretraining: error of predicting the mean feature of all these images. */
  meanError?: number;
  images: PicturedImage[];
  skipped: readonly BadFile[];
}

/** A drawn run, with what the page says of it. */
export interface Drawing extends Omit<Visualization, "images"> {
  title: string;
  /** How to read the pictures. */
  reading: string;
  facts: [name: string, value: string][];
  warnings?: string[];
}

/** What drawing needs besides the checkpoint. */
export interface DrawingOptions extends Omit<VisualizationOptions, "checkpoint" | "out"> {
  reporter: Reporter;
  gallery: Gallery;
}
