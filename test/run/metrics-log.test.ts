import { appendFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { InputError } from "../../src/core/errors.js";
import { openAppendFile } from "../../src/io/append-file.js";
import { openMetricsLog, readMetrics } from "../../src/run/metrics-log.js";
import { temporaryDirectory } from "../support/temporary-directory.js";

function logSteps(path: string, from: number, to: number): void {
  const log = openMetricsLog(path, from - 1);
  for (let step = from; step <= to; step++) log.append({ step, loss: 1 / step });
  log.close();
}

it("a stopped and resumed run leaves the same bytes as an unbroken one", () => {
  const directory = temporaryDirectory();
  const [whole, resumed] = [join(directory, "whole.jsonl"), join(directory, "resumed.jsonl")];
  logSteps(whole, 1, 9);
  logSteps(resumed, 1, 7); // killed at 7, checkpoint at 4
  appendFileSync(resumed, '{"step":8,"lo');
  logSteps(resumed, 5, 9);
  expect(readFileSync(resumed, "utf8")).toBe(readFileSync(whole, "utf8"));
  expect(readMetrics(whole).map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

it("a line torn within the kept steps does not swallow the next one", () => {
  const path = join(temporaryDirectory(), "m.jsonl");
  logSteps(path, 1, 2);
  appendFileSync(path, '{"step":3,"loss":0.3');
  logSteps(path, 4, 4);
  expect(readMetrics(path).map(({ step }) => step)).toEqual([1, 2, 4]);
});

it("a new run starts from an empty file", () => {
  const path = join(temporaryDirectory(), "m.jsonl");
  logSteps(path, 1, 3);
  logSteps(path, 1, 2);
  expect(readMetrics(path)).toHaveLength(2);
});

it("NaN and infinities are strings in the file and numbers when read; each line is there at once", () => {
  const path = join(temporaryDirectory(), "m.jsonl");
  const log = openMetricsLog(path, 0);
  const record = { step: 1, loss: Number.NaN, high: Infinity, low: -Infinity, note: "größer" };
  log.append(record);
  expect(readFileSync(path, "utf8")).toBe(
    '{"step":1,"loss":"NaN","high":"Infinity","low":"-Infinity","note":"größer"}\n',
  );
  expect(readMetrics(path)).toEqual([record]);
  log.close();
  log.close();
});

it("foreign lines are passed over, a missing file holds nothing", () => {
  const path = join(temporaryDirectory(), "m.jsonl");
  expect(readMetrics(path)).toEqual([]);
  writeFileSync(path, '\n{"step":1}\nnull\n{"loss":1}\n{"step":"2"}\n[1]\n\0\0\n{"step":3}\n{"step":4}');
  expect(readMetrics(path)).toEqual([{ step: 1 }, { step: 3 }]);
});

it("a place that cannot be written is an error that names it", () => {
  const path = join(temporaryDirectory(), "none", "m.jsonl");
  expect(() => openMetricsLog(path, 0)).toThrow(InputError);
  expect(() => openMetricsLog(path, 0)).toThrow(path);
});

it.skipIf(process.platform !== "linux")("a full disk is an error that names the file", () => {
  const file = openAppendFile("/dev/full");
  expect(() => file.append(Uint8Array.of(1))).toThrow(
    "/dev/full: expected a file that can be appended to, found no space",
  );
  file.close();
});
