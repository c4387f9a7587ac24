/** @file The first thing to try: generated scenes, a short pretraining of the preset "tiny", and its report. */

import { copyFile, readFile } from "node:fs/promises";
import { join } from "node:path";
import { type SampleDataOptions, writeSampleData } from "../data/sample-data.js";
import { exists } from "../io/atomic-file.js";
import { RUN_FILES } from "../run/run-directory.js";
import type { LoopOutcome } from "../run/training-loop.js";
import { formatDuration } from "../train/live-line.js";
import { runPretraining } from "./run.js";
import { resolveSettings } from "./settings-resolution.js";

export interface QuickstartOptions {
  /** Folders of images to use instead of generated scenes. */
  images?: readonly string[];
  /** Folder for the scenes, the runs and the report. */
  out: string;
  /** Settings over the preset, as after `--set`. */
  sets?: readonly string[];
  /** What scenes to generate. */
  scenes?: Scenes;
}

export type Scenes = Pick<SampleDataOptions, "images" | "size" | "seed">;

/** Enough to learn from, and rendered in half a minute. */
const SCENES: Scenes = { images: 128, size: 160, seed: 0 };

/**
 * Pretrains on `images`, or on scenes generated in `out/data`, in `out/run` (in `out/run-2` if that is there, and so on),
 * and leaves the latest report as `out/report.html`.
 * @throws InputError as `pretrain` and `sample-data` do
 */
export async function runQuickstart({ images, out, sets, scenes = SCENES }: QuickstartOptions): Promise<LoopOutcome> {
  const started = performance.now();
  const folders = images ?? [await sampleScenes(join(out, "data"), scenes)];
  const flags = [{ path: ["data", "images"], value: folders, where: "--images" }];
  const run = await freeRunFolder(out);
  const settings = resolveSettings({ preset: "tiny", sets, flags });
  console.log(`Pretraining the preset "tiny" into ${run}`);
  const outcome = await runPretraining({ settings, out: run, start: "new" });
  if (!outcome.interrupted) {
    const report = join(out, RUN_FILES.report);
    await copyFile(join(run, RUN_FILES.report), report);
    console.log(`Finished in ${formatDuration((performance.now() - started) / 1000)}. Open the report: ${report}`);
  }
  return outcome;
}

/** The images of the sample data in `dir`, which are generated unless they are there already. */
async function sampleScenes(dir: string, scenes: Scenes): Promise<string> {
  if (await isComplete(dir, scenes)) console.log(`Using the sample scenes in ${dir}`);
  else {
    console.log(`Generating ${scenes.images} sample scenes in ${dir}`);
    const onProgress = (done: number, total: number) => {
      if (process.stdout.isTTY) process.stdout.write(`\r${done}/${total}${done === total ? "\n" : ""}`);
    };
    await writeSampleData({ dir, ...scenes, overwrite: true, onProgress });
  }
  return join(dir, "images");
}

/** Whether `dir` holds those scenes: `data.yaml`, written first, says which ones; the last file says that all are there. */
async function isComplete(dir: string, { images, size, seed }: Scenes): Promise<boolean> {
  const description = await readFile(join(dir, "data.yaml"), "utf8").catch(() => "");
  const same = description.includes(`generated:\n  images: ${images}\n  size: ${size}\n  seed: ${seed}\n`);
  return same && (await exists(join(dir, "annotations", "instances_val.json")));
}

/** The first of `out/run`, `out/run-2`, ... that does not exist. */
async function freeRunFolder(out: string): Promise<string> {
  for (let i = 1; ; i++) {
    const run = join(out, i === 1 ? "run" : `run-${i}`);
    if (!(await exists(run))) return run;
  }
}
