/**
 * @file The page that a run leaves behind: what ran, how the losses went, whether it collapsed, and what it sees now.
 */

import { join } from "node:path";
import { range } from "../core/range.js";
import { skippedNotes } from "../data/skipped-notes.js";
import type { BadFile, ImageSource } from "../data/source.js";
import { writeFileAtomic } from "../io/atomic-file.js";
import { asPng } from "../io/image-file.js";
import { type MetricRecord, readMetrics } from "../run/metrics-log.js";
import { RUN_FILES } from "../run/run-files.js";
import { loggedMetrics } from "../run/run-log.js";
import type { Runtime } from "../runtime/contract.js";
import { encodedRow, type Report, renderReport } from "../viz/report.js";
import { alarmText, CollapseWatch } from "./alarms.js";
import { pictureOptions } from "./composition.js";
import { drawImages, READING_PICTURES } from "./feature-pictures.js";
import type { HeldOut } from "./held-out.js";
import { usableCrops } from "./image-crops.js";
import type { Pretrainer } from "./pretrainer.js";
import { bestProbe } from "./probe-monitor.js";
import { chartSections } from "./report-charts.js";
import { factsOf, percent } from "./report-facts.js";
import type { PretrainSettings } from "./settings.js";

/** Images in the gallery of a run. */
const SHOWN = 6;

/** A finished run, as far as its report needs it. */
export interface FinishedRun {
  /** Folder of the run; the report lies in it as `RUN_FILES.report`. */
  out: string;
  settings: PretrainSettings;
  runtime: Runtime;
  source: ImageSource;
  /** Indices in `source` of the images kept out of training. */
  held: readonly number[];
  pretrainer: Pretrainer;
  /** Undefined when nothing is held out. */
  evaluation?: HeldOut;
}

/** Writes the report of a run, one HTML file that loads nothing from elsewhere. Returns its content. */
export async function writeRunReport(run: FinishedRun): Promise<Report> {
  const { out, settings, runtime, source, held, pretrainer, evaluation } = run;
  const shown = held.length > 0 ? held : range(source.length);
  const { images, skipped } = await usableCrops(source, shown, settings.data.size, SHOWN);
  const { rows } = await drawImages(runtime, pictureOptions(settings), images, pretrainer.weights, evaluation);
  const metrics = loggedMetrics(out);
  const kind = held.length > 0 ? "Images that training never saw." : "Images of the training set: none were held out.";
  const report: Report = {
    title: "Mask-JEPA pretraining",
    summary: verdict(metrics),
    warnings: warningsOf(settings, metrics),
    facts: [...factsOf(settings, metrics, { images: source.length, held: held.length }), ...probeFacts(metrics)],
    sections: [
      ...chartSections(settings, metrics),
      {
        title: "Features before and after",
        description: `${kind} ${READING_PICTURES}`,
        gallery: await Promise.all(rows.map((row) => encodedRow(row, asPng))),
      },
    ],
    notes: skippedNotes([...skippedImages(out), ...skipped]),
  };
  await writeFileAtomic(join(out, RUN_FILES.report), await renderReport(report));
  return report;
}

function skippedImages(out: string): BadFile[] {
  const records = readMetrics(join(out, RUN_FILES.skipped));
  return records.map(({ file, reason }) => ({ file: String(file), reason: String(reason) }));
}

/** The last value of a metric that is logged on some steps only. */
function last(metrics: readonly MetricRecord[], name: string): number | undefined {
  const value = metrics.findLast((record) => record[name] !== undefined)?.[name];
  return value === undefined ? undefined : Number(value);
}

/** 1 - error / error of predicting the mean, of the held-out images. */
function heldOutExplained(metrics: readonly MetricRecord[]): number | undefined {
  const [error, meanError] = [last(metrics, "held-out-error"), last(metrics, "held-out-mean-error")];
  return error === undefined || meanError === undefined ? undefined : 1 - error / meanError;
}

function verdict(metrics: readonly MetricRecord[]): string | undefined {
  const explained = heldOutExplained(metrics);
  if (explained === undefined) return undefined;
  const error = last(metrics, "held-out-error")?.toPrecision(3);
  return explained > 0
    ? `On images that training never saw, the error of masked prediction is ${error}, ${percent(explained)} below ` +
        "that of predicting the mean feature."
    : `On images that training never saw, the error of masked prediction is ${error}, no better than that of ` +
        "predicting the mean feature.";
}

function probeFacts(metrics: readonly MetricRecord[]): Report["facts"] {
  const best = bestProbe(metrics);
  return best ? [["Best by the probe", `step ${best.step}, mIoU ${best.miou.toFixed(1)} on ${best.map}`]] : [];
}

function warningsOf({ run }: PretrainSettings, metrics: readonly MetricRecord[]): string[] {
  const { alarms } = new CollapseWatch(run.collapse, metrics);
  return alarms.map((alarm) => alarmText(alarm, metrics.at(-1)?.step));
}
