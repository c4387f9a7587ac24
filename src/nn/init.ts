/** @file How parameters start. Each initialiser fills from a random stream keyed by the parameter's own name. */

import type { RandomStream } from "../core/random.js";
import { type Shape, sizeOf } from "../core/tensor-data.js";

export type Initialiser = (shape: Shape, random: RandomStream) => Float32Array;

const uniform =
  (bound: (shape: Shape) => number): Initialiser =>
  (shape, random) => {
    const b = bound(shape);
    return Float32Array.from({ length: sizeOf(shape) }, () => random.uniform(-b, b));
  };

/** Inputs of one output unit: linear [out, in], convolution [out, in, kh, kw]. */
const fanIn = (shape: Shape) => sizeOf(shape.slice(1));
const fanOut = (shape: Shape) => shape[0] * sizeOf(shape.slice(2));

export const constant =
  (value: number): Initialiser =>
  (shape) =>
    new Float32Array(sizeOf(shape)).fill(value);
export const zeros = constant(0);
export const ones = constant(1);
export const normal =
  (std = 1): Initialiser =>
  (shape, random) =>
    random.fillNormal(new Float32Array(sizeOf(shape)), std);

/** U(+-sqrt(6 / (fan_in + fan_out))), Glorot and Bengio 2010. */
export const xavierUniform = uniform((shape) => Math.sqrt(6 / (fanIn(shape) + fanOut(shape))));
/** PyTorch's default of linear and convolution weights: U(+-1/sqrt(fan_in)). */
export const torchWeight = uniform((shape) => 1 / Math.sqrt(fanIn(shape)));
/** PyTorch's default of a bias, whose layer has `inputs` inputs. */
export const torchBias = (inputs: number) => uniform(() => 1 / Math.sqrt(inputs));
/** fvcore's c2_xavier_fill: U(+-sqrt(3 / fan_in)). */
export const caffe2Xavier = uniform((shape) => Math.sqrt(3 / fanIn(shape)));
/** fvcore's c2_msra_fill: N(0, 2 / fan_out), He et al. 2015. */
export const caffe2Msra: Initialiser = (shape, random) => normal(Math.sqrt(2 / fanOut(shape)))(shape, random);
