/** @file The names of all scores: as JSON has them, as tables show them, and what they mean. All are percentages. */

export interface MetricName {
  /** Head of its column. */
  readonly label: string;
  readonly meaning: string;
}

/** In the order in which tables show them. */
export const METRICS = {
  pq: { label: "PQ", meaning: "panoptic quality, SQ x RQ, mean over classes" },
  sq: { label: "SQ", meaning: "segmentation quality: mean IoU of the matched segments" },
  rq: { label: "RQ", meaning: "recognition quality: F1 of the matched segments (IoU above 0.5)" },
  "pq-things": { label: "PQ things", meaning: "panoptic quality, mean over the thing classes" },
  "sq-things": { label: "SQ things", meaning: "segmentation quality, mean over the thing classes" },
  "rq-things": { label: "RQ things", meaning: "recognition quality, mean over the thing classes" },
  "pq-stuff": { label: "PQ stuff", meaning: "panoptic quality, mean over the stuff classes" },
  "sq-stuff": { label: "SQ stuff", meaning: "segmentation quality, mean over the stuff classes" },
  "rq-stuff": { label: "RQ stuff", meaning: "recognition quality, mean over the stuff classes" },
  ap: { label: "AP", meaning: "COCO mask AP, mean over the IoU thresholds 0.50 to 0.95 and the classes" },
  ap50: { label: "AP50", meaning: "COCO mask AP at an IoU of 0.50" },
  ap75: { label: "AP75", meaning: "COCO mask AP at an IoU of 0.75" },
  "ap-small": { label: "AP S", meaning: "COCO mask AP of objects below 32 x 32 pixels" },
  "ap-medium": { label: "AP M", meaning: "COCO mask AP of objects from 32 x 32 to 96 x 96 pixels" },
  "ap-large": { label: "AP L", meaning: "COCO mask AP of objects above 96 x 96 pixels" },
  "ap-cityscapes": { label: "AP Cityscapes", meaning: "instance AP as the Cityscapes benchmark defines it" },
  "ap50-cityscapes": { label: "AP50 Cityscapes", meaning: "Cityscapes instance AP at an overlap of 0.50" },
  "ap-pan-things": { label: "AP pan Th", meaning: "COCO mask AP of a panoptic model's instances of thing classes" },
  miou: { label: "mIoU", meaning: "mean over classes of intersection / union of all pixels of the set" },
  "miou-pan": { label: "mIoU pan", meaning: "mIoU of a panoptic model's semantic output" },
  "iou-categories": { label: "IoU categories", meaning: "Cityscapes: mean IoU of the categories" },
  "iiou-classes": { label: "iIoU classes", meaning: "Cityscapes: IoU weighted by instance sizes, mean over classes" },
  "iiou-categories": { label: "iIoU categories", meaning: "Cityscapes: IoU weighted by instance sizes, mean over categories" },
  fwiou: { label: "fwIoU", meaning: "IoU, mean over classes weighted by their pixels" },
  macc: { label: "mACC", meaning: "share of a class's pixels found, mean over classes" },
  pacc: { label: "pACC", meaning: "share of all labelled pixels that got their class" },
  iou: { label: "IoU", meaning: "intersection / union of all pixels of the class" },
  acc: { label: "Acc", meaning: "share of the class's pixels found" },
  tp: { label: "TP", meaning: "segments matched" },
  fp: { label: "FP", meaning: "segments predicted and not there" },
  fn: { label: "FN", meaning: "segments there and not predicted" },
} as const satisfies Record<string, MetricName>;

export type Metric = keyof typeof METRICS;

/** Percentages by metric; null where there is nothing to average (no class of the kind has ground truth). */
export type Scores = Partial<Record<Metric, number | null>>;
