/**
 * @file The kinds of values that settings have. Each says what it accepts, which is the "expected" of its error
 * messages, and what it means, which `mask-jepa settings` prints. Whatever makes a run larger has a bound: far beyond
 * anything published.
 */

import { z } from "zod";

interface Range {
  min?: number;
  max: number;
}

/**
 * A schema that knows what it accepts ("a whole number from 1 to 64") and, unless it is a part of one, means
 * ("Heads.").
 */
export const setting = <S extends z.ZodType>(schema: S, accepts: string, meaning?: string): S =>
  schema.meta({ description: accepts, meaning }) as S;

/** The same, or nothing. */
export const orNull = <S extends z.ZodType>(schema: S): z.ZodNullable<S> => {
  const { description, ...others } = schema.meta() ?? {};
  return schema.nullable().meta({ ...others, description: `${description}, or null` }) as z.ZodNullable<S>;
};

/** The same, with a value for runs that were stored before there was this setting. */
export const added = <S extends z.ZodType>(schema: S, before: z.util.NoUndefined<z.output<S>>): z.ZodDefault<S> =>
  schema.default(before).meta(schema.meta() ?? {});

const plain = (n: number) => (n === Number.MAX_SAFE_INTEGER ? "2^53 - 1" : n.toLocaleString("en-US"));
const quoted = (names: readonly string[]) => names.map((name) => `"${name}"`).join(", ");

export const choice = <const T extends readonly string[]>(names: T, meaning: string) =>
  setting(z.enum(names), `one of ${quoted(names)}`, meaning);

export const listOf = <const T extends readonly string[]>(names: T, meaning: string, { min = 0 } = {}) =>
  setting(z.array(z.enum(names)).min(min), `a list of ${quoted(names)}`, meaning);

export const count = ({ min = 1, max }: Range, meaning?: string) =>
  setting(z.int().min(min).max(max), `a whole number from ${min} to ${plain(max)}`, meaning);

export const multiple = (of: number, { max }: Range, meaning?: string) =>
  setting(z.int().min(of).max(max).multipleOf(of), `a multiple of ${of} from ${of} to ${plain(max)}`, meaning);

/** A number for each of a backbone's four stages. */
export const perStage = (item: z.ZodInt, meaning: string) =>
  setting(z.tuple([item, item, item, item]), `4 numbers, each ${item.description}`, meaning);

export const positive = (meaning: string, max?: number) =>
  max === undefined
    ? setting(z.number().gt(0), "a number above 0", meaning)
    : setting(z.number().gt(0).max(max), `a number above 0, at most ${plain(max)}`, meaning);

export const nonNegative = (meaning: string) => setting(z.number().min(0), "a number, at least 0", meaning);

export const insideUnit = (meaning?: string) =>
  setting(z.number().gt(0).lt(1), "a number between 0 and 1, both excluded", meaning);

export const unit = (meaning: string) => setting(z.number().min(0).max(1), "a number from 0 to 1", meaning);

export const belowOne = (meaning: string) =>
  setting(z.number().min(0).lt(1), "a number from 0 to 1, 1 excluded", meaning);

export const onOff = (meaning: string) => setting(z.boolean(), "true or false", meaning);

const text = z.string().min(1);
export const path = (meaning: string) => setting(text, "a path", meaning);
export const name = (of: string, meaning: string) => setting(text, `the name of ${of}`, meaning);

export const MAX_STEPS = 1_000_000_000;
/** Steps between two of something that a run does now and then. */
export const period = (meaning: string, min = 1) => count({ min, max: MAX_STEPS }, meaning);
