/**
 * @file Plain data to the bytes of an ONNX file. Field numbers: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
 */
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import type { DType, Shape, TensorData } from "../core/tensor-data.js";

/**
 * An integer is an INT, integers are INTS, text is a STRING; floats are marked, as JavaScript cannot tell 1 from 1.0.
 */
export type OnnxAttribute =
  | number
  | string
  | readonly number[]
  | { readonly float: number }
  | { readonly floats: readonly number[] };

export interface OnnxNode {
  readonly opType: string;
  /** "" (the ONNX operators, the default) or "com.microsoft". */
  readonly domain?: string;
  readonly name?: string;
  /** Value names; "" for an optional input that is left out. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes?: Readonly<Record<string, OnnxAttribute>>;
}

/** Length of an axis, or what it is called where it is known only when the model runs. */
export type Dim = number | string;

/** A graph input or output. */
export interface OnnxValue<D extends Dim = number> {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly D[];
}

/** Bit patterns of float16, as which weights are stored in half the space. */
export interface HalfTensor {
  readonly dtype: "float16";
  readonly shape: Shape;
  readonly data: Uint16Array;
}

export interface OnnxInitializer {
  readonly name: string;
  readonly tensor: TensorData | HalfTensor;
}

/** What a file says of itself beside the graph. */
export interface OnnxDescription {
  readonly producerVersion?: string;
  /** For a person. */
  readonly text?: string;
  /** For programs, by key. */
  readonly metadata?: ReadonlyMap<string, string>;
}

export interface OnnxModel<D extends Dim = number> extends OnnxDescription {
  /** In an order in which every value is produced before it is used. */
  readonly nodes: readonly OnnxNode[];
  readonly inputs: readonly OnnxValue<D>[];
  readonly outputs: readonly OnnxValue<D>[];
  /** Constants that travel inside the file. */
  readonly initializers: readonly OnnxInitializer[];
  /** Version of the ONNX operator set. */
  readonly opset: number;
}

/** TensorProto.DataType, which the C API shares. */
export const ELEMENT_TYPE: Record<DType | "float16", number> = {
  float32: 1,
  uint8: 2,
  int32: 6,
  int64: 7,
  bool: 9,
  float16: 10,
  float64: 11,
};

const ATTRIBUTE_TYPE = { FLOAT: 1, INT: 2, STRING: 3, FLOATS: 6, INTS: 7 };

/** protobuf refuses messages of 2 GiB and more. */
export const MAX_BYTES = 2 ** 31 - 1;

type Write = (out: BinaryWriter) => void;

function message(out: BinaryWriter, field: number, body: Write): void {
  out.tag(field, WireType.LengthDelimited).fork();
  body(out);
  out.join();
}

function text(out: BinaryWriter, field: number, value: string): void {
  out.tag(field, WireType.LengthDelimited).string(value);
}

function int(out: BinaryWriter, field: number, value: number): void {
  out.tag(field, WireType.Varint).int64(value);
}

function float(out: BinaryWriter, field: number, value: number): void {
  out.tag(field, WireType.Bit32).float(value);
}

function writeAttribute(out: BinaryWriter, name: string, value: OnnxAttribute): void {
  const type = (t: number) => int(out, 20, t);
  text(out, 1, name);
  if (typeof value === "number") {
    if (!Number.isInteger(value)) throw new RangeError(`attribute ${name}: ${value} is no integer; use {float: ...}`);
    int(out, 3, value);
    type(ATTRIBUTE_TYPE.INT);
  } else if (typeof value === "string") {
    text(out, 4, value);
    type(ATTRIBUTE_TYPE.STRING);
  } else if ("float" in value) {
    float(out, 2, value.float);
    type(ATTRIBUTE_TYPE.FLOAT);
  } else if ("floats" in value) {
    for (const v of value.floats) float(out, 7, v);
    type(ATTRIBUTE_TYPE.FLOATS);
  } else {
    for (const v of value) int(out, 8, v);
    type(ATTRIBUTE_TYPE.INTS);
  }
}

function writeNode(out: BinaryWriter, node: OnnxNode): void {
  for (const name of node.inputs) text(out, 1, name);
  for (const name of node.outputs) text(out, 2, name);
  if (node.name) text(out, 3, node.name);
  text(out, 4, node.opType);
  for (const [name, value] of Object.entries(node.attributes ?? {}))
    message(out, 5, (o) => writeAttribute(o, name, value));
  if (node.domain) text(out, 7, node.domain);
}

function bytesOf(write: Write): Uint8Array {
  const out = new BinaryWriter();
  write(out);
  return out.finish();
}

const sizeOf = (pieces: readonly Uint8Array[]) => pieces.reduce((sum, { length }) => sum + length, 0);

/** A field made of pieces. A writer would copy hundreds of megabytes of weights again for each level of nesting. */
function inPieces(field: number, pieces: readonly Uint8Array[]): Uint8Array[] {
  return [bytesOf((o) => o.tag(field, WireType.LengthDelimited).uint32(sizeOf(pieces))), ...pieces];
}

function initializer({ name, tensor }: OnnxInitializer): Uint8Array[] {
  const head = bytesOf((o) => {
    for (const dim of tensor.shape) int(o, 1, dim);
    int(o, 2, ELEMENT_TYPE[tensor.dtype]);
    text(o, 8, name);
  });
  const { buffer, byteOffset, byteLength } = tensor.data;
  // raw_data is little endian, as is every machine that Node runs on.
  return [head, ...inPieces(9, [new Uint8Array(buffer, byteOffset, byteLength)])];
}

function writeValue(out: BinaryWriter, { name, dtype, shape }: OnnxValue<Dim>): void {
  text(out, 1, name);
  const dims: Write = (o) => {
    for (const dim of shape) message(o, 1, (d) => (typeof dim === "string" ? text(d, 2, dim) : int(d, 1, dim)));
  };
  const tensorType: Write = (o) => {
    int(o, 1, ELEMENT_TYPE[dtype]);
    message(o, 2, dims);
  };
  message(out, 2, (o) => message(o, 1, tensorType));
}

function graph(model: OnnxModel<Dim>): Uint8Array[] {
  const nodes = bytesOf((o) => {
    for (const node of model.nodes) message(o, 1, (n) => writeNode(n, node));
    text(o, 2, "graph");
  });
  const values = bytesOf((o) => {
    for (const value of model.inputs) message(o, 11, (v) => writeValue(v, value));
    for (const value of model.outputs) message(o, 12, (v) => writeValue(v, value));
  });
  return [nodes, ...model.initializers.flatMap((one) => inPieces(5, initializer(one))), values];
}

/** The oldest file format that may hold the operator set. */
function irVersion(opset: number): number {
  if (opset <= 18) return 8;
  return opset <= 20 ? 9 : Math.max(10, opset - 12);
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(sizeOf(pieces));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

/** Longer pieces are not copied. */
const SHORT = 2 ** 16;

/** The same bytes in fewer pieces. */
function withShortOnesJoined(pieces: readonly Uint8Array[]): Uint8Array[] {
  const longer: Uint8Array[] = [];
  let short: Uint8Array[] = [];
  const flush = () => {
    if (short.length > 0) longer.push(joined(short));
    short = [];
  };
  for (const piece of pieces) {
    if (piece.length <= SHORT) {
      short.push(piece);
    } else {
      flush();
      longer.push(piece);
    }
  }
  flush();
  return longer;
}

/**
 * The ONNX file (ModelProto) of a model in pieces, one after another; weights are their own memory.
 * @throws RangeError when it would be 2 GiB or more, or when a bare attribute is not an integer.
 */
export function modelPieces(model: OnnxModel<Dim>): Uint8Array[] {
  const { opset, nodes, producerVersion, text: description, metadata = new Map() } = model;
  const head = bytesOf((o) => {
    int(o, 1, irVersion(opset));
    text(o, 2, "mask-jepa");
    if (producerVersion) text(o, 3, producerVersion);
    if (description) text(o, 6, description);
  });
  const tail = bytesOf((out) => {
    for (const domain of new Set(["", ...nodes.map((node) => node.domain ?? "")])) {
      message(out, 8, (o) => {
        text(o, 1, domain);
        int(o, 2, domain === "" ? opset : 1);
      });
    }
    for (const [key, value] of metadata) {
      message(out, 14, (o) => {
        text(o, 1, key);
        text(o, 2, value);
      });
    }
  });
  const pieces = [head, ...inPieces(7, graph(model)), tail];
  const size = sizeOf(pieces);
  if (size > MAX_BYTES) {
    throw new RangeError(`encodeModel: ${size} bytes do not fit in one file; make weights graph inputs`);
  }
  return withShortOnesJoined(pieces);
}

/** The same as one piece. @throws RangeError as `modelPieces` does */
export const encodeModel = (model: OnnxModel<Dim>): Uint8Array => joined(modelPieces(model));
