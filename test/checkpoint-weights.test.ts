import { expect, it } from "vitest";
import { matchWeights } from "../src/checkpoint/match-weights.js";
import { InputError } from "../src/core/errors.js";
import type { Shape } from "../src/core/tensor-data.js";

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

it("a model that shares nothing with the file gives a short message", () => {
  const found = new Map<string, Shape>(Array.from({ length: 2000 }, (_, i) => [`layers.${i}.weight`, [1]]));
  expect(() => matchWeights(model, found, { source })).toThrow(
    /2000 unexpected:(\n {2}.*){12}\n {2}\.\.\. and 1988 more/,
  );
});
