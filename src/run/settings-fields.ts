/** @file The kinds of values that settings have. */

import { z } from "zod";

// A leaf's description is the "expected" of its error messages.
export const choice = <const T extends readonly string[]>(...names: T) =>
  z.enum(names).describe(`one of ${names.map((name) => `"${name}"`).join(", ")}`);
export const count = (min = 1) => z.int().min(min).describe(`a whole number, at least ${min}`);
export const multiple = (of: number) => z.int().min(of).multipleOf(of).describe(`a positive multiple of ${of}`);
export const positive = z.number().gt(0).describe("a number above 0");
export const nonNegative = z.number().min(0).describe("a number, at least 0");
export const insideUnit = z.number().gt(0).lt(1).describe("a number between 0 and 1, both excluded");
export const unit = z.number().min(0).max(1).describe("a number from 0 to 1");
export const onOff = z.boolean().describe("true or false");
export const perStage = (item: z.ZodInt) =>
  z.tuple([item, item, item, item]).describe(`4 numbers, each ${item.description}`);
