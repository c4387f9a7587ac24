import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, expect, test, vi } from "vitest";
import { InputError } from "../../src/core/errors.js";
import { findLibrary, libraryFiles, ONNXRUNTIME_VERSION, PLATFORMS } from "../../src/runtime/find-library.js";
import { compiledModule, compileSources, node, ROOT, script } from "../support/child.js";

const folder = mkdtempSync(join(tmpdir(), "find-library-"));
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(() => void vi.unstubAllEnvs());

test.each(PLATFORMS)("a checkout has the library for %s, of the version that is packed", (platform) => {
  const library = findLibrary(platform);
  expect(library).toContain(join("onnxruntime-node", "bin"));
  expect(readFileSync(library).includes(ONNXRUNTIME_VERSION)).toBe(true);
});

test("the version that a checkout installs is the one that is packed", () => {
  const { dependencies } = JSON.parse(readFileSync(join(ROOT, "packaging", "onnxruntime", "package.json"), "utf8"));
  expect(dependencies).toEqual({ "onnxruntime-node": ONNXRUNTIME_VERSION });
  const own = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
  expect(own.dependencies["onnxruntime-common"]).toBe(ONNXRUNTIME_VERSION);
});

test("what belongs to a library: what WebGPU loads on Windows, not the binding nor DirectML", () => {
  const names = ["DirectML.dll", "dxcompiler.dll", "dxil.dll", "onnxruntime.dll", "onnxruntime_binding.node"];
  for (const name of names) writeFileSync(join(folder, name), "");
  expect(libraryFiles(folder)).toEqual(["onnxruntime.dll", "dxcompiler.dll", "dxil.dll"]);
  expect(libraryFiles(join(folder, "nowhere"))).toEqual([]);
});

test("a platform without a library is told which there are", () => {
  expect(() => findLibrary("freebsd-x64")).toThrow(InputError);
  expect(() => findLibrary("freebsd-x64")).toThrow(
    "ONNX Runtime: expected its library for freebsd-x64 in one of the package itself, " +
      "@mask-jepa/onnxruntime-freebsd-x64, " +
      "onnxruntime-node, found none. There are libraries for linux-x64, linux-arm64, darwin-arm64, win32-x64, " +
      "win32-arm64;",
  );
});

test("a library of one's own", () => {
  const own = join(folder, "own.so");
  vi.stubEnv("MASK_JEPA_ONNXRUNTIME", own);
  expect(() => findLibrary()).toThrow(
    `MASK_JEPA_ONNXRUNTIME: expected the path of ONNX Runtime's library, found ${own}.`,
  );
  writeFileSync(own, "no library");
  expect(findLibrary()).toBe(own);
});

test("a file that is no library is named", async () => {
  compileSources();
  const own = join(folder, "text.so");
  writeFileSync(own, "no library");
  const text = `
    const { createRuntime } = await import(${compiledModule("index.js")});
    await createRuntime({ cores: 1 }).catch((error) => console.log(error.name, error.message));`;
  const { out } = await node(script(text), { env: { ...process.env, MASK_JEPA_ONNXRUNTIME: own } });
  expect(out).toContain(`InputError ${own}: expected ONNX Runtime's library for this system, found "`);
});
