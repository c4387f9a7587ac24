/** @file ScatterND with reduction=add carries the gradients of gathers; this counts what it loses on a device. */
import { floats } from "../core/tensor-data.js";
import type { OnnxModel } from "../onnx/protobuf.js";
import type { Runtime } from "./contract.js";

export interface ScatterSize {
  /** Rows that are added up. */
  readonly updates: number;
  /** Rows that they are added to: far fewer, so that indices repeat. */
  readonly rows: number;
  readonly width: number;
}

function scatterModel({ updates, rows, width }: ScatterSize): OnnxModel {
  return {
    nodes: [
      {
        opType: "ScatterND",
        inputs: ["zeros", "indices", "updates"],
        outputs: ["sums"],
        attributes: { reduction: "add" },
      },
    ],
    inputs: [
      { name: "indices", dtype: "int64", shape: [updates, 1] },
      { name: "updates", dtype: "float32", shape: [updates, width] },
    ],
    outputs: [{ name: "sums", dtype: "float32", shape: [rows, width] }],
    initializers: [{ name: "zeros", tensor: floats([rows, width], new Float32Array(rows * width)) }],
    opset: 21,
  };
}

/**
 * Largest absolute error of scattered sums of small integers, which are exact in any order: 0 unless updates are lost.
 */
export async function scatterAddError(runtime: Runtime, size: ScatterSize): Promise<number> {
  const { updates, rows, width } = size;
  const rowOf = (i: number) => (i * 7) % rows;
  const updateOf = (i: number) => 1 + (i % 3);
  const expected = new Float32Array(rows);
  for (let i = 0; i < updates; i++) expected[rowOf(i)] += updateOf(i);

  const program = await runtime.compile(scatterModel(size), { name: "scatter check" });
  const indices = runtime.allocate("int64", [updates, 1]);
  const values = runtime.allocate("float32", [updates, width]);
  const sums = runtime.allocate("float32", [rows, width]);
  try {
    const index = { dtype: "int64", shape: indices.shape, data: new BigInt64Array(updates) } as const;
    const value = floats(values.shape, new Float32Array(updates * width));
    for (let i = 0; i < updates; i++) {
      index.data[i] = BigInt(rowOf(i));
      value.data.fill(updateOf(i), i * width, (i + 1) * width);
    }
    await indices.write(index);
    await values.write(value);
    await program.run({ indices, updates: values }, { sums });
    const { data } = await sums.read();
    return Math.max(...Array.from(data, (sum, i) => Math.abs(sum - expected[Math.floor(i / width)])));
  } finally {
    for (const tensor of [indices, values, sums]) tensor.dispose();
    program.dispose();
  }
}
