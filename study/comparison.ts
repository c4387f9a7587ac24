/** @file A study as runs: which pretrainings it needs, which fine-tunings begin with them, and which of these are one and the same. */

import { basename, join } from "node:path";
import { type FamilyName, familyOf } from "../src/families/families.js";
import { MODEL_PARTS } from "../src/families/family.js";
import type { Run } from "./runs.js";
import type { Arm, Base, Pretraining, Study } from "./studies.js";

/** What all arms have in common: the regime in which the paper's question is asked. */
export interface Regime extends Base {
  /** Arguments of every pretraining and of every fine-tuning, as for the command line. */
  readonly pretrain: readonly string[];
  readonly finetune: readonly string[];
  /** Of every probe of a pretraining, but for what it probes. */
  readonly probe: readonly string[];
  readonly seeds: readonly number[];
  /** Where the study does not vary them. */
  readonly labels: readonly string[];
  readonly out: string;
}

/** A cell of the table: one arm with one share of the labels and one seed. */
export interface Cell {
  readonly arm: Arm;
  readonly labels: string;
  readonly seed: number;
  readonly pretraining?: Run;
  /** What the frozen features know after it, and before. */
  readonly probing?: Run;
  readonly finetuning: Run;
}

const sets = (settings: readonly string[]): string[] => settings.flatMap((setting) => ["--set", setting]);

/** What a pretraining is called, whatever its seed: those of studies with settings of their own have names of their own. */
export function nameOf({ name }: Pretraining, { sets: own }: Study): string {
  return [name, ...(own ? [own.map((set) => set.replace(/^\w+\./, "")).join(",")] : [])].join("-");
}

/** "base-seed-0" */
const folderOf = (pretraining: Pretraining, study: Study, seed: number): string =>
  `${nameOf(pretraining, study)}-seed-${seed}`;

function pretrainingRun(pretraining: Pretraining, study: Study, regime: Regime, seed: number): Run {
  const { length = 1, images = 0 } = pretraining;
  const { run } = regime.settings;
  const longer =
    run.steps !== null ? ["--steps", String(run.steps * length)] : ["--epochs", String(run.epochs! * length)];
  return {
    command: "pretrain",
    out: join(regime.out, "pretrain", folderOf(pretraining, study, seed)),
    arguments: [
      ...["--images", regime.images[images]],
      ...regime.pretrain,
      ...sets([...(study.sets ?? []), ...pretraining.sets]),
      ...["--seed", String(seed)],
      ...(length === 1 ? [] : longer),
    ],
  };
}

const probingRun = ({ out }: Run, regime: Regime): Run => ({
  command: "probe",
  out: join(regime.out, "probe", basename(out)),
  arguments: ["--checkpoint", out, ...regime.probe],
});

/**
 * Without a pretraining whose model goes over, the settings of the model itself, as far as the family has them: the
 * base's, and in their place the study's own.
 */
function modelSettings({ model }: Base["settings"], study: Study, family: FamilyName): string[] {
  const has = Object.keys(familyOf({ family }).settings.fields);
  const foreign = Object.keys(familyOf(model).settings.fields).filter((name) => !has.includes(name));
  const own = study.sets?.filter((set) => set.startsWith("model.")) ?? [];
  const common = Object.entries({ ...model, family }).filter(
    ([name]) => !foreign.includes(name) && !own.some((set) => set.startsWith(`model.${name}=`)),
  );
  return sets([...common.map(([name, value]) => `model.${name}=${JSON.stringify(value)}`), ...own]);
}

function cellOf(arm: Arm, study: Study, regime: Regime, labels: string, seed: number): Cell {
  const pretraining = arm.pretraining && pretrainingRun(arm.pretraining, study, regime, seed);
  const parts = arm.parts.length === MODEL_PARTS.length ? "all" : arm.parts.join("+") || "random";
  const { family = regime.settings.model.family } = arm;
  const from = pretraining?.out ?? arm.run;
  const start = from
    ? ["--from", from, "--from-parts", arm.parts.join(","), ...(arm.family ? ["--family", family] : [])]
    : modelSettings(regime.settings, study, family);
  const own = { name: arm.run ? `control-${basename(arm.run)}` : "none", sets: [] };
  const name = folderOf(arm.pretraining ?? own, study, seed);
  return {
    arm,
    labels,
    seed,
    pretraining,
    probing: pretraining && probingRun(pretraining, regime),
    finetuning: {
      command: "finetune",
      out: join(
        regime.out,
        "finetune",
        [name, parts, arm.family, labels.replace("%", "-percent")].filter(Boolean).join("-"),
      ),
      arguments: [
        ...regime.finetune,
        ...start,
        ...["--labels", labels, "--seed", String(seed), "--set", `data.labelsSeed=${seed}`],
      ],
    },
  };
}

/**
 * Every cell of a study's table, seed by seed: once all is pretrained, the first repeat is whole before the second
 * begins.
 */
export function cellsOf(study: Study, regime: Regime): Cell[] {
  const shares = study.labels ?? regime.labels;
  return regime.seeds.flatMap((seed) =>
    shares.flatMap((labels) => study.arms.map((arm) => cellOf(arm, study, regime, labels, seed))),
  );
}
