import { expect, it } from "vitest";
import { matchWeights } from "../../src/checkpoint/match-weights.js";
import { InputError } from "../../src/core/errors.js";
import type { Shape } from "../../src/core/tensor-data.js";

const model = new Map<string, Shape>([
  ["conv.weight", [8, 3]],
  ["norm.weight", [8]],
  ["head.bias", [2]],
]);
const source = "weights.safetensors";

it("names and shapes that agree match in the model's order, excused ones are reported", () => {
  const found = new Map<string, Shape>([
    ["norm.weight", [8]],
    ["conv.weight", [8, 3]],
    ["fc.bias", [1]],
  ]);
  const options = { source, allowMissing: [/^head\./], allowUnexpected: [/^fc\./] };
  expect(matchWeights(model, found, options)).toEqual({
    matched: ["conv.weight", "norm.weight"],
    missing: ["head.bias"],
    unexpected: ["fc.bias"],
    misshapen: [],
  });
});

it("lists what is missing, unexpected and of another shape, with the nearest names", () => {
  const found = new Map<string, Shape>([
    ["conv.weights", [8, 3]],
    ["norm.weight", [1, 8]],
    ["head.bias", [2]],
  ]);
  expect(() => matchWeights(model, found, { source })).toThrowErrorMatchingInlineSnapshot(`
    [InputError: weights.safetensors: expected the 3 tensors of this model, found 1 that fit
    1 missing:
      conv.weight (the other side has conv.weights)
    1 unexpected:
      conv.weights (the other side has conv.weight)
    1 of another shape:
      norm.weight: model [8], file [1,8].]
  `);
  expect(() => matchWeights(model, found, { source, allowMissing: [/conv/] })).toThrow(InputError);
  expect(() => matchWeights(model, found, { source, allowMissing: [/./], allowUnexpected: [/./] })).toThrow(
    /of another shape/,
  );
});

it("a pattern with the global flag excuses every name that it fits", () => {
  const found = new Map<string, Shape>([["conv.weight", [8, 3]]]);
  expect(matchWeights(model, found, { source, allowMissing: [/norm|head/g] }).missing).toEqual([
    "norm.weight",
    "head.bias",
  ]);
});

it("a shape may differ only by name, e.g. for another number of classes", () => {
  const found = new Map(model).set("head.bias", [5]);
  expect(() => matchWeights(model, found, { source })).toThrow(/head\.bias: model \[2\], file \[5\]/);
  const { matched, misshapen } = matchWeights(model, found, { source, allowMisshapen: [/^head\./] });
  expect([matched, misshapen]).toEqual([["conv.weight", "norm.weight"], ["head.bias"]]);
});

it("many tensors of another shape are listed together where their shapes agree", () => {
  const named = (rows: number) =>
    new Map(Array.from({ length: 20 }, (_, i) => [`layers.${i}.weight`, [rows, 4]] as const));
  expect(() => matchWeights(named(8), named(6), { source })).toThrow(
    /layers\.\*\.weight: model \[8,4\], file \[6,4\] \(20\)/,
  );
});

it("says what the file itself calls a tensor", () => {
  const found = new Map(model).set("conv.weight", [8, 4]);
  const originOf = (name: string) => `module.${name}`;
  expect(() => matchWeights(model, found, { source, originOf })).toThrow(
    /conv\.weight \(in the file: module\.conv\.weight\): model/,
  );
});

it("a model that shares nothing with the file gives a short message", () => {
  const found = new Map<string, Shape>(Array.from({ length: 2000 }, (_, i) => [`layers.${i}.weight`, [1]]));
  expect(() => matchWeights(model, found, { source })).toThrow(/2000 unexpected:\n {2}layers\.\*\.weight \(2000\)\.$/);
});
