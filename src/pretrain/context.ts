/** @file Steps 2 and 5 of the method: what the online encoder and the predictor get to see. */

import * as g from "../graph/build.js";
import type { Tensor } from "../graph/graph.js";
import { normal } from "../nn/init.js";
import type { Scope } from "../nn/scope.js";

/** x' = x + e, every value of e [N,3,H/b,W/b] filling a b x b block. */
export function addNoise(images: Tensor, noise: Tensor): Tensor {
  const [n, c, h, w] = noise.shape;
  const block = images.shape[2] / h;
  const blocks = g.expand(g.reshape(noise, [n, c, h, 1, w, 1]), [n, c, h, block, w, block]);
  return g.add(images, g.reshape(blocks, images.shape));
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
