/** @file Images through the model and onto the disk, several at a time. */

import { eachOf } from "../../core/concurrency.js";
import { InputError } from "../../core/errors.js";
import type { Reporter } from "../../core/reporter.js";
import { type BadFile, decodeImage } from "../../data/source.js";
import type { Task } from "../../masks/segmentation.js";
import { listenForStop } from "../../run/stop-request.js";
import type { Prediction, Predictor } from "../predictor.js";
import type { Findings } from "./findings.js";
import { type WrittenImage, writeImage } from "./image-files.js";
import type { ImageList } from "./image-list.js";

export interface Work {
  readonly predictor: Predictor;
  readonly forms: ReadonlySet<Task>;
  readonly out: string;
  readonly scoreThreshold: number;
  readonly reporter: Reporter;
  /** Is handed every image that is done, in any order, with its place in the list. */
  take(place: number, prediction: Prediction, written: WrittenImage): Promise<void>;
}

/** Images that the page shows. */
const SHOWN = 48;

/** Images under way besides those that are computed: being read, drawn and written. */
const AHEAD = 1;

/** All images, several at a time, until a signal comes. */
export async function predictImages(
  { source, images, order, sizes }: ImageList,
  { predictor, forms, out, scoreThreshold, reporter, take }: Work,
): Promise<{ skipped: BadFile[]; findings?: Findings; interrupted: boolean }> {
  const { classes, task } = predictor.model;
  const skipped: BadFile[] = [];
  let findings: Findings | undefined;
  const one = async (place: number) => {
    const listed = images[place];
    try {
      const image = await decodeImage(source, listed.index);
      const prediction = await predictor.predict(image, forms);
      const options = { out, classes, scoreThreshold, shown: place < SHOWN, described: images.length === 1 };
      const written = await writeImage(listed, image, prediction, options);
      await take(place, prediction, written);
      findings = written.findings;
    } catch (error) {
      if (!(error instanceof InputError) || error.problem.where !== listed.file) throw error;
      skipped.push({ file: listed.file, reason: error.problem.found });
    }
  };
  const each = sizes > 1 ? ` for ${sizes} input sizes, each when its first image comes` : "";
  reporter.say(`Compiling the ${task} model${each}`);
  const shown = reporter.begin("Segmenting", images.length);
  const stop = listenForStop(() => reporter.say("Finishing the images under way. Once more to quit at once."));
  let done = 0;
  const andTell = async (place: number) => {
    await one(place);
    shown.update(++done);
  };
  try {
    await eachOf(order, predictor.concurrency + AHEAD, andTell, () => stop.requested);
    return { skipped, findings, interrupted: stop.requested };
  } finally {
    shown.end();
    stop.dispose();
  }
}
