/** @file A graph compiled in the form that its device runs best. */

import type { Graph } from "../graph/graph.js";
import { type Form, toOnnx } from "../onnx/emit.js";
import type { CompileOptions, Device, Program, Runtime } from "./contract.js";

/** WebGPU's provider lacks ONNX Runtime's own fused product: attention would move between the host and the device. */
const FORMS: Readonly<Record<Device, Form>> = { cpu: "native", cuda: "native", webgpu: "standard" };

/** Compiles a graph under its name. Throws as `Runtime.compile` says, ShapeError for one that is not well formed. */
export function compileGraph(
  runtime: Runtime,
  graph: Graph,
  options: Omit<CompileOptions, "name"> = {},
): Promise<Program> {
  return runtime.compile(toOnnx(graph, { form: FORMS[runtime.device] }), { name: graph.name, ...options });
}
