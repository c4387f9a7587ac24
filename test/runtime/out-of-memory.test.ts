import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { InputError } from "../../src/core/errors.js";
import { memoryFault, OutOfMemoryError } from "../../src/core/out-of-memory.js";
import { floats } from "../../src/core/tensor-data.js";
import type { Runtime } from "../../src/runtime/contract.js";
import { createRuntime } from "../../src/runtime/create-runtime.js";

/** The reason that `job` gives for throwing. */
function reasonOf(job: () => unknown): Error {
  try {
    job();
  } catch (error) {
    return error as Error;
  }
  throw new Error("expected a throw");
}

describe("is recognised", () => {
  test.each([
    ["std::bad_alloc"],
    ["bad allocation"],
    [
      "Non-zero status code returned while running Where node. /a/bfc_arena.cc:360 Failed to allocate memory " +
        "for requested buffer",
    ],
    ["CUDA failure 2: out of memory"],
    ["vkAllocateMemory failed with VK_ERROR_OUT_OF_DEVICE_MEMORY"],
    ["ENOMEM: not enough memory, read"],
  ])("in the words of libraries: %s", (message) => {
    expect(memoryFault(new Error(message), "x")).toBeInstanceOf(OutOfMemoryError);
  });

  test.each<[string, () => unknown]>([
    ["ArrayBuffer", () => new ArrayBuffer(2 ** 52)],
    ["SharedArrayBuffer", () => new SharedArrayBuffer(2 ** 52)],
    ["longest ArrayBuffer", () => new ArrayBuffer(2 ** 53)],
    ["Float32Array", () => new Float32Array(2 ** 52)],
  ])("in JavaScript's own: %s", (_, job) => {
    expect(memoryFault(reasonOf(job), "x")).toBeInstanceOf(OutOfMemoryError);
  });

  test.each<[string, () => unknown]>([
    ["a length that is none", () => new Array(-1)],
    ["a view beyond its buffer", () => new Float32Array(new ArrayBuffer(8), 16)],
    ["another fault", () => JSON.parse("{")],
  ])("but not %s", (_, job) => {
    const error = reasonOf(job);
    expect(memoryFault(error, "x")).toBe(error);
  });

  test("with how much was wanted, where the words say so, and what for", () => {
    const cause = new Error("Failed to allocate memory for requested buffer of size 1056964608");
    const fault = memoryFault(cause, "the graph");
    expect(fault.message).toMatch(
      /^memory: expected memory for the graph \(1\.1 GB at once\), found too little of it\. Use less/,
    );
    expect(fault.message).toMatch(/run\.microBatch.*run\.recompute=/);
    expect(fault).toBeInstanceOf(InputError);
    expect(memoryFault(fault, "the step").message).toContain("memory for the step (1.1 GB at once)");
  });
});

describe("in the runtime", () => {
  let runtime: Runtime;
  beforeAll(async () => {
    runtime = await createRuntime({ cores: 1 });
  });
  afterAll(() => runtime.dispose());

  test("a tensor that is too large", () => {
    const error = reasonOf(() => runtime.allocate("float32", [2 ** 20, 2 ** 30]));
    expect(error).toBeInstanceOf(OutOfMemoryError);
    expect(error.message).toContain("memory for float32[1048576,1073741824] (4.5 PB at once)");
  });

  test("a graph whose intermediate results are too large; the next run is as good as ever", async () => {
    const side = 2 ** 24;
    const program = await runtime.compile(
      {
        nodes: [
          { opType: "Expand", inputs: ["x", "shape"], outputs: ["large"] },
          { opType: "ReduceMax", inputs: ["large"], outputs: ["y"], attributes: { keepdims: 0 } },
        ],
        inputs: [
          { name: "x", dtype: "float32", shape: [1] },
          { name: "shape", dtype: "int64", shape: [2] },
        ],
        outputs: [{ name: "y", dtype: "float32", shape: [] }],
        initializers: [],
        opset: 21,
      },
      { name: "target" },
    );
    const [x, shape, y] = [
      runtime.allocate("float32", [1]),
      runtime.allocate("int64", [2]),
      runtime.allocate("float32", []),
    ];
    await x.write(floats([1], [3]));
    const run = async (rows: number) => {
      await shape.write({ dtype: "int64", shape: [2], data: BigInt64Array.of(BigInt(rows), BigInt(side)) });
      await program.run({ x, shape }, { y });
    };
    const fault = await run(side).catch((error: Error) => error);
    expect(fault).toBeInstanceOf(OutOfMemoryError);
    expect((fault as Error).message).toContain('memory for the graph "target" (1.1 PB at once)');
    await run(1);
    expect(y.data?.[0]).toBe(3);
    program.dispose();
  });
});
