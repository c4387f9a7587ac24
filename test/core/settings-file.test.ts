import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { z } from "zod";
import { InputError } from "../../src/core/errors.js";
import {
  changedSettings,
  mergeSettings,
  parseAssignments,
  parseSet,
  settingNames,
  settingsToYaml,
} from "../../src/core/settings-file.js";
import { readAssignments } from "../../src/io/settings-file.js";
import { temporaryDirectory } from "../support/temporary-directory.js";

const schema = z.strictObject({
  model: z.strictObject({
    depth: z.int().min(1).describe("a whole number, at least 1"),
    norm: z.enum(["frozen", "batch"]),
  }),
  optim: z.strictObject({
    lr: z.number().gt(0).describe("a number above 0"),
    milestones: z.array(z.number()).describe("a list of numbers"),
    clip: z.number().nullable().describe("a number or null"),
  }),
});
const base = { model: { depth: 3, norm: "frozen" }, optim: { lr: 0.1, milestones: [0.5], clip: null } };

/** The message of the InputError that `yaml` and `sets` provoke. */
function messageOf(yaml: string, ...sets: string[]): string {
  try {
    mergeSettings(schema, base, [...parseAssignments(yaml, "a.yaml"), ...sets.flatMap(parseSet)]);
  } catch (error) {
    expect(error).toBeInstanceOf(InputError);
    return (error as Error).message;
  }
  return "no error";
}

test("file over base, --set over file, lists replaced whole", () => {
  const file = parseAssignments("model:\n  depth: 5\noptim: { lr: 1e-3, milestones: [0.1, 0.2] }\n", "a.yaml");
  const sets = ["optim.lr=2e-3", "optim.clip=1"].flatMap(parseSet);
  const { settings, whereOf } = mergeSettings(schema, base, [...file, ...sets]);
  expect(settings).toEqual({
    model: { depth: 5, norm: "frozen" },
    optim: { lr: 2e-3, milestones: [0.1, 0.2], clip: 1 },
  });
  expect(base.model.depth).toBe(3);
  expect(whereOf("model.depth")).toBe("a.yaml:2:3 model.depth");
  expect(whereOf("model.depth", "optim.clip")).toBe("--set optim.clip=1");
  expect(whereOf("model.norm")).toBe("setting model.norm");
});

test.each([
  [
    "model:\n  detph: 5",
    `a.yaml:2:3 model.detph: expected a known setting, found "model.detph". Did you mean "model.depth"?`,
  ],
  ["lr: 1", `a.yaml:1:1 lr: expected a known setting, found "lr". Did you mean "optim.lr"?`],
  ["optim:\n  lr: -1", "a.yaml:2:3 optim.lr: expected a number above 0, found -1."],
  ["optim: { lr: .nan }", "a.yaml:1:10 optim.lr: expected a number above 0, found NaN."],
  ["model: { depth: 2.5 }", "a.yaml:1:10 model.depth: expected a whole number, at least 1, found 2.5."],
  ["model: { norm: bacth }", `found "bacth". Did you mean "batch"?`],
  ["model: 3", "a.yaml:1:1 model: expected a mapping with the keys depth, norm, found 3."],
  ["optim: { lr: { x: 1 } }", `expected a number above 0, found a mapping with the key "x".`],
  ["optim: { milestones: [0.1, x] }", `optim.milestones: expected a list of numbers, found [0.1,"x"].`],
  ["optim:\n  lr: 1\n  lr: 2", 'a.yaml:3:3: expected valid YAML, found the key "lr" twice.'],
  ["model: [", "a.yaml:1:9: expected valid YAML"],
  ["optim:\n  clip: &a 1\n  lr: *a", "a.yaml:3:7: expected valid YAML, found the alias *a."],
  ["- 1", "a.yaml:1:1: expected a mapping of settings"],
  ["__proto__: { depth: 1 }", `found "__proto__"`],
  ["constructor: { depth: 1 }", `found "constructor"`],
])("%j is refused with the place and what was expected", (yaml, message) => {
  expect(messageOf(yaml)).toContain(message);
});

test.each([
  ["model.dpeth=3", `--set model.dpeth=3: expected a known setting, found "model.dpeth". Did you mean "model.depth"?`],
  ["model.depth=x", `--set model.depth=x: expected a whole number, at least 1, found "x".`],
  ["model.depth", "expected key=value, for example"],
  ["=3", "expected key=value"],
  ["model={depth: 0}", "--set model={depth: 0}: expected a whole number, at least 1, found 0."],
])("--set %s is refused", (argument, message) => {
  expect(messageOf("", argument)).toContain(message);
});

test("an empty file or section changes nothing", () => {
  expect(messageOf("")).toBe("no error");
  expect(messageOf("# nothing\nmodel:\n  # depth: 3\n")).toBe("no error");
});

test("names, differences and YAML round trip", () => {
  expect(settingNames(schema)).toEqual(["model.depth", "model.norm", "optim.lr", "optim.milestones", "optim.clip"]);
  const changed = { ...base, optim: { lr: 1e-8, milestones: [0.5, 0.6], clip: null } };
  expect(changedSettings(schema, base, changed)).toEqual(["optim.lr", "optim.milestones"]);
  const yaml = settingsToYaml(changed, "A comment.");
  expect(yaml).toMatch(/^# A comment\.\n/);
  expect(yaml).toContain("milestones: [ 0.5, 0.6 ]");
  expect(mergeSettings(schema, {}, parseAssignments(yaml, "b.yaml")).settings).toEqual(changed);
});

test("a section may have variants: one key says which keys it has", () => {
  const shape = z.discriminatedUnion("kind", [
    z.strictObject({ kind: z.literal("circle"), radius: z.number().describe("a number"), name: z.string() }),
    z.strictObject({ kind: z.literal("square"), side: z.number().describe("a number"), name: z.string() }),
  ]);
  const schema = z.strictObject({ shape });
  const square = { shape: { kind: "square", side: 2, name: "s" } };
  const merge = (base: object, ...sets: string[]) => mergeSettings(schema, base, sets.flatMap(parseSet)).settings;
  expect(merge(square, "shape.side=3")).toEqual({ shape: { kind: "square", side: 3, name: "s" } });
  expect(merge({}, "shape.radius=1", "shape.kind=circle", "shape.name=c").shape).toEqual({
    kind: "circle",
    radius: 1,
    name: "c",
  });
  expect(() => merge(square, "shape.radius=3")).toThrow(
    `--set shape.radius=3: expected a known setting, found "shape.radius". It needs shape.kind circle.`,
  );
  expect(() => merge(square, "shape.kind=squaer")).toThrow(
    `expected one of "circle", "square", found "squaer". Did you mean "square"?`,
  );
  expect(() => merge(square, "shape.side=x")).toThrow(`expected a number, found "x"`);
  expect(settingNames(schema)).toEqual(["shape.kind", "shape.radius", "shape.name", "shape.side"]);
  expect(changedSettings(schema, square, { shape: { kind: "circle", radius: 1, name: "s" } })).toEqual([
    "shape.kind",
    "shape.radius",
    "shape.side",
  ]);
});

test("what a file costs is bounded: its size, its keys, its depth", () => {
  const file = join(temporaryDirectory(), "large.yaml");
  writeFileSync(file, `a: ${"x".repeat(2 ** 18)}`);
  expect(() => readAssignments(file)).toThrow(
    /large\.yaml: expected a settings file of at most 256 KiB, found a larger/,
  );
  const keys = Array.from({ length: 20000 }, (_, i) => `k${i}: 1`).join("\n");
  expect(parseAssignments(keys, "keys.yaml").length).toBe(20000);
  expect(() => parseAssignments(`${keys}\nk7: 2`, "keys.yaml")).toThrow(/keys\.yaml:20001:1: .*the key "k7" twice/);
  expect(() => parseAssignments(`a: ${"[".repeat(20000)}`, "deep.yaml")).toThrow(InputError);
  expect(() => parseAssignments("1: a\n'1': b", "types.yaml")).toThrow(/the key "1" twice/);
});
