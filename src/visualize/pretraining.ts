/** @file Pictures of a pretraining run: features before and after, and where masked prediction errs. */

import { availableParallelism } from "node:os";
import { basename, extname } from "node:path";
import type { Checkpoint } from "../checkpoint/checkpoint.js";
import { matchWeights } from "../checkpoint/match-weights.js";
import { loadCheckpoint } from "../checkpoint/run-state.js";
import { InputError } from "../core/errors.js";
import { range } from "../core/range.js";
import type { Reporter } from "../core/reporter.js";
import type { Shape } from "../core/tensor-data.js";
import { someOf } from "../core/text.js";
import { imageInputs } from "../data/files/image-inputs.js";
import { pictureOptions, stepOptions } from "../pretrain/composition.js";
import { FeaturePictures, READING_PICTURES } from "../pretrain/feature-pictures.js";
import { centreCrops, HeldOut } from "../pretrain/held-out.js";
import { cutOneByOne, takeUsable } from "../pretrain/image-crops.js";
import { maskJepaGraphs } from "../pretrain/mask-jepa.js";
import { type PretrainSettings, whiteOf } from "../pretrain/settings.js";
import { loadSettings } from "../pretrain/settings-resolution.js";
import { createRuntime } from "../runtime/create-runtime.js";
import { uploadTensors } from "../runtime/upload.js";
import type { Drawing, DrawingOptions } from "./visualization.js";

const percent = (share: number) => `${(100 * share).toFixed(0)} % of the variance explained`;

export async function drawPretraining(
  checkpoint: string,
  settingsFile: string,
  { images, count, device, cores, gallery, reporter }: DrawingOptions,
): Promise<Drawing> {
  const settings = loadSettings(settingsFile);
  const trained = await loadTrained(checkpoint, settings, reporter);
  const { size } = settings.data;
  const source = await imageInputs(images, { white: whiteOf(settings) });
  const all = range(source.length);
  const looking = reporter.begin("Looking at images", Math.min(count, all.length));
  const usable: number[] = [];
  const unreadable = await takeUsable(source, all, { size, count }, (index) => {
    usable.push(index);
    looking.update(usable.length);
  }).finally(() => looking.end());
  const skipped = [...source.faults, ...unreadable];
  if (usable.length === 0) {
    throw new InputError({
      where: someOf(images, 3),
      expected: "at least one image that can be read",
      found: `none; ${skipped[0].file}: ${skipped[0].reason}`,
    });
  }
  const threads = (cores ?? settings.run.cores) || availableParallelism();
  const runtime = await createRuntime({ device: device ?? settings.run.device, cores: threads });
  const [online, target] = [
    await uploadTensors(runtime, trained.tensors.model),
    await uploadTensors(runtime, trained.tensors.target),
  ];
  reporter.say("Compiling the encoders and the predictor");
  const options = pictureOptions(settings);
  const evaluator = await HeldOut.create(runtime, options.heldOut, trained.tensors.model);
  const predicting = reporter.begin("Predicting what is masked", usable.length);
  const crops = cutOneByOne(source, usable, size, (done) => predicting.update(done));
  const quality = await evaluator.evaluate(crops, { online, target }).finally(() => predicting.end());
  evaluator.dispose();
  const { reconstruction, meanError, errors, errorMaps } = quality;
  const errorAndShare = (error: number | undefined) =>
    error === undefined ? {} : { error, explainedVariance: 1 - error / meanError };
  const pictures = await FeaturePictures.create(runtime, options, online);
  const drawing = reporter.begin("Drawing", usable.length);
  for (const [place, index] of usable.entries()) {
    const file = source.name(index);
    const [crop] = await centreCrops(source, [index], size);
    const row = await pictures.row({ name: file, crop }, { map: errorMaps[place], meanError });
    const known = errorAndShare(errors[place]);
    const caption =
      known.explainedVariance === undefined ? row.caption : `${row.caption} (${percent(known.explainedVariance)})`;
    await gallery.add(place, { file, stem: stemOf(file), row: { ...row, caption }, ...known });
    drawing.update(place + 1);
  }
  drawing.end();
  pictures.dispose();
  for (const tensor of [...online.values(), ...target.values()]) tensor.dispose();
  runtime.dispose();
  const facts: Drawing["facts"] = [["Error of predicting the mean", meanError.toPrecision(3)]];
  if (reconstruction !== undefined) {
    const share = percent(1 - reconstruction / meanError);
    facts.push(["Error of masked prediction", `${reconstruction.toPrecision(3)} (${share})`]);
  }
  return {
    kind: "pretraining",
    step: trained.step,
    ...errorAndShare(reconstruction),
    meanError,
    skipped,
    title: "Features before and after pretraining",
    reading: READING_PICTURES,
    facts,
  };
}

const stemOf = (file: string) => basename(file, extname(file)).replace(/[^\p{L}\p{N}._-]+/gu, "_");

/** The checkpoint, with exactly the tensors of the model that the settings describe. */
async function loadTrained(path: string, settings: PretrainSettings, reporter: Reporter): Promise<Checkpoint> {
  const checkpoint = await loadCheckpoint(path, { parts: ["model", "target"], reporter });
  const shapes = (all: Iterable<[string, { shape: Shape }]>) =>
    new Map(Array.from(all, ([name, { shape }]) => [name, shape]));
  const { weights, targetWeights } = maskJepaGraphs(stepOptions(settings));
  const declared = { model: weights.declarations, target: targetWeights };
  for (const part of ["model", "target"] as const) {
    // A frozen backbone is part of the stored model, but no input of the graph.
    const allowUnexpected = part === "model" ? [/^backbone\./] : [];
    matchWeights(shapes(declared[part]), shapes(checkpoint.tensors[part]), {
      source: `${checkpoint.path}, ${part}`,
      allowUnexpected,
    });
  }
  return checkpoint;
}
