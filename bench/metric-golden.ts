/**
 * @file Compares the metrics with the reference code's numbers on masks that are not part of the project (COCO's). Run
 * by hand: `npx tsc -p tsconfig.bench.json && node dist-bench/bench/metric-golden.js FOLDER`. It is not part of the
 * tests. FOLDER holds some of `pq/CASE` (COCO panoptic: gt.json, pred.json, gt/, pred/), `ap/CASE` (gt.json, pred.json)
 * and `miou/CASE` (gt/, pred/), each with expected.json, laid out as test/fixtures/metrics.
 */

import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { argv } from "node:process";
import { type Compared, compare, panopticCase, precisionCase, semanticCase } from "../test/eval/coco-cases.js";

/** Cityscapes' cases have a form of their own, which test/eval/cityscapes-cases.test.ts reads. */
const OTHER_FORM = "cityscapes_format";

const METRICS: Record<string, Record<string, (folder: string) => Compared>> = {
  pq: { "panoptic quality": panopticCase },
  ap: {
    "average precision of masks": (folder) => precisionCase(folder, "masks"),
    "average precision of boxes": (folder) => precisionCase(folder, "boxes"),
  },
  miou: { "mean IoU": semanticCase },
};

function main(root: string | undefined): void {
  if (!root) throw new Error("usage: metric-golden.js FOLDER");
  let [cases, failures] = [0, 0];
  for (const [metric, evaluations] of Object.entries(METRICS)) {
    const folder = join(root, metric);
    if (!existsSync(folder)) continue;
    for (const { name } of readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory())) {
      if (name === OTHER_FORM) continue;
      for (const [title, evaluate] of Object.entries(evaluations)) {
        const { wrong, largest, numbers } = compare(evaluate(join(folder, name)));
        console.log(`${metric}/${name}: ${title}, ${numbers} numbers, largest difference ${largest.toExponential(1)}`);
        for (const line of wrong.slice(0, 10)) console.log(`  ${line}`);
        cases++;
        failures += Number(wrong.length > 0);
      }
    }
  }
  console.log(`${cases} comparisons, ${failures} beyond 1e-9`);
  if (cases === 0 || failures > 0) process.exitCode = 1;
}

main(argv[2]);
