/** @file The probe as a monitor: how well labels of a few images follow from the features as they are now. */

import { describeMaps, type MapName, type MapsOf } from "../features/encoder-maps.js";
import { KeptGraphs } from "../features/image-pass.js";
import { gatherSums, type ProbeSetup, scoreClassifiers } from "../features/linear-probe.js";
import type { LiveWeights } from "../features/open-graph.js";
import type { ProbeImages } from "../features/probe-images.js";
import { LAMBDA, ridge } from "../features/ridge.js";
import type { Runtime } from "../runtime/contract.js";
import type { StepRecord } from "../viz/metric-curves.js";

/** Maps that pretraining changes, the one that decides on the best checkpoint first. */
const PROBED: readonly MapName[] = ["F_i1", "F_last"];

/** The metric of a map in the log: mIoU in percent. */
export const probeMetric = (map: MapName) => `probe-miou-${map}`;

export const PROBE_METRICS = PROBED.map((map) => ({ map, metric: probeMetric(map) }));

export interface ProbeScore {
  readonly map: MapName;
  /** In percent; null where no class occurs among the images. */
  readonly miou: number | null;
}

export interface ProbeMonitorOptions {
  readonly maps: MapsOf;
  /** Images in memory, of one size and of the same classes. */
  readonly train: ProbeImages;
  readonly test: ProbeImages;
}

export class ProbeMonitor {
  private readonly setup: ProbeSetup;
  private readonly graphs: { readonly train: KeptGraphs; readonly test: KeptGraphs };

  /** `weights`: the encoder's, which are read at each measurement. */
  constructor(
    private readonly runtime: Runtime,
    private readonly options: ProbeMonitorOptions,
    weights: LiveWeights,
  ) {
    const { channels } = describeMaps(options.maps);
    const wanted = PROBED.filter((map) => channels.has(map));
    this.setup = { maps: options.maps, classes: options.train.classes, variants: [{ wanted, weights }] };
    this.graphs = { train: new KeptGraphs(runtime), test: new KeptGraphs(runtime) };
  }

  /** The score of each map, the deciding one first. @throws InputError when features are not finite */
  async measure(): Promise<ProbeScore[]> {
    const { runtime, setup, options, graphs } = this;
    const subsets = { names: ["the probe's images"], of: () => [0] };
    const [sums] = await gatherSums(runtime, setup, { images: options.train, graphs: graphs.train }, subsets);
    const classifiers = new Map([...sums].map(([map, all]) => [map, all.map((one) => ridge(one, LAMBDA))]));
    const pass = { images: options.test, graphs: graphs.test };
    const [found] = await scoreClassifiers(runtime, setup, pass, [classifiers]);
    return [...found].map(([map, [scores]]) => {
      const { miou } = scores.result().summary;
      return { map, miou: miou === null ? null : 100 * miou };
    });
  }

  async dispose(): Promise<void> {
    await this.graphs.train.dispose();
    await this.graphs.test.dispose();
  }
}

/**
 * The step of the best score that a run has logged, with the map by which it is the best; undefined where there is
 * none.
 */
export function bestProbe(metrics: readonly StepRecord[]): { step: number; map: MapName; miou: number } | undefined {
  const deciding = PROBE_METRICS.find(({ metric }) => metrics.some((record) => record[metric] !== undefined));
  if (!deciding) return undefined;
  const scores = metrics.flatMap(({ step, [deciding.metric]: miou }) =>
    miou === undefined ? [] : { step, map: deciding.map, miou: Number(miou) },
  );
  return scores.reduce((a, b) => (b.miou > a.miou ? b : a));
}
