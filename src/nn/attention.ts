/** @file Multi-head attention that keeps no attention probabilities for its gradient. */

import type { Shape } from "../core/tensor-data.js";
import * as g from "../graph/build.js";
import { withGradient } from "../graph/differentiate.js";
import type { Tensor } from "../graph/graph.js";
import { type Initialiser, xavierUniform, zeros } from "./init.js";
import { linear, project } from "./layers.js";
import type { Scope } from "./scope.js";

export interface AttentionInputs {
  /** [N, Lq, C] */
  query: Tensor;
  /** [N, Lk, C] */
  key: Tensor;
  /** [N, Lk, C] */
  value: Tensor;
  /** Added to the logits, [N * heads, Lq, Lk] or [1, Lq, Lk]; no gradient flows into it. */
  bias?: Tensor;
  /** Factors of the probabilities, [N * heads, Lq, Lk]; no gradient flows into them. */
  dropout?: (shape: Shape) => Tensor;
}

/** Added to the logits of a blocked position: its probability becomes exactly zero. */
export const BLOCKED = -1e30;

const XAVIER = { inner: xavierUniform, outer: xavierUniform };

/**
 * torch.nn.MultiheadAttention, [N, Lq, C] -> [N, Lq, C]; parameters in_proj_weight [3C, C] (rows q, k,
 * v), in_proj_bias, out_proj.weight, out_proj.bias; `inner` and `outer`: what both weights begin with.
 */
export function multiHeadAttention(
  p: Scope,
  inputs: AttentionInputs,
  heads: number,
  { inner, outer }: { readonly inner: Initialiser; readonly outer: Initialiser } = XAVIER,
): Tensor {
  const { query, key, value, bias, dropout } = inputs;
  const [n, lq, c] = query.shape;
  const weights = g.split(p.parameter("in_proj_weight", [3 * c, c], inner), 0, [c, c, c]);
  const biases = g.split(p.parameter("in_proj_bias", [3 * c], zeros), 0, [c, c, c]);
  const depth = c / heads;
  const [q, k, v] = [query, key, value].map((x, i) => {
    const projected = g.reshape(project(x, weights[i], biases[i]), [n, x.shape[1], heads, depth]);
    return g.reshape(g.transpose(projected, [0, 2, 1, 3]), [n * heads, x.shape[1], depth]);
  });
  const attended = g.reshape(attend(q, k, v, bias, dropout?.([n * heads, lq, key.shape[1]])), [n, heads, lq, depth]);
  const joined = g.reshape(g.transpose(attended, [0, 2, 1, 3]), [n, lq, c]);
  return linear(p.in("out_proj"), joined, c, { weight: outer, bias: zeros });
}

interface Tile {
  /** Range of the leading axis (image times head). */
  heads: readonly [number, number];
  queries: readonly [number, number];
}

/** More tiles make graphs of hundreds of thousands of nodes, for maps whose parts no cache holds anyway. */
const MAX_TILES = 64;

/**
 * Tiles whose probabilities fit `cacheBytes`, of huge maps the least that `MAX_TILES` allow; grouped by their heads.
 */
function tiles([rows, lq]: readonly number[], lk: number, cacheBytes: number): Tile[][] {
  const perHead = 4 * lq * lk;
  const bytes = Math.max(cacheBytes, (rows * perHead) / MAX_TILES);
  const group = Math.min(rows, Math.max(1, Math.floor(bytes / perHead)));
  const chunk = Math.ceil(lq / Math.ceil(perHead / Math.max(bytes, perHead / lq)));
  const starts = (total: number, size: number) =>
    Array.from({ length: Math.ceil(total / size) }, (_, i) => [i * size, Math.min(total, (i + 1) * size)] as const);
  return starts(rows, group).map((heads) =>
    starts(lq, perHead <= bytes ? lq : chunk).map((queries) => ({ heads, queries })),
  );
}

const part = (x: Tensor, { heads, queries }: Tile) => g.slice(g.slice(x, 0, ...heads), 1, ...queries);

/**
 * (softmax(q k^T / sqrt(D) + bias) * factors) v for q [B, Lq, D], k and v [B, Lk, D]; bias and factors [B, Lq, Lk] are
 * optional.
 *
 * Computed in tiles that stay in a core's cache. The gradient computes the probabilities P again and uses
 * sum_k dP P = sum_d dO O (Dao et al. 2022, FlashAttention, appendix B), so nothing of size Lq x Lk is kept.
 */
export function attend(q: Tensor, k: Tensor, v: Tensor, bias?: Tensor, factors?: Tensor): Tensor {
  const { graph } = q;
  const [, lk, depth] = k.shape;
  const alpha = 1 / Math.sqrt(depth);
  const plan = tiles(q.shape, lk, graph.tileBytes);
  const probabilities = (tile: Tile): Tensor => {
    const logits = g.matMul(part(q, tile), g.slice(k, 0, ...tile.heads), { transB: true, alpha });
    const shared = bias?.shape[0] === 1;
    const biased = bias && part(bias, shared ? { ...tile, heads: [0, 1] } : tile);
    return g.softmax(biased ? g.add(logits, biased) : logits);
  };
  const kept = (x: Tensor, tile: Tile) => (factors ? g.mul(x, part(factors, tile)) : x);
  const forward = () => [
    g.concat(
      plan.map((group) =>
        g.concat(
          group.map((tile) => g.matMul(kept(probabilities(tile), tile), g.slice(v, 0, ...tile.heads))),
          1,
        ),
      ),
      0,
    ),
  ];
  const [output] = withGradient(graph, forward, ([dOutput], into) => {
    if (!dOutput) return;
    const correction = g.reduceSum(g.mul(dOutput, output), [-1], true);
    const parts = plan.map((group) => {
      const pieces = group.map((tile) => {
        const dO = part(dOutput, tile);
        const p = graph.during("recompute", () => probabilities(tile));
        const dP = kept(g.matMul(dO, g.slice(v, 0, ...tile.heads), { transB: true }), tile);
        const dS = g.mul(p, g.sub(dP, part(correction, tile)));
        const dq = g.matMul(dS, g.slice(k, 0, ...tile.heads), { alpha });
        const dk = g.matMul(dS, part(q, tile), { transA: true, alpha });
        const dv = g.matMul(kept(p, tile), dO, { transA: true });
        // Packed, so that the runtime has to finish a tile, and free its P and dS, before it uses any of the three.
        const rows = tile.queries[1] - tile.queries[0];
        return g.split(g.concat([dq, dk, dv], 1), 1, [rows, lk, lk]);
      });
      const total = (i: number) => pieces.map((piece) => piece[i]).reduce((a, b) => g.add(a, b));
      return [
        g.concat(
          pieces.map((piece) => piece[0]),
          1,
        ),
        total(1),
        total(2),
      ];
    });
    [q, k, v].forEach((x, i) => {
      into.accumulate(
        x,
        g.concat(
          parts.map((group) => group[i]),
          0,
        ),
      );
    });
  });
  return output;
}
