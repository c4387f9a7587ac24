import { expect, test, vi } from "vitest";
import * as g from "../../src/graph/build.js";
import { Graph } from "../../src/graph/graph.js";
import { toOnnx } from "../../src/onnx/emit.js";
import { createRuntime } from "../../src/runtime/create-runtime.js";
import { releaseFreedMemory } from "../../src/runtime/native-heap.js";

vi.mock("../../src/runtime/native-heap.js", async (original) => {
  const actual = await original<typeof import("../../src/runtime/native-heap.js")>();
  return { ...actual, releaseFreedMemory: vi.fn(actual.releaseFreedMemory) };
});

test("a program that goes gives its pages back", async () => {
  const runtime = await createRuntime({ device: "cpu", cores: 1 });
  vi.mocked(releaseFreedMemory).mockClear();
  const graph = new Graph("twice");
  const x = graph.input("x", "float32", [2]);
  graph.output("y", g.add(x, x));
  const program = await runtime.compile(toOnnx(graph));
  expect(releaseFreedMemory).not.toHaveBeenCalled();
  program.dispose();
  expect(releaseFreedMemory).toHaveBeenCalledOnce();
  runtime.dispose();
});
