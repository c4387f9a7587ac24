import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { z } from "zod";
import { InputError } from "../../src/core/errors.js";
import { settingNames } from "../../src/core/settings-file.js";
import { listSettings } from "../../src/core/settings-list.js";
import { PRESETS as FINETUNE_PRESETS } from "../../src/finetune/presets.js";
import { finetuneSchema } from "../../src/finetune/settings.js";
import { resolveSettings as resolveFinetuning } from "../../src/finetune/settings-resolution.js";
import { PRESETS } from "../../src/pretrain/presets.js";
import { pretrainSchema } from "../../src/pretrain/settings.js";
import { resolveSettings } from "../../src/pretrain/settings-resolution.js";

interface Kind {
  schema: z.ZodObject;
  /** A preset for each backbone. */
  presets: Readonly<Record<string, object>>;
  resolve: (options: { preset: string; sets?: string[]; flags?: Flag[] }) => unknown;
}

interface Flag {
  path: string[];
  value: unknown;
  where: string;
}

const KINDS: [string, Kind][] = [
  ["pretrain", { schema: pretrainSchema, presets: PRESETS, resolve: resolveSettings as Kind["resolve"] }],
  ["finetune", { schema: finetuneSchema, presets: FINETUNE_PRESETS, resolve: resolveFinetuning as Kind["resolve"] }],
];

describe.each(KINDS)("the settings of %s", (_, { schema, presets, resolve }) => {
  const names = settingNames(schema);

  it("each say what they mean and what they accept", () => {
    const listed = Object.values(presets).flatMap((preset) => listSettings(schema, preset, () => ""));
    expect(new Set(listed.map(({ name }) => name))).toEqual(new Set(names));
    for (const { name, meaning, accepts, value } of listed) {
      expect(meaning, name).toMatch(/^[A-Za-z].*\.$/);
      expect(accepts, name).not.toBe("");
      expect(value, name).not.toBeUndefined();
    }
  });

  it("take their own presets' values, or refuse any others as input", () => {
    const anything = fc.oneof(
      fc.integer(),
      fc.double(),
      fc.constantFrom(0, -1, 1e9, 2 ** 53, 400_000, true, false, null, undefined, "", "resnet50", "group", "50%"),
      fc.string(),
      fc.array(fc.oneof(fc.integer({ min: -1, max: 70_000 }), fc.double(), fc.string()), { maxLength: 5 }),
      fc.object({ maxDepth: 2 }),
    );
    const flags = fc.array(
      fc.record({ path: fc.constantFrom(...names).map((name) => name.split(".")), value: anything }),
      { minLength: 1, maxLength: 4 },
    );
    fc.assert(
      fc.property(fc.constantFrom(...Object.keys(presets)), flags, (preset, given) => {
        onlyInputErrors(() => resolve({ preset, flags: given.map((flag) => ({ ...flag, where: "--flag" })) }));
      }),
      { numRuns: 500 },
    );
  });

  it("take any text after --set, or refuse it as input", () => {
    const part = fc.oneof(fc.string(), fc.constantFrom("__proto__", "constructor", "toString", "model", "lr"));
    const name = fc.oneof(
      fc.constantFrom(...names),
      fc.array(part, { maxLength: 4 }).map((parts) => parts.join(".")),
    );
    const value = fc.oneof(fc.string(), fc.json(), fc.constantFrom("&a [*a]", "!!binary aaaa", "2001-01-01", "0x7f"));
    const preset = Object.keys(presets)[0];
    fc.assert(
      fc.property(name, value, (key, text) => onlyInputErrors(() => resolve({ preset, sets: [`${key}=${text}`] }))),
      { numRuns: 500 },
    );
  });
});

function onlyInputErrors(resolve: () => unknown): void {
  try {
    resolve();
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    expect(error.message.length).toBeLessThan(2000);
  }
}

it.each([
  ["model.hiddenDim=400000", "a multiple of 4 from 4 to 4,096, found 400000"],
  ["model.decoderLayers=100000", "a whole number from 1 to 64"],
  ["model.stageBlocks=[3,4,6,1e6]", "4 numbers, each a whole number from 1 to 100"],
  ["model.pixelDecoderFfn=1e12", "a whole number from 1 to 65,536"],
  ["data.size=1600000", "a multiple of 32 from 32 to 2,048"],
  ["run.batch=1e9", "a whole number from 1 to 65,536"],
  ["run.steps=1e15", "a whole number from 1 to 1,000,000,000, or null"],
  ["run.epochs=1e300", "a number above 0, at most 1,000,000, or null"],
  ["run.cores=1e6", "a whole number from 0 to 1,024"],
])("--set %s is too much", (argument, message) => {
  expect(() => resolveSettings({ preset: "tiny", sets: [argument] })).toThrow(message);
});

it.each([
  ["decoder.queries=1e9", "a whole number from 1 to 10,000"],
  ["criterion.points=1e9", "a whole number from 1 to 1,000,000"],
  ["criterion.oversampling=1e9", "a number from 1 to 100"],
  ["data.crop=[32,3200000]", "2 numbers [height, width], multiples of 32 up to 4,096"],
  ["data.shortEdges=[1e9]", "a list of lengths in pixels, at most 65,536"],
  ["data.jitter=[1,1e9]", "0 < low <= high <= 100"],
  ["inference.shortEdge=1e9", "a whole number from 1 to 65,536"],
])("fine-tuning: --set %s is too much", (argument, message) => {
  expect(() => resolveFinetuning({ preset: "small", sets: [argument] })).toThrow(message);
});
