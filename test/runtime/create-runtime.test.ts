import { availableParallelism } from "node:os";
import { beforeAll, describe, expect, test } from "vitest";
import type { Device } from "../../src/core/devices.js";
import { createRuntime } from "../../src/runtime/create-runtime.js";
import { compiledModule, compileSources, node, script } from "../support/child.js";

describe("cores", () => {
  test.each([{}, { device: "cpu" }, { cores: 0 }] as const)("%j: all of the machine", async (options) => {
    const runtime = await createRuntime(options);
    expect([runtime.device, runtime.cores]).toEqual(["cpu", availableParallelism()]);
    runtime.dispose();
  });

  test("as many as are asked for", async () => {
    const runtime = await createRuntime({ cores: 3 });
    expect(runtime.cores).toBe(3);
    runtime.dispose();
  });

  test.each([-1, 1.5, Number.NaN])("%d is refused", async (cores) => {
    const message = `createRuntime cores: expected a whole number, 0 for all cores, found ${cores}.`;
    await expect(createRuntime({ cores })).rejects.toThrow(message);
  });
});

test.each(["gpu", "GPU", "mps", ""])('the device "%s" is refused with those there are', async (device) => {
  await expect(createRuntime({ device: device as Device })).rejects.toThrow(
    `createRuntime device: expected one of cpu, webgpu, cuda, found "${device}". For a GPU of any maker write webgpu;`,
  );
});

describe("in a program of its own", () => {
  beforeAll(compileSources);
  const imported = `const { createRuntime } = await import(${compiledModule("index.js")});`;
  const { UV_THREADPOOL_SIZE: _, ...env } = process.env;

  test("a reporter hears of a pool of threads that is too small for the cores", async () => {
    const text = `${imported} await createRuntime({ cores: 5, reporter: { warn: console.log } });`;
    const out = "UV_THREADPOOL_SIZE is 4; 5 concurrent runs need 9. Set it before Node starts.\n";
    expect(await node(script(text), { env })).toEqual({ code: 0, out, err: "" });
  });

  test("a library that was loaded through koffi before ours is an error that says what to do", async () => {
    const text = `
      const { default: koffi } = await import(${JSON.stringify(import.meta.resolve("koffi"))});
      koffi.load(null);
      ${imported}
      await createRuntime();`;
    const { err } = await node(script(text), { env });
    expect(err).toContain("InputError: koffi: expected that no library is loaded through it before ONNX Runtime");
  });
});
