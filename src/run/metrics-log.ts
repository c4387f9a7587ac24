/**
 * @file `metrics.jsonl`: one JSON object a step, without gaps or repeats however often the run was stopped and resumed.
 */

import { readFileSync, truncateSync } from "node:fs";
import { openAppendFile } from "../io/append-file.js";
import { errorCode, fileFault } from "../io/file-fault.js";

export interface MetricRecord {
  step: number;
  [name: string]: number | string;
}

export interface MetricsLog {
  /**
   * Appends one line; it survives the death of the process. NaN and infinities are written as strings. Throws
   * `InputError`.
   */
  append(record: MetricRecord): void;
  close(): void;
}

const NEWLINE = 0x0a;
const NOT_IN_JSON = ["NaN", "Infinity", "-Infinity"];

function encode(record: MetricRecord): string {
  return JSON.stringify(record, (_, value) =>
    typeof value === "number" && !Number.isFinite(value) ? String(value) : value,
  );
}

/** The record of a line; undefined for a torn or foreign one. */
function decode(line: string): MetricRecord | undefined {
  try {
    const record = JSON.parse(line, (_, value) => (NOT_IN_JSON.includes(value) ? Number(value) : value)) as unknown;
    return typeof record === "object" && record !== null && "step" in record && typeof record.step === "number"
      ? (record as MetricRecord)
      : undefined;
  } catch {
    return undefined;
  }
}

/** Every finished line with the offset of the byte after it. */
function* lines(bytes: Buffer): Generator<{ line: string; end: number }> {
  for (let start = 0; ; ) {
    const newline = bytes.indexOf(NEWLINE, start);
    if (newline < 0) return;
    yield { line: bytes.toString("utf8", start, newline), end: newline + 1 };
    start = newline + 1;
  }
}

function readBytes(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    if (errorCode(error) === "ENOENT") return Buffer.alloc(0);
    throw fileFault(error, path, "a metrics file that can be read");
  }
}

/**
 * Cuts everything after the last record of at most `step`: what a killed run logged beyond its checkpoint, and a torn
 * line.
 */
function truncateAfter(path: string, step: number): void {
  const bytes = readBytes(path);
  let kept = 0;
  for (const { line, end } of lines(bytes)) {
    const record = decode(line);
    if (record && record.step > step) break;
    if (record) kept = end;
  }
  if (kept === bytes.length) return;
  try {
    truncateSync(path, kept);
  } catch (error) {
    throw fileFault(error, path, "a metrics file that can be written");
  }
}

/**
 * Opens a metrics file for appending.
 * @param lastStep the step of the checkpoint that the run resumes from, 0 for a new run: later records are removed
 * @throws InputError when the file cannot be written
 */
export function openMetricsLog(path: string, lastStep: number): MetricsLog {
  truncateAfter(path, lastStep);
  const file = openAppendFile(path);
  const encoder = new TextEncoder();
  return {
    append: (record) => file.append(encoder.encode(`${encode(record)}\n`)),
    close: () => file.close(),
  };
}

/** All records of a metrics file in order; none if it does not exist. Torn and foreign lines are passed over. */
export function readMetrics(path: string): MetricRecord[] {
  return [...lines(readBytes(path))].flatMap(({ line }) => decode(line) ?? []);
}
