/** @file Multi-scale deformable attention (Zhu et al. 2020, Deformable DETR) in ordinary operators. */

import { floats, type Grid } from "../core/tensor-data.js";
import * as g from "../graph/build.js";
import { withGradient } from "../graph/differentiate.js";
import type { Tensor } from "../graph/graph.js";
import { type Initialiser, xavierUniform, zeros } from "../nn/init.js";
import { linear, linearParameters, project } from "../nn/layers.js";
import { corners } from "../nn/sampling.js";
import type { Scope } from "../nn/scope.js";

export interface DeformableOptions {
  /** Sizes of the maps that are sampled, in the order of their tokens. */
  levels: readonly Grid[];
  heads: number;
  /** Sampling points for each head and level. */
  points: number;
  /** Sample again for the gradient instead of keeping the sampled rows. */
  recomputeRows?: boolean;
  /** Sample at most so many bytes of rows at a time, what a core's cache holds; all where a graph has no tiles. */
  rowBytes?: number;
}

export interface DeformableInputs {
  /** [N, Lq, C] */
  query: Tensor;
  /** Normalised (x, y) of each query on each level, or boxes (x, y, w, h): [N or 1, Lq, levels, 2 or 4]. */
  references: Tensor;
  /** [N, S, C], S = total size of the levels. */
  value: Tensor;
  /** 1 where a token counts, 0 in padding: [N, S, 1]. */
  keep?: Tensor;
}

/** Points at distances 1..P along the compass direction of each head (Deformable DETR, A.2). */
const compass =
  (heads: number, levels: number, points: number): Initialiser =>
  () =>
    Float32Array.from({ length: heads * levels * points * 2 }, (_, i) => {
      const [axis, point] = [i % 2, Math.floor(i / 2) % points];
      const angle = (2 * Math.PI * Math.floor(i / (2 * points * levels))) / heads;
      const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
      return ((point + 1) * (axis === 0 ? cos : sin)) / Math.max(Math.abs(cos), Math.abs(sin));
    });

/** MSDeformAttn with its projections: [N, Lq, C]. */
export function deformableAttention(p: Scope, inputs: DeformableInputs, options: DeformableOptions): Tensor {
  const { query, references, value, keep } = inputs;
  const { levels, heads, points } = options;
  const [n, lq, c] = query.shape;
  const samples = heads * levels.length * points;
  const projected = linear(p.in("value_proj"), value, c, { weight: xavierUniform, bias: zeros });
  const values = keep ? g.mul(projected, keep) : projected;
  const offsetInit = { weight: zeros, bias: compass(heads, levels.length, points) };
  const { weight, bias } = linearParameters(p.in("sampling_offsets"), c, 2 * samples, offsetInit);
  const offsets = project(query, axesApart(weight), axesApart(bias));
  const logits = linear(p.in("attention_weights"), query, samples, { weight: zeros, bias: zeros });
  const weights = g.reshape(g.softmax(g.reshape(logits, [n, lq, heads, levels.length * points])), [n, lq, samples]);
  const [x, y] = g.split(offsets, 2, [samples, samples]).map((pixels, axis) => {
    const { centre, scale } = pixelFrame(references, options, axis);
    return g.add(scale ? g.mul(pixels, scale) : pixels, centre);
  });
  const sampled = sampleRows({ values, x, y, weights }, options);
  return linear(p.in("output_proj"), sampled, c, { weight: xavierUniform, bias: zeros });
}

/**
 * Rows of a parameter of the offsets, x and y in turn, as all of x, then all of y: to take the parameter apart costs
 * little beside taking apart the offsets of all tokens.
 */
function axesApart(parameter: Tensor): Tensor {
  const [rows, ...rest] = parameter.shape;
  const byAxis = g.transpose(g.reshape(parameter, [rows / 2, 2, ...rest]), [1, 0, ...rest.map((_, i) => 2 + i)]);
  return g.reshape(byAxis, parameter.shape);
}

/**
 * Along one axis (0 is x): the pixel coordinate reference * size - 0.5 of each sample, [N or 1, Lq, samples], and for
 * boxes the factor of the offsets, box size / (2 points) in pixels. Constant references fold into constants.
 */
function pixelFrame(references: Tensor, { levels, heads, points }: DeformableOptions, axis: number) {
  const { graph } = references;
  const [n, lq, count, dims] = references.shape;
  const sizes = graph.constant(
    floats(
      [count, 1],
      levels.map((level) => level[1 - axis]),
    ),
  );
  const perSample = (t: Tensor) => {
    const spread = g.expand(g.reshape(t, [n, lq, 1, count, 1]), [n, lq, heads, count, points]);
    return g.reshape(spread, [n, lq, heads * count * points]);
  };
  const column = (i: number) => g.mul(g.slice(references, 3, i, i + 1), sizes);
  const scale = dims === 4 ? perSample(g.mul(column(axis + 2), 0.5 / points)) : undefined;
  return { centre: perSample(g.sub(column(axis), 0.5)), scale };
}

export interface Samples {
  /** [N, S, C] */
  values: Tensor;
  /** Pixel coordinates and attention weights [N, Lq, heads * levels * points]. */
  x: Tensor;
  y: Tensor;
  weights: Tensor;
}

/**
 * Weighted sum of bilinear samples, zero outside the maps: [N, Lq, C]. The four corners of each point are gathered as
 * rows; bilinear and attention weights fold into one row vector, so a query and head is one vector-matrix product.
 */
export function sampleRows({ values, x, y, weights }: Samples, options: DeformableOptions): Tensor {
  const { levels, heads, points, recomputeRows, rowBytes = Number.POSITIVE_INFINITY } = options;
  const { graph } = values;
  const [n, tokens, c] = values.shape;
  const lq = x.shape[1];
  const perHead = levels.length * points;
  const perSample = (value: (head: number, level: number) => number) =>
    graph.constant(
      floats(
        [heads * perHead],
        Array.from({ length: heads * perHead }, (_, i) =>
          value(Math.floor(i / perHead), Math.floor((i % perHead) / points)),
        ),
      ),
    );
  const starts = levels.map((_, l) => levels.slice(0, l).reduce((sum, [h, w]) => sum + h * w, 0));
  const columns = corners(
    x,
    perSample((_, l) => levels[l][1] - 1),
  );
  const lines = corners(
    y,
    perSample((_, l) => levels[l][0] - 1),
  );
  // Row of (image, token, head) in the values as [N * S * heads, C / heads].
  const lineStride = perSample((_, l) => levels[l][1] * heads);
  const imageStart = graph.constant(
    floats(
      [n, 1, 1],
      Array.from({ length: n }, (_, i) => i * tokens * heads),
    ),
  );
  const origin = g.add(
    perSample((head, l) => starts[l] * heads + head),
    imageStart,
  );
  const grouped = (t: Tensor) => g.reshape(t, [n * lq * heads, perHead]);
  const cornerWeights: Tensor[] = [];
  const cornerRows: Tensor[] = [];
  for (const line of lines) {
    const lineWeight = g.mul(weights, line.weight);
    const lineRow = g.add(g.mul(line.index, lineStride), origin);
    for (const column of columns) {
      cornerWeights.push(grouped(g.mul(lineWeight, column.weight)));
      cornerRows.push(grouped(g.add(lineRow, g.mul(column.index, heads))));
    }
  }
  const indices = g.cast(g.concat(cornerRows, 1), "int64");
  const rowWeights = g.reshape(g.concat(cornerWeights, 1), [n * lq * heads, 1, 4 * perHead]);
  const sampled = { indices, rowWeights, values: g.reshape(values, [n * tokens * heads, c / heads]) };
  const sums = recomputeRows
    ? weighRowsAgain(sampled, Math.min(rowBytes, TRAINING_BYTES))
    : weighRows(sampled, graph.tileBytes === Number.POSITIVE_INFINITY ? graph.tileBytes : rowBytes);
  return g.reshape(sums, [n, lq, c]);
}

/** Rows that are sampled at a time where they are sampled again for the gradient: what a core's cache holds. */
const TRAINING_BYTES = 2 ** 22;

interface WeightedRows {
  /** Rows of `values` that each query and head samples: int64 [M, R]. */
  indices: Tensor;
  /** [M, 1, R] */
  rowWeights: Tensor;
  /** [rows, D] */
  values: Tensor;
}

/** The same weighted rows in pieces whose sampled rows take at most `bytes`. */
function piecesOf({ indices, rowWeights, values }: WeightedRows, bytes: number): WeightedRows[] {
  const [count, rows] = indices.shape;
  const atOnce = Math.max(1, Math.min(count, Math.floor(bytes / (4 * rows * values.shape[1]))));
  return Array.from({ length: Math.ceil(count / atOnce) }, (_, i) => {
    const part = (t: Tensor) => g.slice(t, 0, i * atOnce, Math.min((i + 1) * atOnce, count));
    return { indices: part(indices), rowWeights: part(rowWeights), values };
  });
}

/** Weighted sum of the rows that each query and head samples: [M, 1, D]. */
function weighRows(sampled: WeightedRows, bytes: number): Tensor {
  const sums = piecesOf(sampled, bytes).map(({ indices, rowWeights, values }) =>
    g.matMul(rowWeights, g.gather(values, indices)),
  );
  return g.concat(sums, 0);
}

/**
 * The same, and in its gradient the rows are sampled again instead of being kept. With y = sum of w_r v_r, dw_r = <dy,
 * v_r>, and each row gets w_r dy: the pieces are scattered one after another into the same memory.
 */
function weighRowsAgain(sampled: WeightedRows, bytes: number): Tensor {
  const { graph } = sampled.values;
  const forward = () => [weighRows(sampled, bytes)];
  const [y] = withGradient(graph, forward, ([dy], into) => {
    if (!dy) return;
    const { values, rowWeights } = sampled;
    const pieces = piecesOf(sampled, bytes);
    const dys = g.split(
      dy,
      0,
      pieces.map(({ indices }) => indices.shape[0]),
    );
    const dWeights = pieces.map(({ indices }, i) => g.matMul(dys[i], g.gather(values, indices), { transB: true }));
    const dRows = pieces.map((piece, i) => g.matMul(piece.rowWeights, dys[i], { transA: true }));
    let dValues = g.zerosLike(values);
    pieces.forEach(({ indices }, i) => {
      const rows = g.reshape(indices, [-1, 1]);
      dValues = g.scatterND(dValues, rows, g.reshape(dRows[i], [-1, values.shape[1]]), "add");
    });
    into.accumulate(rowWeights, g.concat(dWeights, 0));
    into.accumulate(values, dValues);
  });
  return y;
}
