import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { METRICS } from "../support/metric-fixtures.js";
import { compare, panopticCase, precisionCase, semanticCase } from "./coco-cases.js";

const cases = (metric: string) =>
  readdirSync(join(METRICS, metric)).filter((name) => !name.includes(".") && name !== "cityscapes_format");

describe("panoptic quality is panopticapi's", () => {
  it.each(cases("pq"))("%s", (name) => {
    expect(compare(panopticCase(join(METRICS, "pq", name))).wrong).toEqual([]);
  });
});

describe("average precision is pycocotools'", () => {
  it.each(cases("ap").flatMap((name) => [[name, "masks"] as const, [name, "boxes"] as const]))(
    "%s by %s",
    (name, by) => {
      expect(compare(precisionCase(join(METRICS, "ap", name), by)).wrong).toEqual([]);
    },
  );
});

describe("mean IoU is mmseg's", () => {
  it.each(cases("miou"))("%s", (name) => {
    expect(compare(semanticCase(join(METRICS, "miou", name))).wrong).toEqual([]);
  });
});
