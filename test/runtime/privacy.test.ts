/** @file Nothing leaves the machine, and ONNX Runtime leaves nothing on it: training steps where both would be seen. */

import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { findLibrary } from "../../src/runtime/find-library.js";
import {
  compiledModule,
  compileSources,
  LAUNCHER,
  node,
  SOCKET_OPENED,
  SOCKETS_ARE_SEEN,
  script,
  WITHOUT_SOCKETS,
} from "../support/child.js";
import { writeImages } from "../support/image-folder.js";
import { SMALLEST } from "../support/tiny-pretraining.js";

/** With telemetry on, the library opens its first socket nine seconds after its start. */
const PAST_FIRST_REPORT = 12_000;

const work = mkdtempSync(join(tmpdir(), "privacy-"));
afterAll(() => rmSync(work, { recursive: true }));
const newFolder = () => mkdtempSync(join(work, "test-"));

/**
 * An environment of empty folders of its own. It asks for telemetry, and lacks the variables of CI that switch it off.
 */
function emptyHome() {
  const home = newFolder();
  const folders = ["HOME", "TMPDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"];
  const places = Object.fromEntries(folders.map((name) => [name, join(home, name)]));
  for (const folder of Object.values(places)) mkdirSync(folder);
  return {
    env: { ...places, PATH: process.env.PATH, ORT_DISABLE_TELEMETRY: "0" },
    /** What is in the folders by now. */
    traces: () => readdirSync(home, { recursive: true }).filter((name) => !folders.includes(String(name))),
  };
}

/** Opens the library as this project does. */
const OPEN = `
  const { createRuntime } = await import(${compiledModule("index.js")});
  await createRuntime({ device: "cpu", cores: 1 });`;

/** Opens the library as a program does that has never heard of its telemetry. */
const OPEN_UNAWARE = `
  const { default: koffi } = await import(${JSON.stringify(import.meta.resolve("koffi"))});
  const library = koffi.load(${JSON.stringify(findLibrary())});
  const [getApi] = koffi.decode(library.func("OrtGetApiBase", "void *", [])(), "void *", 1);
  const table = koffi.decode(koffi.decode(getApi, koffi.proto("void *", ["uint32_t"]))(24), "void *", 4);
  const createEnv = koffi.decode(table[3], koffi.proto("void *", ["int", "const char *", "void *"]));
  if (createEnv(4, "test", new BigUint64Array(1)) !== null) throw new Error("the library does not start");`;

const wait = (milliseconds: number) => `await new Promise((over) => setTimeout(over, ${milliseconds}));`;

function pretraining(out: string): string[] {
  const sets = [...SMALLEST, "run.steps=1"].flatMap((set) => ["--set", set]);
  const places = ["--images", images, "--out", out];
  return [LAUNCHER, "pretrain", "--preset", "tiny", ...places, ...sets];
}

const images = join(work, "images");
beforeAll(async () => {
  await writeImages(images, 2);
  compileSources();
});

describe("files", { concurrent: true }, () => {
  test("a training step leaves nothing in an empty home and temporary folder", async () => {
    const { env, traces } = emptyHome();
    const cwd = newFolder();
    expect(await node(pretraining("run"), { env, cwd })).toMatchObject({ code: 0 });
    expect(traces()).toEqual([]);
    expect(readdirSync(cwd)).toEqual(["run"]);
  });

  test("nor does a worker thread, whose variables are not those that the library reads", async () => {
    const { env, traces } = emptyHome();
    const text = `
      const { Worker } = await import("node:worker_threads");
      const worker = new Worker(${JSON.stringify(OPEN)}, { eval: true });
      worker.on("exit", (code) => console.log("worker ended with", code));`;
    expect(await node(script(text), { env })).toEqual({ code: 0, out: "worker ended with 0\n", err: "" });
    expect(traces()).toEqual([]);
  });

  test.skipIf(process.platform === "win32")("a program that leaves the library alone is told on by both", async () => {
    const { env, traces } = emptyHome();
    expect(await node(script(OPEN_UNAWARE), { env })).toEqual({ code: 0, out: "", err: "" });
    const found = traces().map(String);
    expect(found).toContainEqual(expect.stringMatching(/TMPDIR.mat-debug-/));
    expect(found).toContainEqual(expect.stringMatching(/deviceid$/));
  });
});

describe.runIf(SOCKETS_ARE_SEEN)("sockets (seen on Linux only)", { concurrent: true }, () => {
  const guarded = (args: readonly string[]) => node([WITHOUT_SOCKETS, ...args], emptyHome());

  test("a training step opens none", async () => {
    expect(await guarded(pretraining(join(newFolder(), "run")))).toMatchObject({ code: 0 });
  });

  test("a program that keeps the runtime open opens none", async () => {
    expect(await guarded(script(OPEN + wait(PAST_FIRST_REPORT)))).toEqual({ code: 0, out: "", err: "" });
  });

  test.each([
    ["a connection", `(await import("node:net")).connect(9, "127.0.0.1");`],
    ["a look-up of a name", `(await import("node:dns")).lookup("localhost", () => {});`],
    ["the library that is left alone", OPEN_UNAWARE + wait(60_000)],
  ])("%s is caught", async (_, text) => {
    expect(await guarded(script(text))).toEqual({ code: SOCKET_OPENED, out: "", err: "" });
  });
});
