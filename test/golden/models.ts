/** @file The models of this project as each golden case describes them. */

import { floats, type Grid } from "../../src/core/tensor-data.js";
import * as g from "../../src/graph/build.js";
import { gradients } from "../../src/graph/differentiate.js";
import { Graph, inputName, type Tensor } from "../../src/graph/graph.js";
import { deformableAttention, sampleRows } from "../../src/models/deformable-attention.js";
import { pixelDecoder } from "../../src/models/pixel-decoder.js";
import type { Pyramid } from "../../src/models/pyramid.js";
import { resnet } from "../../src/models/resnet.js";
import { swin } from "../../src/models/swin.js";
import { learnedContent, learnedPosition, transformerDecoder } from "../../src/models/transformer-decoder.js";
import { rowPicker } from "../../src/nn/pick-rows.js";
import { asInputs, type Binding, Parameters } from "../../src/nn/scope.js";
import type { GoldenCase } from "./case.js";
import { decoderOptionsOf, namedPredictions } from "./masked-decoder.js";
import { detrDecoderOf, fpnPixelDecoderOf } from "./maskformer-models.js";
import { oneFormerDecoderOf, oneFormerTextOf } from "./oneformer-models.js";

/** Ways to compute the same numbers with less memory. */
export interface Variant {
  readonly name: string;
  readonly tileBytes?: number;
  readonly recomputeBlocks?: boolean;
  readonly recomputeLayers?: boolean;
  readonly recomputeRows?: boolean;
  readonly rowBytes?: number;
}

export interface Frame {
  readonly graph: Graph;
  readonly golden: GoldenCase;
  readonly variant: Variant;
  /** A graph input of the case. */
  input(name: string): Tensor;
}

/** Outputs by the names that they have in the case. */
export type Outputs = Record<string, Tensor>;

export interface GoldenModel {
  readonly name: string;
  readonly build: (frame: Frame) => Outputs;
  readonly variants: readonly Variant[];
  /** Parameters of the case that no result depends on. */
  readonly unused?: readonly string[];
  /** Takes a software adapter a few seconds at most; the others are too slow for one. */
  readonly quick?: boolean;
}

const RESNET50 = { stemChannels: 64, stageBlocks: [3, 4, 6, 3], stageChannels: [256, 512, 1024, 2048] };

/** torchvision's name of a parameter of our ResNet, which has detectron2's. */
function torchvisionName(name: string): string {
  return name
    .replace(/^stem\.conv1\.norm/, "bn1")
    .replace(/^stem\.conv1/, "conv1")
    .replace(/^res(\d)/, (_, stage) => `layer${stage - 1}`)
    .replace(/conv(\d)\.norm/, "bn$1")
    .replace("shortcut.norm", "downsample.1")
    .replace("shortcut", "downsample.0");
}

function resnet50({ graph, variant, input }: Frame, named = (name: string) => name): Outputs {
  const bind: Binding = (declaration) => asInputs(graph)({ ...declaration, name: named(declaration.name) });
  const maps = resnet(new Parameters(bind).root, input("input"), { ...RESNET50, norm: "frozen", ...variant });
  return Object.fromEntries(maps.map((map, i) => [`res${i + 2}`, map]));
}

function torchvisionResnet50(frame: Frame): Outputs {
  const outputs = resnet50(frame, torchvisionName);
  const pool = frame.graph.nodes.find(({ op }) => op === "MaxPool");
  return { ...outputs, stem: pool!.outputs[0] };
}

function swinOf({ graph, golden, variant, input }: Frame): Outputs {
  const maps = swin(new Parameters(asInputs(graph)).root, input("input"), {
    embedDim: golden.setting("embed_dim"),
    depths: golden.hyper.depths as number[],
    heads: golden.hyper.num_heads as number[],
    window: golden.setting("window_size"),
    dropPath: 0,
    ...variant,
  });
  return Object.fromEntries(maps.map((map, i) => [`res${i + 2}`, map]));
}

/** The core alone: normalised locations become pixel coordinates, [.., heads, levels, points] one axis of samples. */
function deformableCore({ golden, variant, input }: Frame): Outputs {
  const levels = golden.explicit<Grid[]>("spatial_shapes");
  const [value, locations, weights] = ["value", "sampling_locations", "attention_weights"].map(input);
  const [n, tokens, heads, depth] = value.shape;
  const [, lq, , , points] = locations.shape;
  const samples = [n, lq, heads * levels.length * points];
  const pixels = (axis: number) => {
    const sizes = levels.map((level) => level[1 - axis]);
    const size = value.graph.constant(floats([levels.length, 1, 1], sizes));
    return g.reshape(g.sub(g.mul(g.slice(locations, 5, axis, axis + 1), size), 0.5), samples);
  };
  const options = { levels, heads, points, recomputeRows: variant.recomputeRows, rowBytes: variant.rowBytes };
  const values = g.reshape(value, [n, tokens, heads * depth]);
  return { output: sampleRows({ values, x: pixels(0), y: pixels(1), weights: g.reshape(weights, samples) }, options) };
}

function deformableModule({ graph, golden, variant, input }: Frame): Outputs {
  const levels = golden.explicit<Grid[]>("spatial_shapes");
  const options = {
    levels,
    heads: golden.setting("n_heads"),
    points: golden.setting("n_points"),
    recomputeRows: variant.recomputeRows,
    rowBytes: variant.rowBytes,
  };
  const value = input("input_flatten");
  const padded = golden.hyper.padding_mask
    ? g.less(g.reshape(input("padding_mask_u"), [...value.shape.slice(0, 2), 1]), 0.3)
    : undefined;
  const inputs = {
    query: input("query"),
    references: input("reference_points"),
    value,
    keep: padded && g.where(padded, 0, 1),
  };
  return { output: deformableAttention(new Parameters(asInputs(graph)).root, inputs, options) };
}

function pixelDecoderOf({ graph, golden, variant, input }: Frame): Outputs {
  const { multiScale, maskFeatures } = pixelDecoder(
    new Parameters(asInputs(graph)).root,
    ["res2", "res3", "res4", "res5"].map(input) as unknown as Pyramid,
    {
      hiddenDim: golden.setting("conv_dim"),
      maskDim: golden.setting("mask_dim"),
      heads: golden.setting("nheads"),
      points: golden.setting("n_points"),
      layers: golden.setting("enc_layers"),
      feedForwardDim: golden.setting("dim_feedforward"),
      normGroups: 32,
      ...variant,
    },
  );
  return {
    mask_features: maskFeatures,
    transformer_encoder_features: multiScale[0],
    ...Object.fromEntries(multiScale.map((map, l) => [`multi_scale_features.${l}`, map])),
  };
}

function transformerDecoderOf({ graph, golden, input }: Frame): Outputs {
  const options = { ...decoderOptionsOf(golden), preNorm: golden.hyper.pre_norm as boolean };
  const scope = new Parameters(asInputs(graph)).root;
  const maskFeatures = input("mask_features");
  const queries = () => ({
    content: learnedContent(scope, maskFeatures.shape[0], options),
    position: learnedPosition(scope, options),
  });
  return namedPredictions(transformerDecoder(scope, ["x.0", "x.1", "x.2"].map(input), maskFeatures, options, queries));
}

export const PLAIN: Variant = { name: "as it is" };
const BLOCKS: Variant = { name: "blocks recomputed", recomputeBlocks: true };
const ROWS: Variant = { name: "sampled rows recomputed", recomputeRows: true };
const PIECES: Variant = { name: "rows sampled in pieces", rowBytes: 50_000 };
const ROWS_IN_PIECES: Variant = { name: "sampled rows recomputed in pieces", recomputeRows: true, rowBytes: 2 ** 14 };
const LAYERS: Variant = { name: "layers recomputed", recomputeLayers: true };
const LAYERS_AND_ROWS: Variant = { ...LAYERS, ...ROWS, name: "layers and sampled rows recomputed" };
const tiles = (tileBytes: number): Variant => ({ name: `attention in tiles of ${tileBytes} bytes`, tileBytes });

export const MODELS: readonly GoldenModel[] = [
  { name: "01_resnet50_detectron2", build: (frame) => resnet50(frame), variants: [PLAIN, BLOCKS] },
  {
    name: "01_resnet50_torchvision",
    build: torchvisionResnet50,
    variants: [PLAIN, BLOCKS],
    unused: ["fc.weight", "fc.bias"],
  },
  { name: "02_swin_tiny_64x96", build: swinOf, variants: [PLAIN] },
  { name: "02_swin_tiny_70x101_patchpad", build: swinOf, variants: [PLAIN] },
  { name: "02_swin_tiny_72x104", build: swinOf, variants: [PLAIN, BLOCKS] },
  { name: "03_msdeform_core", build: deformableCore, variants: [PLAIN, ROWS, PIECES, ROWS_IN_PIECES], quick: true },
  { name: "03_msdeform_module", build: deformableModule, variants: [PLAIN, ROWS_IN_PIECES], quick: true },
  { name: "03_msdeform_module_padmask", build: deformableModule, variants: [PLAIN, ROWS_IN_PIECES], quick: true },
  { name: "03_msdeform_module_ref4", build: deformableModule, variants: [PLAIN, ROWS_IN_PIECES], quick: true },
  {
    name: "04_pixel_decoder_r50",
    build: pixelDecoderOf,
    variants: [PLAIN, LAYERS_AND_ROWS],
  },
  { name: "04_pixel_decoder_small", build: pixelDecoderOf, variants: [PLAIN, LAYERS_AND_ROWS, PIECES] },
  { name: "04_pixel_decoder_swin_t", build: pixelDecoderOf, variants: [PLAIN] },
  { name: "05_transformer_decoder_full", build: transformerDecoderOf, variants: [PLAIN, tiles(16384)] },
  { name: "05_transformer_decoder_fullmask", build: transformerDecoderOf, variants: [PLAIN, tiles(4096)] },
  { name: "05_transformer_decoder_inputproj_prenorm", build: transformerDecoderOf, variants: [PLAIN, tiles(4096)] },
  { name: "05_transformer_decoder_small", build: transformerDecoderOf, variants: [PLAIN, tiles(1024)] },
  { name: "10_oneformer_decoder", build: oneFormerDecoderOf, variants: [PLAIN] },
  { name: "10_oneformer_decoder_no_task_norm", build: oneFormerDecoderOf, variants: [PLAIN] },
  { name: "10_oneformer_text", build: oneFormerTextOf, variants: [PLAIN] },
  { name: "12_maskformer_pixel_decoder_fpn", build: fpnPixelDecoderOf, variants: [PLAIN] },
  { name: "12_maskformer_pixel_decoder_fpn_odd", build: fpnPixelDecoderOf, variants: [PLAIN] },
  { name: "12_maskformer_pixel_decoder_transformer", build: fpnPixelDecoderOf, variants: [PLAIN, LAYERS] },
  { name: "12_maskformer_transformer_decoder", build: detrDecoderOf, variants: [PLAIN, LAYERS] },
  { name: "12_maskformer_transformer_decoder_noproj", build: detrDecoderOf, variants: [PLAIN], quick: true },
  { name: "12_maskformer_transformer_decoder_enforce_proj", build: detrDecoderOf, variants: [PLAIN] },
  {
    name: "12_maskformer_transformer_decoder_encoder_prenorm",
    build: detrDecoderOf,
    variants: [PLAIN, LAYERS],
  },
  { name: "12_maskformer_transformer_decoder_full", build: detrDecoderOf, variants: [PLAIN] },
];

/**
 * The graph of every stored result: the outputs, the loss L = sum over outputs of sum(output * loss_weight), and its
 * gradients `grad/<input>`. Its inputs are the tensors of the case and the loss weights, by their names.
 */
export function goldenGraph(golden: GoldenCase, { build }: GoldenModel, variant: Variant): Graph {
  const graph = new Graph(golden.name, variant.tileBytes);
  const input = (name: string) => graph.input(name, "float32", golden.shapes.get(name)!);
  const outputs = build({ graph, golden, variant, input });
  for (const [name, tensor] of Object.entries(outputs)) graph.output(name, tensor);
  if (golden.lossOver.length === 0) return graph;

  const terms = golden.lossOver.map((name) => {
    const weight = graph.input(`loss_weight/${name}`, "float32", outputs[name].shape);
    return g.reduceSum(g.mul(outputs[name], weight));
  });
  const loss = terms.reduce((a, b) => g.add(a, b));
  graph.output("L", loss);
  const differentiated = golden.results.flatMap(({ name }) => (/^grad(_rows)?\//.test(name) ? [name] : []));
  const inputs = new Map(graph.inputs.map((tensor) => [inputName(tensor), tensor]));
  const wrt = differentiated.map((name) => inputs.get(name.replace(/^\w+\//, ""))!);
  gradients(loss, wrt).forEach((gradient, i) => {
    const rows = differentiated[i].startsWith("grad_rows/")
      ? (golden.hyper.grad_rows_token_ids as number[])
      : undefined;
    graph.output(
      differentiated[i],
      rows ? rowPicker(graph, { rows: gradient.shape[0], picks: [rows] })(gradient)[0] : gradient,
    );
  });
  return graph;
}
