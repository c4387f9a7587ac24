/** @file The names of all scores: as JSON has them, as tables show them, and what they mean. */

/** Percentages by name, and counts; null where there is nothing to average (no class of the kind has ground truth). */
export type ScoreTable = Readonly<Record<string, number | null>>;

export interface Metric {
  readonly name: string;
  /** Head of its column. */
  readonly label: string;
  readonly meaning: string;
  /** A number of segments, no percentage. */
  readonly count?: boolean;
  /** Of the whole only: tables of classes leave it out. */
  readonly minor?: boolean;
}

/** Scores of a panoptic model in another form of output end in this: AP_pan^Th is `apPan`, mIoU_pan is `miouPan`. */
const OTHER_FORM = "Pan";
const OTHER_FORM_END = new RegExp(`${OTHER_FORM}$`);

const ap = (meaning: string) => `COCO mask AP ${meaning}`;

/** In the order in which tables show them. */
const METRICS: readonly Metric[] = [
  { name: "pq", label: "PQ", meaning: "panoptic quality, SQ x RQ, mean over classes" },
  { name: "sq", label: "SQ", meaning: "segmentation quality: mean IoU of the matched segments" },
  { name: "rq", label: "RQ", meaning: "recognition quality: F1 of the segments, matched above an IoU of 0.5" },
  { name: "pqThings", label: "PQ things", meaning: "panoptic quality, mean over the thing classes" },
  { name: "sqThings", label: "SQ things", meaning: "segmentation quality, mean over the thing classes" },
  { name: "rqThings", label: "RQ things", meaning: "recognition quality, mean over the thing classes" },
  { name: "pqStuff", label: "PQ stuff", meaning: "panoptic quality, mean over the stuff classes" },
  { name: "sqStuff", label: "SQ stuff", meaning: "segmentation quality, mean over the stuff classes" },
  { name: "rqStuff", label: "RQ stuff", meaning: "recognition quality, mean over the stuff classes" },
  { name: "ap", label: "AP", meaning: ap("over IoUs of 0.50 to 0.95, mean over classes") },
  { name: "ap50", label: "AP50", meaning: ap("at an IoU of 0.50") },
  { name: "ap75", label: "AP75", meaning: ap("at an IoU of 0.75") },
  { name: "apSmall", label: "AP S", meaning: ap("of objects of at most 32 x 32 pixels") },
  { name: "apMedium", label: "AP M", meaning: ap("of objects from 32 x 32 to 96 x 96 pixels") },
  { name: "apLarge", label: "AP L", meaning: ap("of objects of at least 96 x 96 pixels") },
  { name: "apCityscapes", label: "AP Cityscapes", meaning: "mask AP as Cityscapes' own scripts measure it" },
  { name: "ap50Cityscapes", label: "AP50 Cityscapes", meaning: "the same at an overlap of 0.50" },
  { name: "ar1", label: "AR 1", meaning: "COCO mask recall with 1 object an image", minor: true },
  { name: "ar10", label: "AR 10", meaning: "COCO mask recall with 10 objects an image", minor: true },
  { name: "ar100", label: "AR 100", meaning: "COCO mask recall with 100 objects an image", minor: true },
  { name: "arSmall", label: "AR S", meaning: "COCO mask recall of objects of at most 32 x 32 pixels", minor: true },
  {
    name: "arMedium",
    label: "AR M",
    meaning: "COCO mask recall of objects from 32 x 32 to 96 x 96 pixels",
    minor: true,
  },
  { name: "arLarge", label: "AR L", meaning: "COCO mask recall of objects of at least 96 x 96 pixels", minor: true },
  { name: "miou", label: "mIoU", meaning: "intersection / union of all pixels of the set, mean over classes" },
  { name: "iiou", label: "iIoU", meaning: "Cityscapes: IoU with each object weighted as if of its class's mean size" },
  { name: "categoryMiou", label: "mIoU categories", meaning: "Cityscapes: IoU of the categories, mean over them" },
  { name: "categoryIiou", label: "iIoU categories", meaning: "Cityscapes: iIoU of the categories, mean over them" },
  { name: "fwiou", label: "fwIoU", meaning: "IoU, mean over classes weighted by their pixels" },
  { name: "macc", label: "mAcc", meaning: "share of a class's pixels that are found, mean over classes" },
  { name: "aacc", label: "aAcc", meaning: "share of all labelled pixels that are right" },
  {
    name: "mprecision",
    label: "mPrecision",
    meaning: "share of a class's predicted pixels that are right, mean over classes",
  },
  { name: "mdice", label: "mDice", meaning: "Dice of a class's pixels, mean over classes" },
  { name: "iou", label: "IoU", meaning: "intersection / union of all pixels of the class" },
  { name: "acc", label: "Acc", meaning: "share of the class's pixels that are found" },
  { name: "precision", label: "Precision", meaning: "share of the class's predicted pixels that are right" },
  { name: "dice", label: "Dice", meaning: "2 x intersection / (pixels labelled + pixels predicted)" },
  { name: "tp", label: "TP", meaning: "segments matched", count: true },
  { name: "fp", label: "FP", meaning: "segments predicted that are not there", count: true },
  { name: "fn", label: "FN", meaning: "segments that were not found", count: true },
];

const BY_NAME = new Map(METRICS.map((metric, rank) => [metric.name, { metric, rank }]));

/** What is known of a score by its name; one that is not in the table goes by its name. */
export function metric(name: string): Metric {
  const known = BY_NAME.get(name)?.metric;
  if (known) return known;
  const base = BY_NAME.get(name.replace(OTHER_FORM_END, ""))?.metric;
  if (!base) return { name, label: name, meaning: "" };
  const things = base.name.startsWith("ap");
  const form = things ? "objects" : "semantic output";
  return {
    name,
    label: `${base.label} pan${things ? " Th" : ""}`,
    meaning: `${base.meaning}; the panoptic model's ${form}`,
  };
}

/** The names in the order in which they are shown; those of a panoptic model's other forms come last. */
export function sortedMetrics(names: Iterable<string>): Metric[] {
  const last = METRICS.length;
  const rank = (name: string) =>
    BY_NAME.get(name)?.rank ?? last + (BY_NAME.get(name.replace(OTHER_FORM_END, ""))?.rank ?? last);
  return [...names].sort((a, b) => rank(a) - rank(b)).map(metric);
}
