/**
 * @file Swin Transformer (Liu et al. 2021) as Mask2Former uses it: padded after the first norm, a norm for every map.
 */

import { floats, type Grid } from "../core/tensor-data.js";
import * as g from "../graph/build.js";
import { recompute } from "../graph/differentiate.js";
import type { Graph, Tensor } from "../graph/graph.js";
import { normal, torchBias, torchWeight } from "../nn/init.js";
import { layerNorm, linear, project, toMap } from "../nn/layers.js";
import { rowPicker } from "../nn/pick-rows.js";
import type { Scope } from "../nn/scope.js";
import { dropPath } from "./drop-path.js";
import type { Pyramid } from "./pyramid.js";
import { relativePositions, windowCount, windowRegions, windowTokens } from "./swin-windows.js";

export interface SwinSize {
  /** Channels of res2; each further map has twice as many. */
  embedDim: number;
  /** Blocks of each stage. */
  depths: readonly number[];
  /** Attention heads of each stage. */
  heads: readonly number[];
  /** Side of a window in tokens. */
  window: number;
}

export interface SwinOptions extends SwinSize {
  /** Rate of drop path in the last block; the first has 0 (`drop-path.ts`). */
  dropPath: number;
  /** Factors of the residual branches [N, blocks, 2] (`drawKeepFactors`); without them nothing is dropped. */
  keep?: Tensor;
  /** Compute the activations of each block again for the gradient. */
  recomputeBlocks?: boolean;
}

const PATCH = 4;
const MLP_RATIO = 4;
/** Added to the logits of tokens that do not attend to each other. */
const MASKED = -100;

/** Channels of res2..res5. */
export const swinChannels = ({ embedDim }: SwinSize): number[] => [1, 2, 4, 8].map((factor) => factor * embedDim);

/** Tokens of N images, rows [N * height * width, C]. */
interface Tokens {
  rows: Tensor;
  images: number;
  grid: Grid;
}

/** images [N,3,H,W] of any size -> res2..res5. */
export function swin(p: Scope, images: Tensor, options: SwinOptions): Pyramid {
  const { embedDim, depths, heads, window, keep, recomputeBlocks } = options;
  const { graph } = images;
  let tokens = patchEmbedding(p.in("patch_embed"), images, embedDim);
  const relative = relativeConstant(graph, window);
  let block = 0;
  const maps = depths.map((depth, stage) => {
    const scope = p.in("layers", stage);
    const layouts = [0, Math.floor(window / 2)].map((shift) => ({
      ...windowLayout(graph, tokens, heads[stage], window, shift),
      relative,
    }));
    for (let i = 0; i < depth; i++, block++) {
      const { rows } = tokens;
      const dropped = branchDropper(keep, block, tokens);
      const build = () => [swinBlock(scope.in("blocks", i), rows, layouts[i % 2], dropped)];
      tokens = { ...tokens, rows: (recomputeBlocks ? recompute(graph, build) : build())[0] };
    }
    const normed = layerNorm(p.in(`norm${stage}`), tokens.rows);
    const map = toMap(g.reshape(normed, [tokens.images, -1, normed.shape[1]]), tokens.grid);
    if (stage < depths.length - 1) tokens = mergePatches(scope.in("downsample"), tokens);
    return map;
  });
  return maps as unknown as Pyramid;
}

/** Convolution of 4x4 patches, stride 4, as a product of rows; then a norm. Sizes are padded to multiples of 4. */
function patchEmbedding(p: Scope, images: Tensor, channels: number): Tokens {
  const [n, c, h, w] = images.shape;
  const padded = g.pad(images, [0, 0, 0, 0, 0, 0, -h & (PATCH - 1), -w & (PATCH - 1)]);
  const grid: Grid = [padded.shape[2] / PATCH, padded.shape[3] / PATCH];
  const patches = g.transpose(g.reshape(padded, [n, c, grid[0], PATCH, grid[1], PATCH]), [0, 2, 4, 1, 3, 5]);
  const inputs = c * PATCH * PATCH;
  const proj = p.in("proj");
  const weight = g.reshape(proj.parameter("weight", [channels, c, PATCH, PATCH], torchWeight), [channels, inputs]);
  const bias = proj.parameter("bias", [channels], torchBias(inputs));
  const embedded = project(g.reshape(patches, [-1, inputs]), weight, bias);
  return { rows: layerNorm(p.in("norm"), embedded), images: n, grid };
}

/** Each 2x2 block of tokens side by side, in the order (row, column) 00, 10, 01, 11; norm; half as many channels. */
function mergePatches(p: Scope, { rows, images, grid: [h, w] }: Tokens): Tokens {
  const c = rows.shape[1];
  const grid: Grid = [Math.ceil(h / 2), Math.ceil(w / 2)];
  const padded = g.pad(g.reshape(rows, [images, h, w, c]), [0, 0, 0, 0, 0, h % 2, w % 2, 0]);
  const blocks = g.transpose(g.reshape(padded, [images, grid[0], 2, grid[1], 2, c]), [0, 1, 3, 4, 2, 5]);
  const normed = layerNorm(p.in("norm"), g.reshape(blocks, [-1, 4 * c]));
  const weight = p.in("reduction").parameter("weight", [2 * c, 4 * c], torchWeight);
  return { rows: g.gemm(normed, weight, undefined, { transB: true }), images, grid };
}

/** How the tokens of a stage are dealt out to windows, with or without the shift. */
interface WindowLayout {
  /** Whether a window holds padding: the token behind all others. */
  padded: boolean;
  heads: number;
  window: number;
  /** Row of the bias table for each query and key of a window, [window^2, window^2]. */
  relative: Tensor;
  /** Rows [tokens * 3 * heads, D] -> queries, keys and values, each [N, windows, heads, window^2, D]. */
  split: (qkv: Tensor) => Tensor[];
  /** [N, windows, heads, window^2, D] -> rows [N * height * width, C], without padding. */
  join: (attended: Tensor) => Tensor;
  /** What the shift adds to the logits, [windows, 1, window^2, window^2]. */
  mask?: Tensor;
}

function windowLayout(
  graph: Graph,
  tokens: Tokens,
  heads: number,
  window: number,
  shift: number,
): Omit<WindowLayout, "relative"> {
  const { images, grid, rows } = tokens;
  const [count, area, size] = [windowCount(grid, window), window ** 2, grid[0] * grid[1]];
  const depth = rows.shape[1] / heads;
  const total = images * size;
  const inImage = windowTokens(grid, window, shift);
  const padded = inImage.includes(size);
  // Every image's padding is the one token behind all images.
  const held = Array.from({ length: images }, (_, n) => inImage.map((t) => (t === size ? total : n * size + t)));
  const holders = held.flat(); // of each window and position, the token
  const eachHead = <T>(f: (head: number) => T) => Array.from({ length: heads }, (_, head) => f(head));
  const inWindows = (row: (token: number, head: number) => number) =>
    Array.from({ length: images * count }, (_, w) => {
      const mine = holders.slice(w * area, (w + 1) * area);
      return eachHead((head) => mine.map((token) => row(token, head)));
    }).flat(2);
  const split = rowPicker(graph, {
    rows: (total + Number(padded)) * 3 * heads,
    picks: [0, 1, 2].map((part) => inWindows((token, head) => (token * 3 + part) * heads + head)),
    shared: padded ? 3 * heads : 0,
  });
  const place = new Int32Array(total + 1);
  holders.forEach((token, at) => {
    place[token] = at;
  });
  const joined = Array.from({ length: total }, (_, token) => {
    const [w, at] = [Math.floor(place[token] / area), place[token] % area];
    return eachHead((head) => (w * heads + head) * area + at);
  });
  const join = rowPicker(graph, { rows: images * count * heads * area, picks: [joined.flat()] });
  return {
    padded,
    heads,
    window,
    split: (qkv) =>
      split(g.reshape(qkv, [-1, depth])).map((part) => g.reshape(part, [images, count, heads, area, depth])),
    join: (attended) => g.reshape(join(g.reshape(attended, [-1, depth]))[0], [total, heads * depth]),
    mask: shift > 0 ? shiftMask(graph, windowRegions(grid, window, shift), count) : undefined,
  };
}

function shiftMask(graph: Graph, regions: readonly number[], windows: number): Tensor {
  const region = graph.constant(floats([windows, 1, 1, regions.length / windows], regions));
  return g.where(g.equal(g.transpose(region, [0, 1, 3, 2]), region), 0, graph.scalar(MASKED));
}

/** x + attention(norm1(x)), then x + mlp(norm2(x)), for rows [tokens, C]. */
function swinBlock(p: Scope, x: Tensor, layout: WindowLayout, dropped: BranchDropper): Tensor {
  const attended = windowAttention(p.in("attn"), layerNorm(p.in("norm1"), x), layout);
  const y = g.add(x, dropped(attended, 0));
  const c = x.shape[1];
  const mlp = p.in("mlp");
  const hidden = g.gelu(linear(mlp.in("fc1"), layerNorm(p.in("norm2"), y), MLP_RATIO * c));
  return g.add(y, dropped(linear(mlp.in("fc2"), hidden, c), 1));
}

type BranchDropper = (branch: Tensor, which: 0 | 1) => Tensor;

/** Drop path of one block's branches, rows [tokens, C]. */
function branchDropper(keep: Tensor | undefined, block: number, { images }: Tokens): BranchDropper {
  if (!keep) return (branch) => branch;
  return (branch, which) => {
    const perImage = g.reshape(branch, [images, -1, branch.shape[1]]);
    return g.reshape(dropPath(perImage, keep, block, which), branch.shape);
  };
}

/**
 * Attention of the tokens of each window among themselves; rows [tokens, C] -> [tokens, C]. A padding token is zero
 * before the projection, so it takes part with the projection's bias. The probabilities are computed again for the
 * gradient.
 */
function windowAttention(p: Scope, x: Tensor, layout: WindowLayout): Tensor {
  const { padded, mask, heads } = layout;
  const c = x.shape[1];
  const all = padded ? g.concat([x, g.zerosLike(x, [1, c])], 0) : x;
  const [q, k, v] = layout.split(linear(p.in("qkv"), all, 3 * c));
  const bias = relativePositionBias(p, layout);
  const attended = recompute(x.graph, () => {
    const logits = g.add(g.matMul(q, k, { transB: true, alpha: Math.sqrt(heads / c) }), bias);
    return [g.matMul(g.softmax(mask ? g.add(logits, mask) : logits), v)];
  })[0];
  return linear(p.in("proj"), layout.join(attended), c);
}

/** `relativePositions` as a graph's constant [window^2, window^2]. */
function relativeConstant(graph: Graph, window: number): Tensor {
  const rows = relativePositions(window);
  const area = window ** 2;
  return graph.constant({ dtype: "int64", shape: [area, area], data: BigInt64Array.from(rows, BigInt) });
}

/** The learned bias of each head, query and key of a window: [heads, window^2, window^2]. */
function relativePositionBias(p: Scope, { heads, window, relative }: WindowLayout): Tensor {
  const name = "relative_position_bias_table";
  const table = p.parameter(name, [(2 * window - 1) ** 2, heads], normal(0.02), { decay: false });
  return g.transpose(g.gather(table, relative), [2, 0, 1]);
}
