/** @file The facts of a run's report: what was trained, on what, with which numbers, and for how long. */

import { basename } from "node:path";
import { formatDuration } from "../core/duration.js";
import type { MetricRecord } from "../run/metrics-log.js";
import { countParameters } from "../run/step-estimate.js";
import type { Report } from "../viz/report.js";
import { dryRunOptions } from "./composition.js";
import { plannedStep } from "./dry-run.js";
import type { PretrainSettings } from "./settings.js";

export const percent = (share: number) => `${Math.round(100 * share)} %`;

/** Seconds of all steps, from the images per second of those that were logged. */
function trainingSeconds({ run }: PretrainSettings, metrics: readonly MetricRecord[]): number {
  const seconds = metrics.map((record) => run.batch / Number(record["images-per-second"]));
  const mean = seconds.reduce((a, b) => a + b, 0) / Math.max(1, seconds.length);
  return mean * (metrics.at(-1)?.step ?? 0);
}

/** Names and values for the head of the page. `counts`: images in all, and those kept out of training. */
export function factsOf(
  settings: PretrainSettings,
  metrics: readonly MetricRecord[],
  counts: { images: number; held: number },
): Report["facts"] {
  const { model: size, pretrain, backbone, data, optim, run } = settings;
  const steps = metrics.at(-1)?.step ?? 0;
  const seconds = trainingSeconds(settings, metrics);
  const parts = countParameters(plannedStep(dryRunOptions(settings)));
  const total = (kind: "online" | "learnable" | "target") => parts.reduce((n, part) => n + part[kind], 0);
  const millions = (count: number) => `${(count / 1e6).toFixed(2)} M`;
  const start = backbone.weights === null ? "random weights" : basename(backbone.weights);
  const losses = [
    pretrain.reconstruction && "reconstruction",
    pretrain.denoising && `denoising (${pretrain.denoiseTarget})`,
  ];
  return [
    ["Images", `${counts.images - counts.held} for training, ${counts.held} held out`],
    [
      "Crops",
      `${data.size} x ${data.size}, area ${data.cropScale.join(" to ")}${data.flip ? ", flipped at random" : ""}`,
    ],
    ["Steps", `${steps} of ${run.batch} images`],
    ["Time", `${formatDuration(seconds)}, ${((steps * run.batch) / seconds).toFixed(1)} images/s on ${run.device}`],
    ["Learnable parameters", millions(total("learnable"))],
    ["Online model", `${millions(total("online"))} parameters, predictor included`],
    ["Target model", `${millions(total("target"))} parameters`],
    ["Backbone", `${size.stageBlocks.join(", ")} blocks, from ${start}, ${backbone.frozen ? "frozen" : "trained"}`],
    [
      "Pixel decoder",
      `${"pixelDecoderLayers" in size ? `${size.pixelDecoderLayers} layers, ` : ""}width ${size.hiddenDim}`,
    ],
    ["Predictor", `${pretrain.selfAttentionBlocks} self-attention blocks, ${size.decoderLayers} decoder layers`],
    [
      "Masked",
      `${percent(pretrain.maskRatio)} of the patches of ${pretrain.maskPatch} x ${pretrain.maskPatch} at stride ` +
        `${pretrain.featureStride}`,
    ],
    ["Noise", `sigma ${pretrain.sigma} in blocks of ${pretrain.noiseBlock} pixels`],
    ["Losses", losses.filter(Boolean).join(" + ")],
    ["Optimiser", `AdamW, lr ${optim.lr} (${optim.schedule}), weight decay ${optim.weightDecay}`],
    ["Target average", `tau ${pretrain.emaStart} to ${pretrain.emaEnd}`],
    ["Seed", String(run.seed)],
  ];
}
