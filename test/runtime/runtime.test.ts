import { existsSync } from "node:fs";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { InputError } from "../../src/core/errors.js";
import { RandomStream } from "../../src/core/random.js";
import { type DType, floats, type Shape, type TensorData } from "../../src/core/tensor-data.js";
import type { OnnxModel, OnnxNode } from "../../src/onnx/protobuf.js";
import { aliasChecker } from "../../src/runtime/alias.js";
import type { Device, Runtime } from "../../src/runtime/contract.js";
import { createRuntime } from "../../src/runtime/create-runtime.js";
import { listDevices, probeLibrary, probeMatMul, probeScatterAdd } from "../../src/runtime/probe.js";
import { threadPoolFault } from "../../src/runtime/thread-pool.js";

/** A software adapter, so that the WebGPU tests run where there is no GPU (Debian's chromium package). */
const SOFTWARE_ADAPTER = "/usr/lib/chromium/vk_swiftshader_icd.json";
if (!process.env.VK_DRIVER_FILES && existsSync(SOFTWARE_ADAPTER)) process.env.VK_DRIVER_FILES = SOFTWARE_ADAPTER;

const value = (name: string, shape: Shape, dtype: DType = "float32") => ({ name, dtype, shape });

function model(nodes: OnnxNode[], inputs: OnnxModel["inputs"], outputs: OnnxModel["outputs"]): OnnxModel {
  return { nodes, inputs, outputs, initializers: [{ name: "one", tensor: floats([], [1]) }], opset: 21 };
}

const addOne = model([{ opType: "Add", inputs: ["x", "one"], outputs: ["y"] }], [value("x", [4])], [value("y", [4])]);

function matMulSoftmax(n: number): OnnxModel {
  const nodes = [
    { opType: "MatMul", inputs: ["a", "b"], outputs: ["ab"] },
    { opType: "Softmax", inputs: ["ab"], outputs: ["c"], attributes: { axis: -1 } },
  ];
  return model(nodes, [value("a", [n, n]), value("b", [n, n])], [value("c", [n, n])]);
}

function noise(shape: Shape, purpose: string): TensorData<"float32"> {
  const tensor = floats(shape, new Float32Array(shape.reduce((a, b) => a * b, 1)));
  new RandomStream({ seed: 1, purpose }).fillNormal(tensor.data);
  return tensor;
}

function bytesOf({ data }: TensorData): Buffer {
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
}

const missing = new Map((await listDevices()).filter((d) => !d.available).map((d) => [d.device, d.detail]));

describe.each<Device>(["cpu", "webgpu", "cuda"])("the contract on %s", (device) => {
  let runtime: Runtime;
  beforeAll(async () => {
    if (!missing.has(device)) runtime = await createRuntime({ device, cores: 2 });
  });
  beforeEach(({ skip }) => skip(missing.has(device), missing.get(device)));
  afterAll(() => runtime?.dispose());

  test("tensors start as zeros, and keep what is written, of every type", async () => {
    const contents: TensorData[] = [
      { dtype: "float32", shape: [3], data: Float32Array.of(1.5, -2, 3) },
      { dtype: "int64", shape: [2, 1], data: BigInt64Array.of(-1n, 2n ** 40n) },
      { dtype: "int32", shape: [1, 2], data: Int32Array.of(-7, 7) },
      { dtype: "bool", shape: [4], data: Uint8Array.of(1, 0, 1, 1) },
      { dtype: "float32", shape: [], data: Float32Array.of(9) },
    ];
    for (const content of contents) {
      const tensor = runtime.allocate(content.dtype, content.shape);
      expect(bytesOf(await tensor.read()).every((byte) => byte === 0)).toBe(true);
      await tensor.write(content);
      expect(bytesOf(await tensor.read())).toEqual(bytesOf(content));
      tensor.dispose();
    }
    const tensor = runtime.allocate("float32", [2]);
    await expect(tensor.write(floats([3], [1, 2, 3]))).rejects.toThrow("expected float32[2], found float32[3]");
  });

  test("a chain of runs stays on the device, and a fetch may be a feed", async () => {
    const program = await runtime.compile(addOne);
    expect([program.inputs, program.outputs]).toEqual([["x"], ["y"]]);
    const [x, y] = [runtime.allocate("float32", [4]), runtime.allocate("float32", [4])];
    await x.write(floats([4], [1, 2, 3, 4]));
    await program.run({ x }, { y });
    await program.run({ x: y }, { y: x });
    for (let i = 0; i < 3; i++) await program.run({ x }, { y: x });
    expect(Array.from((await x.read()).data)).toEqual([6, 7, 8, 9]);
    expect(Array.from((await y.read()).data)).toEqual([2, 3, 4, 5]);
    program.dispose();
  });

  test("runs in flight at once give the bits of runs one after another", async () => {
    const n = 64;
    const program = await runtime.compile(matMulSoftmax(n));
    const lanes = await Promise.all(
      Array.from({ length: 6 }, async (_, i) => {
        const [a, b] = [runtime.allocate("float32", [n, n]), runtime.allocate("float32", [n, n])];
        await a.write(noise([n, n], `a${i}`));
        await b.write(noise([n, n], "b"));
        return { a, b, alone: runtime.allocate("float32", [n, n]), together: runtime.allocate("float32", [n, n]) };
      }),
    );
    for (const { a, b, alone } of lanes) await program.run({ a, b }, { c: alone });
    await Promise.all(lanes.map(({ a, b, together }) => program.run({ a, b }, { c: together })));
    for (const { alone, together } of lanes) {
      const [expected, found] = [await alone.read(), await together.read()];
      expect(bytesOf(found).equals(bytesOf(expected))).toBe(true);
      expect(expected.data.subarray(0, n).reduce((s, p) => s + p, 0)).toBeCloseTo(1, 4);
    }
    program.dispose();
  });

  test("nodes that a GPU leaves to the CPU are counted, and still computed", async () => {
    const nodes = [
      { opType: "Add", inputs: ["x", "one"], outputs: ["y"] },
      { opType: "Det", inputs: ["y"], outputs: ["d"] },
    ];
    const program = await runtime.compile(model(nodes, [value("x", [2, 2])], [value("d", [])]));
    expect(program.hostOperators).toEqual(
      new Map(
        device === "cpu"
          ? [
              ["Add", 1],
              ["Det", 1],
            ]
          : [["Det", 1]],
      ),
    );
    const [x, d] = [runtime.allocate("float32", [2, 2]), runtime.allocate("float32", [])];
    await x.write(floats([2, 2], [1, 0, 0, 2]));
    await program.run({ x }, { d });
    expect((await d.read()).data[0]).toBeCloseTo(5, 5);
  });

  test("scattered sums lose nothing", async () => {
    expect(await probeScatterAdd(runtime)).toBe(0);
  });

  test("a bad model is refused in the engine's own words", async () => {
    const unknown = { ...addOne, nodes: [{ opType: "Adddd", inputs: ["x", "one"], outputs: ["y"] }] };
    await expect(runtime.compile(unknown, { name: "broken" })).rejects.toThrow(/^broken: .*Adddd/s);
  });
});

describe("the CPU runtime", () => {
  let runtime: Runtime;
  beforeAll(async () => {
    runtime = await createRuntime({ device: "cpu", cores: 2 });
  });

  test("inputs and outputs are the caller's shared memory, without a copy", async () => {
    const program = await runtime.compile(addOne);
    const [x, y] = [runtime.allocate("float32", [4]), runtime.allocate("float32", [4])];
    expect(x.data!.buffer).toBeInstanceOf(SharedArrayBuffer);
    x.data!.set([1, 2, 3, 4]);
    await program.run({ x }, { y });
    expect(Array.from(y.data!)).toEqual([2, 3, 4, 5]);
  });

  test("the event loop stays free during a run, and a program in use is not disposed of", async () => {
    const n = 1200;
    const program = await runtime.compile(matMulSoftmax(n));
    const [a, b, c] = [0, 1, 2].map(() => runtime.allocate("float32", [n, n]));
    let ticks = 0;
    const timer = setInterval(() => ticks++, 1);
    const running = program.run({ a, b }, { c });
    expect(() => program.dispose()).toThrow("1 runs are in flight");
    await running;
    clearInterval(timer);
    expect(ticks).toBeGreaterThan(0);
    program.dispose();
  });

  test("tensors are checked before a run", async () => {
    const program = await runtime.compile(addOne, { name: "adder" });
    const [x, wrong] = [runtime.allocate("float32", [4]), runtime.allocate("int32", [4])];
    await expect(program.run({}, { y: x })).rejects.toThrow("adder input: expected a tensor for x, found none");
    await expect(program.run({ x, z: x }, { y: x })).rejects.toThrow("adder input: expected one of x, found z");
    await expect(program.run({ x: wrong }, { y: x })).rejects.toThrow(
      "adder input x: expected float32[4], found int32[4]",
    );
    await expect(program.run({ x }, { y: wrong })).rejects.toThrow(
      "adder output y: expected float32[4], found int32[4]",
    );
  });

  test("a failing run reports the engine's words", async () => {
    const nodes = [{ opType: "Gather", inputs: ["x", "i"], outputs: ["y"], attributes: { axis: 0 } }];
    const gather = model(nodes, [value("x", [4]), value("i", [1], "int64")], [value("y", [1])]);
    const program = await runtime.compile(gather, { name: "gather" });
    const [x, i, y] = [
      runtime.allocate("float32", [4]),
      runtime.allocate("int64", [1]),
      runtime.allocate("float32", [1]),
    ];
    i.data![0] = 4n;
    await expect(program.run({ x, i }, { y })).rejects.toThrow(/gather: .*indices element out of data bounds/s);
  });

  test("what is computed twice on purpose stays so", async () => {
    const nodes = [
      { opType: "Exp", inputs: ["x"], outputs: ["first"] },
      { opType: "Exp", inputs: ["x"], outputs: ["again"] },
      { opType: "Add", inputs: ["first", "again"], outputs: ["y"] },
    ];
    const program = await runtime.compile(model(nodes, [value("x", [4])], [value("y", [4])]));
    expect(program.hostOperators).toEqual(new Map(Object.entries({ Exp: 2, Add: 1 })));
  });

  test("memory is shared only where every reader is done before the write", async () => {
    const nodes: OnnxNode[] = [
      { opType: "Mul", inputs: ["m", "beta"], outputs: ["decayed"] },
      { opType: "Add", inputs: ["decayed", "g"], outputs: ["m2"] },
      { opType: "Sub", inputs: ["w", "m2"], outputs: ["w2"] },
      { opType: "ReduceSum", inputs: ["g"], outputs: ["norm"] },
      { opType: "Neg", inputs: ["w"], outputs: ["late"] },
    ];
    const fault = aliasChecker(nodes);
    expect(fault("m", "m2")).toBeUndefined();
    expect(fault("w", "w2")).toBe('Neg may read "w" after "w2" is written');
    expect(fault("g", "norm")).toBe('Add may read "g" after "norm" is written');
    expect(aliasChecker(nodes.slice(3))("g", "norm")).toBe('ReduceSum reads "g" and is not elementwise');
    const program = await runtime.compile(matMulSoftmax(2), { name: "product" });
    const [a, b] = [runtime.allocate("float32", [2, 2]), runtime.allocate("float32", [2, 2])];
    await expect(program.run({ a, b }, { c: a })).rejects.toThrow('product: expected "c" in memory of its own');
  });

  test("a scattered sum on several threads is refused", async () => {
    const nodes = [{ opType: "ScatterND", inputs: ["x", "i", "u"], outputs: ["y"], attributes: { reduction: "add" } }];
    const inputs = [value("x", [4]), value("i", [2, 1], "int64"), value("u", [2])];
    const scatter = model(nodes, inputs, [value("y", [4])]);
    await expect(runtime.compile(scatter, { threads: 2 })).rejects.toThrow("expected threads = 1");
    await expect(runtime.compile(scatter)).resolves.toBeDefined();
    await expect(runtime.compile(addOne, { threads: 2, frozenWeights: true })).resolves.toBeDefined();
  });

  test("the probes name the library and measure a speed", async () => {
    const { version, path } = probeLibrary();
    expect(version).toMatch(/^1\.\d+\.\d+$/);
    expect(existsSync(path)).toBe(true);
    const { single, concurrent } = await probeMatMul(runtime, 512);
    expect(Math.min(single, concurrent)).toBeGreaterThan(0.1);
  });
});

test("a missing device is an error that says what to do", async () => {
  for (const [device, detail] of missing) {
    const opening = createRuntime({ device, cores: 1 });
    await expect(opening).rejects.toThrow(InputError);
    await expect(opening).rejects.toThrow(`--device ${device}: expected a working device, found "`);
    expect(detail).toMatch(/^--device (webgpu|cuda): .*(libvulkan1|cuda12)/s);
  }
});

test("a thread pool that is too small is named", () => {
  const before = process.env.UV_THREADPOOL_SIZE;
  process.env.UV_THREADPOOL_SIZE = "6";
  expect(threadPoolFault(2)).toBeUndefined();
  expect(threadPoolFault(3)).toContain("UV_THREADPOOL_SIZE is 6; 3 concurrent runs need 7");
  delete process.env.UV_THREADPOOL_SIZE;
  expect(threadPoolFault(1)).toContain("is 4");
  if (before !== undefined) process.env.UV_THREADPOOL_SIZE = before;
});
