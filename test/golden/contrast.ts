/** @file The contrast of images and texts as OneFormer's golden cases of the criterion describe it. */

import { floats } from "../../src/core/tensor-data.js";
import { gradients } from "../../src/graph/differentiate.js";
import { Graph } from "../../src/graph/graph.js";
import { contrastiveLoss } from "../../src/losses/contrastive.js";
import { toOnnx } from "../../src/onnx/emit.js";
import type { Runtime } from "../../src/runtime/contract.js";
import type { GoldenCase } from "./case.js";

const TENSORS = ["contrastive_logits", "texts"];

/** The loss and its weighted gradients by the names of the case; empty for cases without. */
export async function contrastOf(runtime: Runtime, golden: GoldenCase): Promise<Map<string, Float32Array>> {
  if (!golden.shapes.has("texts")) return new Map();
  const { loss_contrastive: weight } = golden.hyper.weight_dict as Record<string, number>;
  const graph = new Graph("contrast");
  const [queries, texts] = TENSORS.map((name) => graph.input(name, "float32", golden.shapes.get(name)!));
  const scale = graph.input("logit_scale", "float32", []);
  const loss = contrastiveLoss(queries, texts, scale);
  graph.output("loss/loss_contrastive", loss);
  gradients(loss, [queries, texts, scale]).forEach((gradient, i) => {
    graph.output(`grad/${[...TENSORS, "logit_scale"][i]}`, gradient);
  });
  const program = await runtime.compile(toOnnx(graph), { name: graph.name });
  const allocated = graph.inputs.map(({ shape }) => runtime.allocate("float32", shape));
  const [queryTensor, textTensor, scaleTensor] = allocated;
  await queryTensor.write(golden.values(TENSORS[0], queries.shape));
  await textTensor.write(golden.values(TENSORS[1], texts.shape));
  await scaleTensor.write(floats([], [Math.log(1 / golden.setting("contrast_temperature"))]));
  const fetches = Object.fromEntries(
    [...graph.outputs].map(([name, { shape }]) => [name, runtime.allocate("float32", shape)]),
  );
  await program.run({ contrastive_logits: queryTensor, texts: textTensor, logit_scale: scaleTensor }, fetches);
  const found = new Map<string, Float32Array>();
  for (const [name, tensor] of Object.entries(fetches)) {
    const { data } = await tensor.read();
    found.set(name, name.startsWith("grad/") ? data.map((value) => weight * value) : data.slice());
  }
  for (const disposable of [program, ...allocated, ...Object.values(fetches)]) disposable.dispose();
  return found;
}
