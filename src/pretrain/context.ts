/** @file Steps 2 and 5 of the method: what the online encoder and the predictor get to see. */

import * as g from "../graph/build.js";
import type { Tensor } from "../graph/graph.js";
import { normal } from "../nn/init.js";
import type { Scope } from "../nn/scope.js";

/** Noise [N,3,h,w] at a finer size H x W, a multiple of h x w: every value fills a block. */
export function enlarged(noise: Tensor, [height, width]: readonly number[]): Tensor {
  const [n, c, h, w] = noise.shape;
  const blocks = g.expand(g.reshape(noise, [n, c, h, 1, w, 1]), [n, c, h, height / h, w, width / w]);
  return g.reshape(blocks, [n, c, height, width]);
}

/** x' = x + e, every value of e [N,3,H/b,W/b] filling a b x b block. */
export function addNoise(images: Tensor, noise: Tensor): Tensor {
  return g.add(images, enlarged(noise, images.shape.slice(2)));
}

/** Rows of [N * P, C] that the positions [N, K] of N images with P tokens each name: int64 [N * K]. */
export function tokenRows(positions: Tensor, tokens: number): Tensor {
  const [n, k] = positions.shape;
  const starts = BigInt64Array.from({ length: n }, (_, i) => BigInt(i * tokens));
  const offset = positions.graph.constant({ dtype: "int64", shape: [n, 1], data: starts });
  return g.reshape(n === 1 ? positions : g.add(positions, offset), [n * k]);
}

/** Tokens [N, P, C] with those at `rows` replaced by the learned mask token. */
export function maskTokens(p: Scope, tokens: Tensor, rows: Tensor): Tensor {
  const [n, count, c] = tokens.shape;
  const token = p.parameter("mask_token", [c], normal(0.02));
  const masked = g.expand(token, [rows.shape[0], c]);
  const flat = g.reshape(tokens, [n * count, c]);
  return g.reshape(g.scatterND(flat, g.reshape(rows, [-1, 1]), masked, "none"), tokens.shape);
}

/** Tokens [N, P, C] at `rows`: [rows, C]. */
export function tokensAt(tokens: Tensor, rows: Tensor): Tensor {
  return g.gather(g.reshape(tokens, [-1, tokens.shape[2]]), rows);
}
