/** @file A probe in a few lines, for the terminal. */

import { textTable } from "../core/text-table.js";
import { formatNumber } from "../viz/table.js";
import type { MapResult, ModelResult, Spread } from "./results.js";

/** "26.4", of several subsets "26.4 ± 0.5". */
export function spreadText({ mean, deviation }: Spread): string {
  return deviation === null ? formatNumber(mean) : `${formatNumber(mean)} ± ${formatNumber(deviation)}`;
}

/** The scores of one model: a line for each map and weights, and what its purities are to be compared with. */
export function probeTable({ maps, singleClusterPurity }: ModelResult): string {
  const [first] = maps;
  const largest = (map: MapResult) => map.shares.reduce((a, b) => (b.images > a.images ? b : a));
  const head = [
    "",
    "stride",
    "channels",
    "rank",
    ...first.shares.map(({ labels }) => `mIoU ${labels}`),
    "pixel accuracy",
    "purity",
    "edge F",
  ];
  const rows = maps.map((map) => [
    `${map.map}${map.weights === "both" ? "" : `, ${map.weights}`}`,
    String(map.stride),
    String(map.channels),
    formatNumber(map.effectiveRank),
    ...map.shares.map(({ miou }) => spreadText(miou)),
    spreadText(largest(map).pixelAccuracy),
    formatNumber(map.clusterPurity),
    formatNumber(map.edges.f),
  ]);
  const single = `Purity of one cluster an image, which any clustering has: ${formatNumber(singleClusterPurity)}`;
  return [...textTable([head, ...rows]), single].join("\n");
}
