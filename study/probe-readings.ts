/** @file What the probe found in the pretrainings of a study. */

import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { MapName } from "../src/features/encoder-maps.js";
import type { ProbeResult, WeightsName } from "../src/probe/results.js";
import { type Cell, nameOf } from "./comparison.js";
import type { Run } from "./runs.js";
import type { Study } from "./studies.js";

/** How much one map of one pretraining knows: a linear classifier's mIoU in percent, a place for every seed. */
export interface ProbeRow {
  readonly pretraining: string;
  readonly map: MapName;
  /** Under the weights that pretraining began with, and those it ended with. */
  readonly start: readonly (number | undefined)[];
  readonly trained: readonly (number | undefined)[];
}

type Scores = ReadonlyMap<MapName, Readonly<Partial<Record<WeightsName, number>>>>;

/** Of all labels, by map and weights; undefined for a probe that was not taken. */
async function scoresOf({ out }: Run): Promise<Scores | undefined> {
  const file = join(out, "probe.json");
  if (!existsSync(file)) return undefined;
  const { models } = JSON.parse(await readFile(file, "utf8")) as ProbeResult;
  const scores = new Map<MapName, Partial<Record<WeightsName, number>>>();
  for (const { map, weights, shares } of models[0].maps) {
    const miou = shares.at(-1)?.miou.mean;
    scores.set(map, { ...scores.get(map), [weights]: miou ?? undefined });
  }
  return scores;
}

/** Maps that pretraining does not change, as those of a frozen backbone, have the same score before and after it. */
export async function probeRowsOf(study: Study, cells: readonly Cell[], seeds: readonly number[]): Promise<ProbeRow[]> {
  const probes = new Map<string, (Scores | undefined)[]>();
  for (const { arm, probing, seed } of cells) {
    if (!arm.pretraining || !probing) continue;
    const name = nameOf(arm.pretraining, study);
    const known = probes.get(name) ?? seeds.map(() => undefined);
    known[seeds.indexOf(seed)] ??= await scoresOf(probing);
    probes.set(name, known);
  }
  return [...probes].flatMap(([pretraining, scores]) => {
    const maps = [...new Set(scores.flatMap((one) => [...(one?.keys() ?? [])]))];
    return maps.map((map) => {
      const under = (weights: WeightsName) => scores.map((one) => one?.get(map)?.[weights] ?? one?.get(map)?.both);
      return { pretraining, map, start: under("start"), trained: under("trained") };
    });
  });
}
