import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import { floats } from "../../src/core/tensor-data.js";
import { createRuntime } from "../../src/runtime/create-runtime.js";

/** A file, and so a process, of its own: other devices pin the library in memory. */
test("collecting garbage leaves alone what native code uses: the library, names, tensors in flight", async () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const runtime = await createRuntime({ device: "cpu", cores: 2 });
  const n = 256;
  const square = (name: string) => ({ name, dtype: "float32", shape: [n, n] }) as const;
  const program = await runtime.compile({
    nodes: [
      { opType: "MatMul", inputs: ["a", "b"], outputs: ["ab"] },
      { opType: "Add", inputs: ["ab", "one"], outputs: ["c"] },
    ],
    inputs: [square("a"), square("b")],
    outputs: [square("c")],
    initializers: [{ name: "one", tensor: floats([], [1]) }],
    opset: 21,
  });
  const c = runtime.allocate("float32", [n, n]);
  const start = (fetch = runtime.allocate("float32", [n, n])) => {
    const [a, b] = [runtime.allocate("float32", [n, n]), runtime.allocate("float32", [n, n])];
    return program.run({ a, b }, { c: fetch });
  };
  for (let i = 0; i < 10; i++) {
    const runs = [start(), start(c)];
    collect();
    await new Promise((resolve) => setTimeout(resolve, 1));
    await Promise.all(runs);
  }
  expect(c.data!.every((v) => v === 1)).toBe(true);
});
