/** @file The curves of a run's report, from its metrics. */

import type { Series } from "../viz/chart.js";
import { metricCurve, type StepRecord, stepChart } from "../viz/metric-curves.js";
import type { Section } from "../viz/report.js";
import { PROBE_METRICS } from "./probe-monitor.js";
import type { PretrainSettings } from "./settings.js";

/** Lowest share of explained variance that is drawn. */
const LEAST_EXPLAINED = -0.5;

/**
 * Losses, masked prediction, collapse monitors with their alarms, and the optimiser; what was never logged is left out.
 */
export function chartSections({ run }: PretrainSettings, metrics: readonly StepRecord[]): Section[] {
  const of = (metric: string, name = metric) => metricCurve(metrics, metric, name);
  const losses = stepChart({ title: "Training losses", wide: true }, [
    of("loss"),
    of("reconstruction"),
    of("denoising"),
  ]);
  const quality = [
    stepChart(
      { title: "Error on held-out images", description: "Below the other line, something is predicted." },
      [of("held-out-error", "masked prediction"), of("held-out-mean-error", "predicting the mean")],
      "mean squared error",
    ),
    stepChart(
      {
        title: "Variance explained",
        description:
          `1 - error / error of predicting the mean. Values below ${LEAST_EXPLAINED}, of the first steps, are ` +
          "left out.",
        threshold: { value: 0, label: "predicting the mean" },
      },
      [of("explained-variance", "training"), heldOutExplained(metrics)].map(withoutStart),
    ),
  ];
  const { featureStd, effectiveRank, stdOfStart, rankOfStart } = run.collapse;
  const alarm = (series: Series | undefined, ofStart: number, least = 0) => {
    const value = Math.max(least, ofStart * (series?.y[0] ?? 0));
    return value > 0 ? { value, label: `alarm below ${Number(value.toPrecision(2))}` } : undefined;
  };
  const [deviation, rank, lastRank] = [
    of("target-std", "deviation"),
    of("effective-rank", "rank"),
    of("last-rank", "rank"),
  ];
  const collapse = [
    stepChart({ title: "Deviation of the target features", threshold: alarm(deviation, stdOfStart, featureStd) }, [
      deviation,
    ]),
    stepChart({ title: "Effective rank of the target features", threshold: alarm(rank, rankOfStart, effectiveRank) }, [
      rank,
    ]),
    stepChart(
      {
        title: "Effective rank of F_last",
        description: "Directions that hold the variance of the map that masks are predicted from.",
        threshold: alarm(lastRank, rankOfStart),
      },
      [lastRank],
    ),
    stepChart({ title: "Error of predicting the mean", description: "It falls where the target shrinks." }, [
      of("mean-error", "predicting the mean"),
      of("reconstruction", "prediction"),
    ]),
    stepChart({ title: "Cosine of online and target features" }, [of("cosine")]),
  ];
  const probes = PROBE_METRICS.map(({ map, metric }) => of(metric, map));
  const optimiser = [
    stepChart({ title: "Gradient norm", description: "Of the whole gradient, before clipping.", logY: true }, [
      of("gradient-norm", "norm"),
    ]),
    stepChart({ title: "Learning rate" }, [of("learning-rate", "lr")]),
    stepChart({ title: "Throughput" }, [of("images-per-second", "images/s")]),
  ];
  const sections = [
    { title: "Losses", charts: [losses] },
    {
      title: "Masked prediction",
      description:
        "How well the features of masked patches are predicted; on held-out images always with the same crops, " +
        "masks, noise and queries.",
      charts: quality,
    },
    {
      title: "Linear probe",
      description:
        "How well labels of a few images follow from the features by a linear classifier: what the losses do not say.",
      charts: [stepChart({ title: "mIoU in percent", wide: true }, probes)],
    },
    {
      title: "Collapse monitors",
      description:
        "Features that are the same everywhere are easy to predict and useless: then deviation and rank fall to " +
        "the alarm.",
      charts: collapse,
    },
    { title: "Optimisation", charts: optimiser },
  ];
  const logged = sections.map((section) => ({ ...section, charts: section.charts.filter((c) => c.series.length > 0) }));
  return logged.filter(({ charts }) => charts.length > 0);
}

function heldOutExplained(metrics: readonly StepRecord[]): Series | undefined {
  const error = metricCurve(metrics, "held-out-error", "held out");
  const baseline = metricCurve(metrics, "held-out-mean-error", "");
  return error && baseline && { ...error, y: error.y.map((value, i) => 1 - value / baseline.y[i]) };
}

/** Untrained predictions are worse than the mean by far; drawing them would leave no room for the rest. */
function withoutStart(series: Series | undefined): Series | undefined {
  return series && { ...series, y: series.y.map((value) => (value < LEAST_EXPLAINED ? Number.NaN : value)) };
}
