/**
 * @file The colours that weights were trained on: how these were normalised, by the files beside, and the same weights
 * for images that are normalised by ImageNet's mean and deviation, as they are here.
 */

import { basename, dirname, join } from "node:path";
import { z } from "zod";
import { IMAGENET_MEAN, IMAGENET_STD } from "../core/colour-statistics.js";
import { InputError } from "../core/errors.js";
import { range } from "../core/range.js";
import type { Shape, TensorData } from "../core/tensor-data.js";
import { detectron2Config, jsonBeside } from "./configuration-files.js";

type Triple = readonly [number, number, number];

/** What a file says: channels are (colour - mean) / deviation of colours from 0 to 255. */
export interface InputColours {
  /** The name of the file. */
  readonly from: string;
  readonly path: string;
  /** Whether blue is the first channel, red the last. */
  readonly blueFirst: boolean;
  /** By channel. */
  readonly mean: Triple;
  readonly deviation: Triple;
}

const triple = z.tuple([z.number(), z.number(), z.number()]);
const deviations = z.tuple([z.number().gt(0), z.number().gt(0), z.number().gt(0)]);

const preprocessorSchema = z.object({
  do_rescale: z.boolean().nullish(),
  rescale_factor: z.number().gt(0).nullish(),
  do_normalize: z.boolean().nullish(),
  image_mean: triple.nullish(),
  image_std: deviations.nullish(),
});
const COLOUR_KEYS = Object.keys(preprocessorSchema.shape);

const timmSchema = z.object({
  pretrained_cfg: z.object({ mean: triple.optional(), std: deviations.optional() }),
});

const detectron2Schema = z.object({
  MODEL: z.object({ PIXEL_MEAN: triple.optional(), PIXEL_STD: deviations.optional() }),
  INPUT: z.object({ FORMAT: z.enum(["RGB", "BGR"]).optional() }).optional(),
});

function checked<T>(schema: z.ZodType<T>, value: unknown, where: string): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [{ path, message }] = parsed.error.issues;
  const expected = "a mean and a deviation above 0 of three colours";
  throw new InputError({ where: `${where} ${path.join(".")}`, expected, found: message });
}

const inBytes = ([red, green, blue]: Triple, scale: number): Triple => [red * scale, green * scale, blue * scale];

/** By transformers. What it leaves out is as for ImageNet. */
async function preprocessorColours(file: string): Promise<InputColours | undefined> {
  const name = "preprocessor_config.json";
  const json = await jsonBeside(dirname(file), name);
  if (typeof json !== "object" || json === null || !COLOUR_KEYS.some((key) => key in json)) return undefined;
  const path = join(dirname(file), name);
  const said = checked(preprocessorSchema, json, path);
  const scale = said.do_rescale === false ? 1 : 1 / (said.rescale_factor ?? 1 / 255);
  const normalises = said.do_normalize !== false;
  const colours = { from: name, path, blueFirst: false };
  if (!normalises) return { ...colours, mean: [0, 0, 0], deviation: inBytes([1, 1, 1], scale) };
  return {
    ...colours,
    mean: said.image_mean ? inBytes(said.image_mean, scale) : IMAGENET_MEAN,
    deviation: said.image_std ? inBytes(said.image_std, scale) : IMAGENET_STD,
  };
}

/** By timm, in whose configuration both are there. */
async function timmColours(file: string): Promise<InputColours | undefined> {
  const name = "config.json";
  const json = await jsonBeside(dirname(file), name);
  if (typeof json !== "object" || json === null || !("pretrained_cfg" in json)) return undefined;
  const path = join(dirname(file), name);
  const { mean, std } = checked(timmSchema, json, path).pretrained_cfg;
  if (!mean || !std) return undefined;
  return { from: name, path, blueFirst: false, mean: inBytes(mean, 255), deviation: inBytes(std, 255) };
}

/** By detectron2, whose own defaults are another network's: blue first, no deviation. */
async function detectron2Colours(file: string): Promise<InputColours | undefined> {
  const found = await detectron2Config(file);
  if (!found) return undefined;
  const { MODEL, INPUT } = checked(detectron2Schema, found.config, found.path);
  if (!MODEL.PIXEL_MEAN) return undefined;
  return {
    from: basename(found.path),
    path: found.path,
    blueFirst: INPUT?.FORMAT !== "RGB",
    mean: MODEL.PIXEL_MEAN,
    deviation: MODEL.PIXEL_STD ?? [1, 1, 1],
  };
}

/**
 * What the files beside weights say of the colours; undefined where they say nothing.
 * @throws InputError for files that cannot be read, or say something impossible
 */
export const coloursBeside = async (file: string): Promise<InputColours | undefined> =>
  (await preprocessorColours(file)) ?? (await timmColours(file)) ?? detectron2Colours(file);

/** Configurations are written with three or more digits. */
const SAME = 0.05;

const isClose = (a: Triple, b: Triple) => a.every((value, i) => Math.abs(value - b[i]) < SAME);

export const areImageNets = ({ blueFirst, mean, deviation }: InputColours): boolean =>
  !blueFirst && isClose(mean, IMAGENET_MEAN) && isClose(deviation, IMAGENET_STD);

/** What is to be told of the colours. */
export function describeColours(colours: InputColours): string {
  if (areImageNets(colours)) return "colours normalised as ImageNet's";
  const list = (values: Triple) => values.map((value) => Number(value.toFixed(3))).join(", ");
  const order = colours.blueFirst ? "blue first" : "red first";
  const numbers = `colours ${order}, mean ${list(colours.mean)}, deviation ${list(colours.deviation)}`;
  return `${numbers} (the first layer is changed to take ImageNet's)`;
}

const SWIN = "backbone.patch_embed.proj";
const RESNET = "backbone.stem.conv1";

/**
 * The weights with a first layer that gives the same for images that are normalised as ImageNet's: it reads channels in
 * the order red, green, blue, multiplied, and its bias or the mean of its batch norm takes up what is to be added.
 * Beyond the edges of images both programs put zeros, which are another grey where the means differ.
 * @throws InputError where nothing can take up what is to be added
 */
export function withImageNetColours(
  tensors: ReadonlyMap<string, TensorData>,
  { blueFirst, mean, deviation, path }: InputColours,
): Map<string, TensorData> {
  const adapted = new Map(tensors);
  const layer = [SWIN, RESNET].find((name) => adapted.has(`${name}.weight`));
  const weight = adapted.get(`${layer}.weight`);
  if (weight?.shape[1] !== 3) return adapted;
  const channels = range(3).map((channel) => {
    const colour = blueFirst ? 2 - channel : channel;
    const factor = IMAGENET_STD[colour] / deviation[channel];
    return { colour, factor, added: (IMAGENET_MEAN[colour] - mean[channel]) / deviation[channel] };
  });
  const { data, offsets } = firstLayer(weight, channels);
  adapted.set(`${layer}.weight`, { dtype: "float32", shape: weight.shape, data });
  if (channels.every(({ added }) => added === 0)) return adapted;
  const [name, sign] = layer === SWIN ? [`${SWIN}.bias`, 1] : [`${RESNET}.norm.running_mean`, -1];
  const taker = adapted.get(name);
  if (!taker) {
    throw new InputError({
      where: path,
      expected: "colours normalised by ImageNet's mean, or a first layer with a bias or a batch norm",
      found: `the mean ${mean.join(", ")} and no ${name}`,
    });
  }
  const moved = Float32Array.from(offsets, (offset, i) => Number(taker.data[i]) + sign * offset);
  return adapted.set(name, { dtype: "float32", shape: taker.shape as Shape, data: moved });
}

interface Channel {
  /** Red 0, green 1, blue 2. */
  readonly colour: number;
  readonly factor: number;
  readonly added: number;
}

/** Kernels [O, 3, H, W] for colours that are multiplied, and what each output lacks where nothing is added to them. */
function firstLayer({ shape: [outputs, , height, width], data: stored }: TensorData, channels: readonly Channel[]) {
  const taps = height * width;
  const data = new Float32Array(stored.length);
  const offsets = new Float64Array(outputs);
  for (let o = 0; o < outputs; o++) {
    for (const [channel, { colour, factor, added }] of channels.entries()) {
      for (let tap = 0; tap < taps; tap++) {
        const value = Number(stored[(3 * o + channel) * taps + tap]);
        data[(3 * o + colour) * taps + tap] = factor * value;
        offsets[o] += added * value;
      }
    }
  }
  return { data, offsets };
}
