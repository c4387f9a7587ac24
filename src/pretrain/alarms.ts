/**
 * @file Alarms of a pretraining that goes wrong: features that collapse, wholly or in part, measured against the start
 * of the run and against what is predictable. They depend on what the run logged alone, so a resumed run goes on where
 * it was.
 */

import type { StepRecord } from "../viz/metric-curves.js";

/** What a run measures of its features after a step; what it does not have is undefined. */
export interface FeatureState {
  readonly step: number;
  /** Of the target features: standard deviation, RankMe, and the error of predicting their mean. */
  readonly targetStd: number;
  readonly effectiveRank: number;
  readonly meanError: number;
  /** Effective rank of the covariance of F_last. */
  readonly lastRank?: number;
  /** Error of the denoised input, of F_last. */
  readonly denoising?: number;
  /** Error of the predicted features, and 1 - that / meanError. */
  readonly reconstruction?: number;
  readonly explainedVariance?: number;
}

/** Settings of the alarms; 0 turns one off. */
export interface AlarmThresholds {
  /** Least deviation and effective rank of the target features. */
  readonly featureStd: number;
  readonly effectiveRank: number;
  /** The same as shares of what they were at the start; the rank's holds for F_last too. */
  readonly stdOfStart: number;
  readonly rankOfStart: number;
  /** Share of its start below which the error of predicting the mean makes predictions look good. */
  readonly meanErrorOfStart: number;
  /** Steps after which masked features should be predicted better than by their mean. */
  readonly unexplainedSteps: number;
}

export interface Alarm {
  readonly name: AlarmName;
  /** What was seen, as the alarm began. */
  readonly seen: string;
  /** Whether the run has a denoising loss. */
  readonly denoising: boolean;
  /** Step of the first and of the last measurement that it held for. */
  readonly from: number;
  readonly to: number;
}

/** What a line of the run's metrics says of the features; undefined where they were not measured. */
function featureStateOf(record: StepRecord): FeatureState | undefined {
  const value = (name: string) => (record[name] === undefined ? undefined : Number(record[name]));
  const [targetStd, effectiveRank, meanError] = ["target-std", "effective-rank", "mean-error"].map(value);
  if (targetStd === undefined || effectiveRank === undefined || meanError === undefined) return undefined;
  return {
    step: record.step,
    targetStd,
    effectiveRank,
    meanError,
    lastRank: value("last-rank"),
    denoising: value("denoising"),
    reconstruction: value("reconstruction"),
    explainedVariance: value("explained-variance"),
  };
}

interface Situation {
  readonly now: FeatureState;
  /** The first state of the run. */
  readonly start: FeatureState;
  /** Steps since masked features were last predicted better than by their mean. */
  readonly unexplained: number;
  readonly thresholds: AlarmThresholds;
}

interface Rule {
  /** What is seen where the alarm is to be raised. */
  readonly sees: (situation: Situation) => string | undefined;
  readonly cause: string;
  readonly advice: string;
  /** What stands before the advice where there is a denoising loss. */
  readonly whileDenoising?: string;
}

const COLLAPSE = {
  cause:
    "encoder and target agree on features that are easy to predict, as they can where nothing is frozen or the " +
    "learning rate is high",
  advice:
    "pretrain.targetNorm=positions, a smaller optim.lr or optim.backboneLrFactor, pretrain.emaStart nearer to " +
    "1, or a pretrained backbone that stays frozen (--backbone FILE --set backbone.frozen=true)",
  /** Where nothing is frozen it is the denoising loss that narrows the target. */
  whileDenoising: "pretrain.denoising=false, ",
};

const short = (value: number) => value.toPrecision(2);
const percent = (share: number) => `${Math.round(100 * share)} %`;

/** A value below a limit of its own. */
function low(what: string, value: number, limit: number, setting: string): string | undefined {
  return value < limit ? `${what} is ${short(value)}, below ${limit} (run.collapse.${setting})` : undefined;
}

/** A value below a share of what it was at the start. */
function fallen(
  what: string,
  [now, start]: readonly [number | undefined, number | undefined],
  share: number,
  setting: string,
): string | undefined {
  if (now === undefined || start === undefined || !(now < share * start)) return undefined;
  return (
    `${what} fell from ${short(start)} to ${short(now)}, below ${percent(share)} of its start ` +
    `(run.collapse.${setting})`
  );
}

const DEVIATION = "the deviation of the target features";
const RANK = "the effective rank of the target features";

const fallenLastRank = ({ now, start, thresholds: { rankOfStart } }: Situation) =>
  fallen("the effective rank of F_last", [now.lastRank, start.lastRank], rankOfStart, "rankOfStart");

const RULES = {
  deviation: {
    sees: ({ now, thresholds: { featureStd } }) => low(DEVIATION, now.targetStd, featureStd, "featureStd"),
    ...COLLAPSE,
  },
  rank: {
    sees: ({ now, thresholds: { effectiveRank } }) => low(RANK, now.effectiveRank, effectiveRank, "effectiveRank"),
    ...COLLAPSE,
  },
  "falling deviation": {
    sees: ({ now, start, thresholds: { stdOfStart } }) =>
      fallen(DEVIATION, [now.targetStd, start.targetStd], stdOfStart, "stdOfStart"),
    ...COLLAPSE,
  },
  "falling rank": {
    sees: ({ now, start, thresholds: { rankOfStart } }) =>
      fallen(RANK, [now.effectiveRank, start.effectiveRank], rankOfStart, "rankOfStart"),
    ...COLLAPSE,
  },
  "falling rank of F_last": {
    sees: (situation) => (situation.now.denoising === undefined ? undefined : fallenLastRank(situation)),
    cause: "F_last learns from denoising alone, which needs few directions, fewest with the image as its target",
    advice: "pretrain.denoiseTarget=noise or pretrain.denoising=false",
  },
  "falling rank of F_last without denoising": {
    sees: (situation) => (situation.now.denoising === undefined ? fallenLastRank(situation) : undefined),
    ...COLLAPSE,
  },
  "shrinking target": {
    // In the logarithm the target's part of the smaller error is the larger one: meanError / start > error / meanError.
    sees: ({ now, start, thresholds: { meanErrorOfStart } }) => {
      const { meanError, reconstruction } = now;
      const share = meanError / start.meanError;
      if (reconstruction === undefined || !(share < meanErrorOfStart && share < reconstruction / meanError)) return;
      return (
        "the prediction got better mostly because the target shrank: the error of predicting its mean fell from " +
        `${short(start.meanError)} to ${short(meanError)}, that of the prediction is ${short(reconstruction)} ` +
        "(run.collapse.meanErrorOfStart)"
      );
    },
    ...COLLAPSE,
  },
  "nothing predicted": {
    sees: ({ now, unexplained, thresholds: { unexplainedSteps } }) =>
      unexplainedSteps > 0 && unexplained >= unexplainedSteps
        ? `masked features have been predicted worse than by their mean for ${unexplained} steps, the explained ` +
          `variance is ${short(now.explainedVariance as number)} (run.collapse.unexplainedSteps)`
        : undefined,
    cause: "the predictor learns too slowly, or the target changes faster than it can follow",
    advice: "another optim.lr, pretrain.emaStart nearer to 1, or a smaller pretrain.maskRatio",
  },
} as const satisfies Record<string, Rule>;

export type AlarmName = keyof typeof RULES;
const NAMES = Object.keys(RULES) as AlarmName[];

/** Measurements in a row that raise an alarm, and that end it: one batch says little. */
const RAISED_BY = 2;
const ENDED_BY = 5;

/** Follows a run from its first measurement; `logged` is what it measured so far. */
export class CollapseWatch {
  private readonly raised: Alarm[] = [];
  private readonly open = new Map<AlarmName, { at: number; held: number; missed: number }>();
  private start: FeatureState | undefined;
  private explainedAt = 0;

  constructor(
    private readonly thresholds: AlarmThresholds,
    logged: readonly StepRecord[],
  ) {
    for (const record of logged) this.add(record);
  }

  /** Takes what was logged after the next step. @returns the alarms that begin with it */
  add(record: StepRecord): Alarm[] {
    const now = featureStateOf(record);
    if (!now) return [];
    this.start ??= now;
    if (!(now.explainedVariance !== undefined && now.explainedVariance < 0)) this.explainedAt = now.step;
    const { start, thresholds } = this;
    const situation = { now, start, thresholds, unexplained: now.step - this.explainedAt };
    return NAMES.flatMap((name) => this.follow(name, RULES[name].sees(situation), now) ?? []);
  }

  /** All that were raised, in their order. */
  get alarms(): readonly Alarm[] {
    return this.raised;
  }

  private follow(name: AlarmName, seen: string | undefined, now: FeatureState): Alarm | undefined {
    const { step } = now;
    const before = this.open.get(name);
    if (seen === undefined) {
      const over = before && (before.held < RAISED_BY || ++before.missed === ENDED_BY);
      if (over) this.open.delete(name);
      return undefined;
    }
    const entry = before ?? { at: 0, held: 0, missed: 0 };
    entry.missed = 0;
    entry.held++;
    this.open.set(name, entry);
    if (entry.held > RAISED_BY) this.raised[entry.at] = { ...this.raised[entry.at], to: step };
    if (entry.held !== RAISED_BY) return undefined;
    const alarm = { name, seen, denoising: now.denoising !== undefined, from: step, to: step };
    entry.at = this.raised.push(alarm) - 1;
    return alarm;
  }
}

/**
 * An alarm for the reader: when, what was seen, the usual cause, and what to try. `last`: the last step of the run,
 * once it is over.
 */
export function alarmText({ name, seen, denoising, from, to }: Alarm, last?: number): string {
  const { cause, advice, whileDenoising = "" }: Rule = RULES[name];
  const when =
    last === undefined ? `At step ${from}` : to === last ? `Since step ${from}` : `From step ${from} to ${to}`;
  return `${when}: ${seen}. Usual cause: ${cause}. Try ${denoising ? whileDenoising : ""}${advice}.`;
}
