/** @file A report of `data check` for a person: aligned tables, faults by kind, one line at the end. */

import { plural } from "../../core/text.js";
import { textTable } from "../../core/text-table.js";
import type { SegmentationClass } from "../../masks/segmentation.js";
import type { DataReport, TaskReport } from "./check-data.js";
import type { Fault, SplitFindings } from "./examine-split.js";

/** Indented rows of aligned columns. */
const table = (rows: readonly (readonly string[])[]) => textTable(rows).map((row) => `  ${row}`);

const count = (n: number) => n.toLocaleString("en-US");

/** Two decimals, and no zero for what is there. */
function percent(part: number, whole: number): string {
  if (whole === 0) return "-";
  const value = (100 * part) / whole;
  return value > 0 && value < 0.005 ? "<0.01" : value.toFixed(2);
}

const sum = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0);

function overview({ task, splits }: TaskReport): string[] {
  const objects = task === "panoptic" ? ["segments"] : task === "instance" ? ["objects"] : [];
  const unlabelled = task === "instance" ? [] : ["void %"];
  const head = ["split", "images", "labels read", "faults", "empty", ...objects, ...unlabelled];
  const rows = splits.map(({ name, length, tally, faults }) => [
    name,
    count(length),
    count(tally.labelled),
    count(faults.length),
    count(tally.empty.length),
    ...objects.map(() => count(sum(tally.counts.map((c) => c.objects)))),
    ...unlabelled.map(() => percent(tally.void, tally.pixels)),
  ]);
  return table([head, ...rows]);
}

/** Pixels in percent, objects and images of each class in each split. */
function histogram({ task, classes, splits }: TaskReport): string[] {
  const columns =
    task === "semantic" ? ["px %", "images"] : ["px %", task === "panoptic" ? "segments" : "objects", "images"];
  const cells = ({ tally }: SplitFindings, label: number) => {
    const { pixels, objects, images } = tally.counts[label];
    return images === 0
      ? columns.map(() => "-")
      : [percent(pixels, tally.pixels), ...(task === "semantic" ? [] : [count(objects)]), count(images)];
  };
  const names = splits.flatMap(({ name }) => columns.map((_, c) => (c === columns.length - 1 ? name : "")));
  const kind = (isThing: boolean) => (task === "panoptic" ? (isThing ? " (thing)" : " (stuff)") : "");
  const rows = classes.map(({ id, name, isThing }, label) => [
    `${String(id).padStart(3)} ${name.trim()}${kind(isThing)}`,
    ...splits.flatMap((split) => cells(split, label)),
  ]);
  return table([["", ...names], [" id class", ...splits.flatMap(() => columns)], ...rows]);
}

/** Faults of one kind shown in full. */
const SHOWN = 5;

function faultLines(faults: readonly Fault[]): string[] {
  const kinds = new Map<string, Fault[]>();
  for (const fault of faults) kinds.set(fault.kind, [...(kinds.get(fault.kind) ?? []), fault]);
  return [...kinds].flatMap(([kind, list]) => [
    `  ${kind}: ${list.length}`,
    ...list.slice(0, SHOWN).map(({ message }) => `    ${message}`),
    ...(list.length > SHOWN ? [`    ... and ${list.length - SHOWN} more (--report FILE.json lists all)`] : []),
    ...[...new Set(list.flatMap(({ fix }) => fix ?? []))].slice(0, SHOWN).map((fix) => `    -> ${fix}`),
  ]);
}

const section = (title: string, lines: readonly string[]) => (lines.length > 0 ? ["", title, ...lines] : []);

/** The report's lines, without the verdict. */
export function reportLines({ data, name, format, tasks, closed, faults, warnings, notes }: DataReport): string[] {
  const perTask = tasks.flatMap((report) => [
    ...section(
      `${report.task}, ${report.classes.length} ${report.classes.length === 1 ? "class" : "classes"}`,
      overview(report),
    ),
    "",
    ...histogram(report),
  ]);
  const unopened = closed.map(({ split, task, message }) => `  ${split} (${task}): ${message}`);
  return [
    `${name} (${format}): ${data}`,
    ...perTask,
    ...section("Cannot be used", unopened),
    ...section("Faults", faultLines(faults)),
    ...section(
      "Warnings",
      warnings.map((line) => `  ${line}`),
    ),
    ...section(
      "Notes",
      notes.map((line) => `  ${line}`),
    ),
    "",
  ];
}

/** What was found that would break training, or undefined. */
export function breakage({ faults, closed }: DataReport): string | undefined {
  if (faults.length === 0 && closed.length === 0) return undefined;
  const files = new Set(faults.map(({ file }) => file)).size;
  const splits = [...new Set(faults.map(({ split }) => split))];
  const perSplit = splits.map((name) => `${name} ${faults.filter(({ split }) => split === name).length}`);
  const parts = [
    faults.length > 0 ? `${plural(faults.length, "fault")} in ${plural(files, "file")} (${perSplit.join(", ")})` : "",
    closed.length > 0 ? `${plural(closed.length, "split")} that cannot be used` : "",
  ];
  return parts.filter((part) => part !== "").join(", and ");
}

/** The last line for data without faults: what can be trained on, and what else was looked at. */
export function verdict({ tasks, trainable, warnings }: DataReport): string {
  const list = (reports: readonly TaskReport[]) =>
    reports
      .map(({ task, splits }) => `${task} (${splits.map(({ name, length }) => `${name} ${length}`).join(", ")})`)
      .join("; ");
  const ready = tasks.filter(({ task }) => trainable.includes(task));
  const others = tasks.filter(({ task }) => !trainable.includes(task));
  const parts = [
    ready.length > 0 ? `Ready to train: ${list(ready)}` : "",
    others.length > 0 ? `Without a fault: ${list(others)}` : "",
  ].filter((part) => part !== "");
  const caution =
    warnings.length > 0 ? `, but see ${warnings.length === 1 ? "the warning" : `the ${warnings.length} warnings`}` : "";
  return `${parts.join(". ")}${caution}.`;
}

/** The classes' names, with their ids where several have one name. */
function uniqueNames(classes: readonly SegmentationClass[]): string[] {
  const counts = new Map<string, number>();
  for (const { name } of classes) counts.set(name, (counts.get(name) ?? 0) + 1);
  return classes.map(({ id, name }) => (counts.get(name) === 1 ? name : `${name} (${id})`));
}

/** The report as a file holds it: figures by class name, all faults, without the hashes of the images. */
export function summaryOf(report: DataReport): object {
  const { data, name, format, tasks, closed, trainable, faults, leaks, warnings, notes } = report;
  const splits = tasks.flatMap(({ task, classes, splits }) => {
    const names = uniqueNames(classes);
    return splits.map(({ name, length, remarks, tally: { counts, ...figures } }) => ({
      split: name,
      task,
      images: length,
      ...figures,
      remarks,
      classes: Object.fromEntries(classes.map(({ id }, label) => [names[label], { id, ...counts[label] }])),
    }));
  });
  const ready = breakage(report) === undefined && trainable.length > 0;
  return { data, name, format, ready, trainable, faults, closed, leaks, warnings, notes, splits };
}
