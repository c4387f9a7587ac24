/** @file Weights stored as float16 and widened where they are read: half the file, the same arithmetic. */

import { narrowHalf, widenHalf } from "../../checkpoint/half-float.js";
import type { TensorData } from "../../core/tensor-data.js";
import { ELEMENT_TYPE, type OnnxInitializer, type OnnxNode } from "../../onnx/protobuf.js";

/** The largest float16. */
const LARGEST = 65504;

/** Matrices and kernels are nearly all of a model; what is short, or does not fit, stays as it is. */
const isHalved = ({ tensor: { dtype, shape, data } }: OnnxInitializer) =>
  dtype === "float32" && shape.length >= 2 && (data as Float32Array).every((value) => Math.abs(value) <= LARGEST);

/** The same constants in float16, and the nodes that give them their names. */
export function halved(initializers: readonly OnnxInitializer[]): {
  readonly initializers: readonly OnnxInitializer[];
  readonly nodes: readonly OnnxNode[];
} {
  const short = initializers.filter(isHalved);
  const stored = (name: string) => `${name}.float16`;
  return {
    initializers: initializers.map((one) =>
      short.includes(one)
        ? {
            name: stored(one.name),
            tensor: { dtype: "float16", shape: one.tensor.shape, data: narrowHalf(one.tensor.data as Float32Array) },
          }
        : one,
    ),
    nodes: short.map(({ name }) => ({
      opType: "Cast",
      inputs: [stored(name)],
      outputs: [name],
      attributes: { to: ELEMENT_TYPE.float32 },
    })),
  };
}

/** The values that weights have after they were stored so. */
export function roundedWeights(weights: ReadonlyMap<string, TensorData>): Map<string, TensorData> {
  const rounded = ([name, tensor]: readonly [string, TensorData]): [string, TensorData] => {
    if (!isHalved({ name, tensor })) return [name, tensor];
    const data = new Float32Array(tensor.data.length);
    widenHalf(narrowHalf(tensor.data as Float32Array), data);
    return [name, { ...tensor, dtype: "float32", data }];
  };
  return new Map([...weights].map(rounded));
}
