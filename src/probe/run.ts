/** @file `mask-jepa probe`: how much the frozen features of models know, from checkpoints and a data set to files. */

import { availableParallelism } from "node:os";
import { basename, join, resolve } from "node:path";
import { type Reporter, SILENT } from "../core/reporter.js";
import { plural } from "../core/text.js";
import { badFileOf } from "../data/datasets/data-fault.js";
import { USUAL_SPLITS } from "../data/datasets/data-set.js";
import { openDataSet } from "../data/datasets/open-data.js";
import { openProbeSplits } from "../data/datasets/semantic-split.js";
import { requireTarget } from "../data/datasets/subset.js";
import type { BadFile } from "../data/source.js";
import { runFolder } from "../evaluate/output.js";
import { evenlySpaced } from "../evaluate/selection.js";
import { isOfBackbone } from "../features/encoder-maps.js";
import type { Variant } from "../features/image-pass.js";
import { type LabelSubset, type MapScores, type Measured, measureMaps } from "../features/map-scores.js";
import { type ProbeImages, probeImages } from "../features/probe-images.js";
import { LAMBDA } from "../features/ridge.js";
import { writeFileAtomic } from "../io/atomic-file.js";
import { makeFolder } from "../io/folder.js";
import { manifest } from "../io/manifest.js";
import type { Device, Runtime } from "../runtime/contract.js";
import { createRuntime } from "../runtime/create-runtime.js";
import { uploadTensors } from "../runtime/upload.js";
import { renderReport } from "../viz/report.js";
import { probeReport } from "./page.js";
import { ProbePictures } from "./pictures.js";
import { type ProbedModel, probedModel, sameWeights } from "./probed-model.js";
import { type ModelResult, modelResult, type ProbeResult, type WeightsName } from "./results.js";
import { labelSubsets } from "./shares.js";

/** What is probed, with which labels, and where the findings go. */
export interface ProbeRunOptions {
  /** Runs or checkpoints. */
  readonly checkpoints: readonly string[];
  /** A folder in a known layout, or a YAML file that describes one. */
  readonly data: string;
  /** The data's folder, in place of the one that the YAML file names. */
  readonly root?: string;
  /**
   * Split whose images the classifiers learn from, and that they are scored on: by default "test" where it has labels,
   * else "val".
   */
  readonly trainSplit?: string;
  readonly testSplit?: string;
  /** Shares of the training images ("10%") or numbers of them; by default all. */
  readonly labels?: readonly string[];
  /** Subsets of each share that is not all images. */
  readonly subsets?: number;
  /** At most so many images of each split, evenly spaced. */
  readonly limit?: number;
  /**
   * Shorter side in pixels of the images that the network sees; by default 192, or what a model was trained on where
   * that is more.
   */
  readonly shortEdge?: number;
  /** Weight of the ridge, of standardised features; default 0.001. */
  readonly lambda?: number;
  /** Folder for the files; by default `probe` in the first run's. */
  readonly out?: string;
  readonly device: Device;
  /** 0 for all. */
  readonly cores: number;
  readonly reporter?: Reporter;
}

export interface ProbeFiles {
  readonly json: string;
  readonly page: string;
}

/** Splits to score on, the preferred first: validation images may have been looked at before. */
export const SCORED = ["test", USUAL_SPLITS.val];
const LEAST_EDGE = 192;
/** The longer side may be so many times the shorter one. */
const LONGEST = 2;
const SAMPLED = 16;

/**
 * Probes models and writes `probe.json` and `probe.html`.
 * @throws InputError when data or checkpoints cannot be read, or there is nothing to learn or to score
 */
export async function runProbe(options: ProbeRunOptions): Promise<{ result: ProbeResult; files: ProbeFiles }> {
  const { checkpoints, data, root, limit, lambda = LAMBDA, reporter = SILENT } = options;
  const models: ProbedModel[] = [];
  for (const checkpoint of checkpoints) models.push(await probedModel(checkpoint, reporter));
  const dataSet = await openDataSet(data, { root });
  const { train, test, names } = await openProbeSplits(dataSet, {
    train: options.trainSplit,
    test: options.testSplit,
    scored: SCORED,
  });
  if (names.train === names.test) reporter.warn(`Scored on ${names.test}, the images that it learns from`);
  const shortEdge = options.shortEdge ?? Math.max(LEAST_EDGE, ...models.map((model) => model.shortEdge));
  const edges = { shortEdge, longEdge: LONGEST * shortEdge };
  const { shares, subsets } = labelSubsets(
    options.labels ?? ["100%"],
    options.subsets ?? 3,
    evenlySpaced(train.length, limit),
  );
  const learned = [...new Set(subsets.flatMap(({ indices }) => [...indices]))].sort((a, b) => a - b);
  const scored = evenlySpaced(test.length, limit);
  await requireTarget(train, learned, `${data} ${names.train}`);
  await requireTarget(test, scored, `${data} ${names.test}`);
  const out = options.out ?? join(runFolder(checkpoints[0]), "probe");
  await makeFolder(out, `--out ${out}`);
  const images = {
    train: await probeImages(train, learned, edges),
    test: await probeImages(test, scored, edges),
  };
  const sampled = new Set(evenlySpaced(scored.length, SAMPLED).map((i) => scored[i]));
  const runtime = await createRuntime({ device: options.device, cores: options.cores || availableParallelism() });
  const shown = shares.reduce((a, b) => (b.images > a.images ? b : a)).subsets[0];
  const pictures = new ProbePictures(
    models.map((_, i) => `model ${i + 1}`),
    train.classes,
    shown,
  );
  const results: ModelResult[] = [];
  try {
    for (const [place, model] of models.entries()) {
      const measured = await probeOne(runtime, model, { images, subsets, lambda, sampled, pictures, place, reporter });
      results.push(
        modelResult(model, measured.measured, { shares, classes: train.classes, weightsOf: measured.weightsOf }),
      );
    }
  } finally {
    runtime.dispose();
  }
  const [{ maps }] = results;
  for (const { labels, miou, seeds } of maps[0].shares) {
    const without = seeds.filter((_, i) => miou.values[i] === null);
    if (without.length > 0) {
      reporter.warn(`--labels ${labels}: no labelled pixel in ${plural(without.length, "subset")} of ${seeds.length}`);
    }
  }
  const faults = [train, test].flatMap((split) => split.faults.map(badFileOf));
  const result: ProbeResult = {
    kind: "mask-jepa probe",
    formatVersion: 1,
    version: manifest().version,
    data: {
      path: data,
      train: { split: names.train, images: learned.length - distinct(images.train.faults).length },
      test: { split: names.test, images: scored.length - distinct(images.test.faults).length },
      classes: train.classes.map(({ id, name }) => ({ id, name })),
    },
    shortEdge,
    lambda,
    sampled: sampled.size,
    models: results,
    skipped: distinct([...faults, ...images.train.faults, ...images.test.faults]),
  };
  const files = { json: join(out, "probe.json"), page: join(out, "probe.html") };
  await writeFileAtomic(files.json, `${JSON.stringify(result, null, 2)}\n`);
  await writeFileAtomic(files.page, await renderReport(probeReport(result, train.classes, pictures.sections())));
  return { result, files };
}

interface ProbeWork {
  readonly images: { readonly train: ProbeImages; readonly test: ProbeImages };
  readonly subsets: readonly LabelSubset[];
  readonly lambda: number;
  readonly sampled: ReadonlySet<number>;
  readonly pictures: ProbePictures;
  /** Number of the model among all. */
  readonly place: number;
  readonly reporter: Reporter;
}

interface ProbedMaps {
  readonly measured: Measured;
  readonly weightsOf: (scores: MapScores) => WeightsName;
}

/**
 * One model under its trained weights and those that it began with; maps of a backbone that did not change are seen
 * once.
 */
async function probeOne(runtime: Runtime, model: ProbedModel, work: ProbeWork): Promise<ProbedMaps> {
  const { images, subsets, lambda, sampled, pictures, place, reporter } = work;
  const { names, trained, start, backbone } = model;
  const unchanged = start !== undefined && sameWeights(start, trained, backbone);
  const ownMaps = names.filter((map) => !(unchanged && isOfBackbone(map)));
  const sets = [
    ...(start ? [{ name: "start" as const, wanted: ownMaps, weights: start }] : []),
    { name: "trained" as const, wanted: names, weights: trained },
  ];
  const weightsOf = ({ map, variant }: MapScores): WeightsName =>
    unchanged && isOfBackbone(map) ? "both" : sets[variant].name;
  const variants: Variant[] = [];
  for (const { wanted, weights } of sets) variants.push({ wanted, weights: await uploadTensors(runtime, weights) });
  const about = basename(resolve(model.checkpoint));
  const [learning, scoring] = [
    lazyTask(reporter, `${about}: features of training images`, total(images.train)),
    lazyTask(reporter, `${about}: scoring on test images`, total(images.test)),
  ];
  try {
    const measured = await measureMaps(
      runtime,
      { maps: model.maps, classes: images.train.classes, variants, sharedBackbone: unchanged },
      {
        train: { images: images.train, progress: learning.update },
        test: { images: images.test, progress: scoring.update },
        subsets,
        lambda,
        sampled,
        look: (seen) => pictures.add(place, sets[seen.variant].name, seen),
      },
    );
    return { measured, weightsOf };
  } finally {
    learning.end();
    scoring.end();
    for (const { weights } of variants) for (const tensor of weights.values()) tensor.dispose();
  }
}

const total = ({ groups }: ProbeImages) => groups.reduce((sum, { indices }) => sum + indices.length, 0);

/** A task that begins with its first image. */
function lazyTask(reporter: Reporter, what: string, images: number) {
  let task: ReturnType<Reporter["begin"]> | undefined;
  return {
    update(done: number) {
      task ??= reporter.begin(what, images);
      task.update(done);
    },
    end: () => task?.end(),
  };
}

const distinct = (files: readonly BadFile[]) => [...new Map(files.map((file) => [file.file, file])).values()];
