import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { expect, test } from "vitest";
import { floats, zeros } from "../../src/core/tensor-data.js";
import { encodeModel, type OnnxModel } from "../../src/onnx/protobuf.js";

type Fields = Map<number, (number | string)[]>;

/** Field numbers to raw values: varints as text, fixed 32 bit as floats, bytes as latin-1 text. */
function decode(bytes: Uint8Array): Fields {
  const reader = new BinaryReader(bytes);
  const fields: Fields = new Map();
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    const value =
      type === WireType.Varint
        ? String(reader.int64())
        : type === WireType.Bit32
          ? reader.float()
          : Buffer.from(reader.bytes()).toString("latin1");
    fields.set(field, [...(fields.get(field) ?? []), value]);
  }
  return fields;
}

function nested(value: number | string): Fields {
  return decode(Buffer.from(value as string, "latin1"));
}

const MODEL: OnnxModel = {
  nodes: [
    {
      opType: "Op",
      domain: "com.microsoft",
      name: "n",
      inputs: ["x", "", "w"],
      outputs: ["y"],
      attributes: { axis: -1, mode: "add", axes: [2, 3], alpha: { float: 0.5 }, scales: { floats: [1, 2] } },
    },
  ],
  inputs: [{ name: "x", dtype: "int64", shape: [2, 3] }],
  outputs: [{ name: "y", dtype: "bool", shape: [] }],
  initializers: [{ name: "w", tensor: floats([2], [1, -2]) }],
  opset: 21,
};

test("a model holds versions, graph, nodes and values under the field numbers of onnx.proto", () => {
  const model = decode(encodeModel(MODEL));
  expect(model.get(1)).toEqual(["10"]);
  expect(model.get(8)!.map(nested)).toEqual([
    new Map([
      [1, [""]],
      [2, ["21"]],
    ]),
    new Map([
      [1, ["com.microsoft"]],
      [2, ["1"]],
    ]),
  ]);
  const graph = nested(model.get(7)![0]);
  const node = nested(graph.get(1)![0]);
  expect(node.get(1)).toEqual(["x", "", "w"]);
  expect(node.get(2)).toEqual(["y"]);
  expect([node.get(3), node.get(4), node.get(7)]).toEqual([["n"], ["Op"], ["com.microsoft"]]);

  const type = (value: string | number) => nested(nested(nested(value).get(2)![0]).get(1)![0]);
  expect(type(graph.get(11)![0]).get(1)).toEqual(["7"]);
  const dims = nested(type(graph.get(11)![0]).get(2)![0]).get(1)!;
  expect(dims.map((dim) => nested(dim).get(1))).toEqual([["2"], ["3"]]);
  expect(type(graph.get(12)![0]).get(1)).toEqual(["9"]);
  expect(type(graph.get(12)![0]).get(2)).toEqual([""]);
});

test("attributes carry their values and types", () => {
  const graph = nested(decode(encodeModel(MODEL)).get(7)![0]);
  const attributes = nested(graph.get(1)![0]).get(5)!.map(nested);
  const entries = attributes.map((a) => {
    const value = [2, 3, 4, 7, 8].flatMap((field) => (a.has(field) ? [field, a.get(field)] : []));
    return [a.get(1)![0], a.get(20)![0], ...value];
  });
  expect(entries).toEqual([
    ["axis", "2", 3, ["-1"]],
    ["mode", "3", 4, ["add"]],
    ["axes", "7", 8, ["2", "3"]],
    ["alpha", "1", 2, [0.5]],
    ["scales", "6", 7, [1, 2]],
  ]);
  const bad = { ...MODEL, nodes: [{ opType: "Op", inputs: [], outputs: [], attributes: { alpha: 0.5 } }] };
  expect(() => encodeModel(bad)).toThrow("attribute alpha: 0.5 is no integer");
});

test("initialisers are raw little-endian bytes, also of a view into shared memory", () => {
  const memory = zeros("float32", [8]);
  memory.data.set([0, 0, 1, -2], 0);
  const view = { dtype: "float32", shape: [2], data: memory.data.subarray(2, 4) } as const;
  for (const tensor of [MODEL.initializers[0].tensor, view]) {
    const graph = nested(decode(encodeModel({ ...MODEL, initializers: [{ name: "w", tensor }] })).get(7)![0]);
    const initializer = nested(graph.get(5)![0]);
    expect([initializer.get(1), initializer.get(2), initializer.get(8)]).toEqual([["2"], ["1"], ["w"]]);
    const raw = Buffer.from(initializer.get(9)![0] as string, "latin1");
    expect([raw.length, raw.readFloatLE(0), raw.readFloatLE(4)]).toEqual([8, 1, -2]);
  }
});

test("a hundred megabytes of constants are written whole", () => {
  const tensors = Array.from({ length: 25 }, (_, i) => ({ name: `w${i}`, tensor: zeros("float32", [2 ** 20]) }));
  const bytes = encodeModel({ ...MODEL, initializers: tensors });
  expect(bytes.length).toBeGreaterThan(25 * 2 ** 22);
});
