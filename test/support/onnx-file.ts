/** @file An exported ONNX file as other programs run it: by the npm packages of ONNX Runtime, native and WebAssembly. */

import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import type { PlainSession } from "../../src/runtime/plain-onnxruntime.js";

/** A tool that other programs run files with. */
export type Engine = "onnxruntime-node" | "onnxruntime-web";
export const ENGINES: readonly Engine[] = ["onnxruntime-node", "onnxruntime-web"];

/** An npm package that is installed for such programs. */
export const installedPackage = createRequire(fileURLToPath(new URL("../../packaging/onnxruntime/", import.meta.url)));

interface Api {
  readonly env: { readonly wasm: { numThreads: number } };
  readonly InferenceSession: { create(model: Uint8Array, options: object): Promise<PlainSession> };
}

/** As the file has them: opening is faster than with nodes rewritten, as exporting tries it. */
const NODES_AS_THEY_ARE = { graphOptimizationLevel: "disabled" };

/** Opens a model in an engine. */
export function openModel(engine: Engine, model: Uint8Array): Promise<PlainSession> {
  const { env, InferenceSession } = installedPackage(engine) as Api;
  if (engine === "onnxruntime-web") env.wasm.numThreads = 1;
  return InferenceSession.create(model, { logSeverityLevel: 3, intraOpNumThreads: 1, ...NODES_AS_THEY_ARE });
}

/** Fields of a message of protobuf: bytes of those of a number. */
function fieldsOf(bytes: Uint8Array, wanted: number): Uint8Array[] {
  const reader = new BinaryReader(bytes);
  const found: Uint8Array[] = [];
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (field === wanted && type === WireType.LengthDelimited) found.push(reader.bytes());
    else reader.skip(type, field);
  }
  return found;
}

const GRAPH = 7;
const NODE = 1;
const OPERATOR_SET = 8;
const text = (bytes: Uint8Array | undefined) => new TextDecoder().decode(bytes ?? new Uint8Array());

/** The operators of a model, "domain:name" where the domain is not ONNX's own, and the domains it imports. */
export function operatorsOf(model: Uint8Array) {
  const nodes = fieldsOf(model, GRAPH).flatMap((graph) => fieldsOf(graph, NODE));
  const names = nodes.map((node) => {
    const domain = text(fieldsOf(node, 7)[0]);
    return `${domain === "" ? "" : `${domain}:`}${text(fieldsOf(node, 4)[0])}`;
  });
  return {
    operators: [...new Set(names)].sort(),
    domains: fieldsOf(model, OPERATOR_SET).map((set) => text(fieldsOf(set, 1)[0])),
  };
}

/** What a model says of itself, by key. */
export function metadataOf(model: Uint8Array): ReadonlyMap<string, string> {
  return new Map(fieldsOf(model, 14).map((entry) => [text(fieldsOf(entry, 1)[0]), text(fieldsOf(entry, 2)[0])]));
}
