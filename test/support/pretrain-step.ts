/**
 * @file The pretraining step of test/fixtures/pretrain-step, computed by PyTorch (bench/peer/golden.py), and ours
 * beside it.
 */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readSafetensors } from "../../src/checkpoint/safetensors.js";
import { type Shape, sizeOf, type TensorData } from "../../src/core/tensor-data.js";
import { type EncoderArchitecture, familyOf } from "../../src/families/families.js";
import { gradients } from "../../src/graph/differentiate.js";
import { ancestors, Graph, inputName, type Tensor } from "../../src/graph/graph.js";
import type { Pyramid } from "../../src/models/pyramid.js";
import { toTokens } from "../../src/nn/layers.js";
import { asInputs, type Declaration, Parameters } from "../../src/nn/scope.js";
import { toOnnx } from "../../src/onnx/emit.js";
import { step, target } from "../../src/pretrain/method.js";
import { TARGET_PREFIX } from "../../src/pretrain/programs.js";
import type { DeviceTensor, Runtime } from "../../src/runtime/contract.js";
import { fill } from "../golden/fill.js";
import { type Comparison, compareTensors } from "./tensor-comparison.js";

const FOLDER = fileURLToPath(new URL("../fixtures/pretrain-step/", import.meta.url));

interface Filled {
  readonly name: string;
  readonly shape: Shape;
  readonly base: number;
  readonly amp: number;
  /** Of an online parameter: whether weight decay applies. */
  readonly decay?: boolean;
}

interface Result {
  readonly name: string;
  readonly shape: Shape;
  readonly stride: number;
  readonly sum: number;
  readonly abs_sum: number;
  readonly max_abs: number;
}

interface Manifest {
  readonly fill_prefix: string;
  readonly config: Readonly<
    Record<"dim" | "heads" | "encoder_layers" | "encoder_hidden" | "decoder_layers" | "decoder_hidden", number> &
      Record<"blocks" | "groups" | "points", number>
  >;
  /** Positions by image. */
  readonly masked: readonly (readonly number[])[];
  readonly inputs: readonly Filled[];
  readonly tensors: readonly Filled[];
  readonly outputs: readonly Result[];
}

export const manifest = JSON.parse(readFileSync(join(FOLDER, "manifest.json"), "utf8")) as Manifest;
const stored = await readSafetensors(join(FOLDER, "tensors.safetensors"));
const ALL = manifest.masked.map((_, image) => image);
const BATCH = ALL.length;
const STAGES = [2, 3, 4, 5];

/** How to compute the step; every way gives the same numbers. */
export interface StepVariant {
  readonly name: string;
  readonly recompute?: boolean;
  readonly tileBytes?: number;
  readonly denoiseTarget?: "noise" | "image";
  /** Images in the batch, by default those of the fixture. */
  readonly batch?: number;
}

export interface Step {
  readonly graph: Graph;
  /** Of the online model. */
  readonly declarations: ReadonlyMap<string, Declaration>;
  readonly trained: readonly string[];
}

/** Our step in one graph, target encoder included; outputs carry the fixture's names. */
export function buildStep(variant: StepVariant): Step {
  const { recompute, denoiseTarget = "noise", batch: n = BATCH } = variant;
  const { config, inputs, masked } = manifest;
  const graph = new Graph(variant.name, variant.tileBytes);
  const shapes = new Map(inputs.map(({ name, shape }) => [name, [n, ...shape.slice(1)]]));
  const input = (name: string) => graph.input(name, "float32", shapes.get(name)!);
  const pyramid = (kind: string) => STAGES.map((stage) => input(`${kind}/res${stage}`)) as unknown as Pyramid;
  const pixelDecoder = {
    hiddenDim: config.dim,
    heads: config.heads,
    points: config.points,
    layers: config.encoder_layers,
    feedForwardDim: config.encoder_hidden,
    normGroups: config.groups,
    recomputeLayers: recompute,
    recomputeRows: recompute,
  };
  const encoder: EncoderArchitecture = {
    family: "mask2former",
    backbone: {
      kind: "resnet50",
      stemChannels: 8,
      stageBlocks: [1, 1, 1, 1],
      stageChannels: [8, 16, 32, 64],
      norm: "frozen",
    },
    pixelDecoder,
  };
  const { pixelDecoder: decode } = familyOf(encoder);
  const targetSide = new Parameters(asInputs(graph, TARGET_PREFIX));
  const targetOptions = { featureStride: 8, targetNorm: "channels" } as const;
  const features = target(decode(targetSide.root, pyramid("clean"), encoder), targetOptions);
  const noisy = pyramid("noisy");
  const online = new Parameters(asInputs(graph));
  const { loss, prediction, reconstruction, denoising } = step(
    encoder,
    online.root,
    {
      images: input("images"),
      noise: input("noise"),
      queries: input("queries"),
      masked: graph.input("masked", "int64", [n, masked[0].length]),
    },
    noisy,
    features,
    {
      predictor: {
        heads: config.heads,
        feedForwardDim: config.decoder_hidden,
        layers: config.decoder_layers,
        selfAttentionBlocks: config.blocks,
        recomputeLayers: recompute,
      },
      ...targetOptions,
      reconstruction: true,
      denoising: true,
      denoiseTarget,
      queries: "masked",
    },
  );
  const { multiScale, maskFeatures } = decode(online.root, noisy, encoder);
  const outputs: Record<string, Tensor> = {
    target: features,
    stride8: toTokens(multiScale[2]),
    prediction: prediction!,
    mask_features: maskFeatures,
    "loss/recon": reconstruction!,
    [denoiseTarget === "image" ? "loss/denoise_image" : "loss/denoise"]: denoising!,
    "loss/total": loss,
  };
  for (const [name, tensor] of Object.entries(outputs)) graph.output(name, tensor);
  const active = ancestors([loss]);
  const trained = online.trainable.filter((name) => active.has(online.tensors.get(name)!));
  const wrt = trained.map((name) => online.tensors.get(name)!);
  gradients(loss, wrt).forEach((gradient, i) => {
    graph.output(`grad/${trained[i]}`, gradient);
  });
  return { graph, declarations: online.declarations, trained };
}

/** Values of a graph input: those of the fixture, or the rows of the chosen images. */
function inputValues(name: string, shape: Shape, images: readonly number[]): TensorData {
  if (name === "masked") {
    return { dtype: "int64", shape, data: BigInt64Array.from(images.flatMap((i) => manifest.masked[i]).map(BigInt)) };
  }
  const entry = [...manifest.inputs, ...manifest.tensors].find((filled) => filled.name === name);
  if (!entry) throw new RangeError(`pretrain-step: the fixture has no ${name}`);
  const values = fill(manifest.fill_prefix + name, entry.shape, entry.base, entry.amp);
  if (manifest.tensors.includes(entry)) return values;
  const size = values.data.length / BATCH;
  const data = new Float32Array(images.length * size);
  images.forEach((image, i) => {
    data.set(values.data.subarray(image * size, (image + 1) * size), i * size);
  });
  return { dtype: "float32", shape, data };
}

/** Runs the step once; its outputs by name. */
export async function runStep(runtime: Runtime, { graph }: Step, images = ALL): Promise<Map<string, Float32Array>> {
  const program = await runtime.compile(toOnnx(graph), { name: graph.name });
  const feeds: Record<string, DeviceTensor> = {};
  for (const input of graph.inputs) {
    const name = inputName(input);
    feeds[name] = runtime.allocate(input.dtype, input.shape);
    await feeds[name].write(inputValues(name, input.shape, images));
  }
  const fetches = Object.fromEntries(
    [...graph.outputs].map(([name, { shape }]) => [name, runtime.allocate("float32", shape)]),
  );
  await program.run(feeds, fetches);
  const found = new Map<string, Float32Array>();
  for (const [name, tensor] of Object.entries(fetches)) found.set(name, (await tensor.read()).data);
  for (const tensor of [...Object.values(feeds), ...Object.values(fetches)]) tensor.dispose();
  program.dispose();
  return found;
}

/** Compares a result, the whole tensor, with what is stored of it: its elements and both sums. */
export function compareResult({ name, shape, stride, ...result }: Result, found: Float32Array): Comparison[] {
  if (found.length !== sizeOf(shape))
    throw new RangeError(`${name}: expected [${shape}], found ${found.length} values`);
  const compareSum = (label: string, value: number, expected: number) =>
    compareTensors([value], { name: `${label} of ${name}`, shape: [], values: [expected], scale: result.abs_sum });
  return [
    compareTensors(found, { name, shape, stride, values: stored.get(name)!.data, scale: result.max_abs }),
    compareSum(
      "sum",
      found.reduce((sum, value) => sum + value, 0),
      result.sum,
    ),
    compareSum(
      "sum of magnitudes",
      found.reduce((sum, value) => sum + Math.abs(value), 0),
      result.abs_sum,
    ),
  ];
}
