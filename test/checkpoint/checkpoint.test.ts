import { createHash } from "node:crypto";
import { cpSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { DamagedCheckpoint, type JsonObject } from "../../src/checkpoint/checkpoint.js";
import { bestCheckpoint, loadCheckpoint, type SaveOptions, saveCheckpoint } from "../../src/checkpoint/run-state.js";
import { InputError } from "../../src/core/errors.js";
import { floats } from "../../src/core/tensor-data.js";
import { recordedReporter } from "../support/recorded-reporter.js";
import { temporaryDirectory } from "../support/temporary-directory.js";

const save = (runDir: string, step: number, options: Partial<SaveOptions> = {}) =>
  saveCheckpoint(runDir, {
    step,
    tensors: {
      model: new Map([["w", floats([2], [step, -step])]]),
      optimizer: new Map([["w.m", floats([2], [0, step])]]),
    },
    state: { epoch: 1, config: { lr: 1e-4, name: "tiny" } },
    keep: 2,
    ...options,
  });
const steps = (runDir: string) => readdirSync(join(runDir, "checkpoints")).sort();

/** A run with checkpoints 1 and 2; gives the directory of 2. */
async function twoCheckpoints(): Promise<{ runDir: string; newest: string }> {
  const runDir = temporaryDirectory();
  await save(runDir, 1);
  return { runDir, newest: await save(runDir, 2) };
}

function flipBit(path: string, at: number): void {
  const bytes = readFileSync(path);
  bytes[at] ^= 1;
  writeFileSync(path, bytes);
}

describe("save and load", () => {
  it("gives back step, tensors and state, by run, by directory and by parts", async () => {
    const { runDir, newest } = await twoCheckpoints();
    const loaded = await loadCheckpoint(runDir);
    expect(loaded).toMatchObject({ path: newest, step: 2, state: { epoch: 1, config: { lr: 1e-4, name: "tiny" } } });
    expect([...loaded.tensors.model.get("w")!.data]).toEqual([2, -2]);
    expect([...loaded.tensors.optimizer.get("w.m")!.data]).toEqual([0, 2]);
    expect(Object.keys((await loadCheckpoint(newest, { parts: ["model"] })).tensors)).toEqual(["model"]);
    await expect(loadCheckpoint(newest, { parts: ["ema"] })).rejects.toThrow(/the part "ema", found model, optimizer/);
  });

  it("a copy loads, under any name and without its neighbours", async () => {
    const { newest } = await twoCheckpoints();
    const copy = join(temporaryDirectory(), "my copy");
    cpSync(newest, copy, { recursive: true });
    expect((await loadCheckpoint(copy)).step).toBe(2);
  });

  it("says which step it reads, and takes the one that is asked for", async () => {
    const { runDir, newest } = await twoCheckpoints();
    const reporter = recordedReporter();
    expect((await loadCheckpoint(runDir, { step: 1, reporter })).step).toBe(1);
    await loadCheckpoint(newest, { step: 2, reporter });
    expect(reporter.lines).toEqual([`Loading step 1 of ${runDir}`, `Loading step 2 of ${newest}`]);
    await expect(loadCheckpoint(runDir, { step: 3 })).rejects.toThrow(/the checkpoint of step 3, found those of 2, 1/);
    await expect(loadCheckpoint(newest, { step: 1 })).rejects.toThrow(/of step 1, found that of step 2/);
  });

  it("no run, an empty run and a file are errors that name the path", async () => {
    const directory = temporaryDirectory();
    await expect(loadCheckpoint(join(directory, "none"))).rejects.toThrow(/none: .* nothing of that name/);
    await expect(loadCheckpoint(directory)).rejects.toThrow(/neither checkpoints nor a state\.json/);
    writeFileSync(join(directory, "file"), "");
    await expect(loadCheckpoint(join(directory, "file"))).rejects.toThrow(InputError);
  });
});

describe("what stays", () => {
  it("the newest `keep`, the best besides, by the goal of the score", async () => {
    const runDir = temporaryDirectory();
    const loss = [3, 1, 2, 1, Number.NaN, 5];
    for (const [i, value] of loss.entries())
      await save(runDir, i + 1, { best: { metric: "loss", value, goal: "min" } });
    expect(steps(runDir)).toEqual(["step-00000002", "step-00000005", "step-00000006"]);
    expect(await bestCheckpoint(runDir)).toBe(join(runDir, "checkpoints", "step-00000002"));

    const other = temporaryDirectory();
    for (const step of [1, 2, 3, 4])
      await save(other, step, { keep: 1, best: { metric: "iou", value: -step, goal: "max" } });
    expect(steps(other)).toEqual(["step-00000001", "step-00000004"]);
  });

  it("never less than the one just saved", async () => {
    const runDir = temporaryDirectory();
    for (const step of [1, 2]) await save(runDir, step, { keep: 0 });
    expect(steps(runDir)).toEqual(["step-00000002"]);
  });

  it("a run that went back drops what came after", async () => {
    const runDir = temporaryDirectory();
    for (const step of [10, 20, 30]) await save(runDir, step, { keep: 5 });
    await save(runDir, 15, { keep: 5 });
    expect(steps(runDir)).toEqual(["step-00000010", "step-00000015"]);
  });

  it("the same step again replaces it; killed in between, the earlier one loads", async () => {
    const { runDir, newest } = await twoCheckpoints();
    await save(runDir, 2, { state: { again: true } });
    expect((await loadCheckpoint(runDir)).state).toEqual({ again: true });
    renameSync(newest, `${newest}.replaced`);
    expect(await loadCheckpoint(runDir)).toMatchObject({ step: 2, state: { again: true } });
    await save(runDir, 3);
    await save(runDir, 4);
    expect(steps(runDir)).toEqual(["step-00000003", "step-00000004"]);
  });

  it("a failed save leaves everything as it was", async () => {
    const { runDir } = await twoCheckpoints();
    await expect(save(runDir, 3, { tensors: { "../model": new Map() } })).rejects.toThrow(RangeError);
    expect(steps(runDir)).toEqual(["step-00000001", "step-00000002"]);
    const file = join(runDir, "file");
    writeFileSync(file, "");
    await expect(save(file, 3)).rejects.toThrow(/file\/checkpoints: .*file in the way, which is a file/);
  });
});

describe("damage", () => {
  const damages: [string, (checkpoint: string) => void][] = [
    [
      "a flipped bit in the data",
      (c) => flipBit(join(c, "model.safetensors"), readFileSync(join(c, "model.safetensors")).length - 1),
    ],
    ["a flipped bit in a header", (c) => flipBit(join(c, "optimizer.safetensors"), 12)],
    ["a truncated file", (c) => truncateSync(join(c, "model.safetensors"), 50)],
    ["an empty file", (c) => truncateSync(join(c, "optimizer.safetensors"), 0)],
    ["a missing file", (c) => rmSync(join(c, "model.safetensors"))],
    ["an extra file", (c) => writeFileSync(join(c, "toString.safetensors"), "")],
    [
      "a changed number in the state",
      (c) =>
        writeFileSync(
          join(c, "state.json"),
          readFileSync(join(c, "state.json"), "utf8").replace('"epoch": 1', '"epoch": 2'),
        ),
    ],
    ["a truncated state", (c) => truncateSync(join(c, "state.json"), 100)],
    ["an empty state", (c) => truncateSync(join(c, "state.json"), 0)],
    ["a state of null", (c) => writeFileSync(join(c, "state.json"), "null")],
    ["no state", (c) => rmSync(join(c, "state.json"))],
  ];
  it.each(damages)(
    "%s: named and passed over for the one before; an error when asked for itself",
    async (_, damage) => {
      const { runDir, newest } = await twoCheckpoints();
      damage(newest);
      const reporter = recordedReporter();
      expect((await loadCheckpoint(runDir, { reporter })).step).toBe(1);
      expect(reporter.lines).toEqual([
        `Loading step 2 of ${runDir}`,
        expect.stringMatching(/^Warning: Checkpoint skipped: /),
        `Loading step 1 of ${runDir}`,
      ]);
      await expect(loadCheckpoint(newest)).rejects.toThrow(InputError);
    },
  );

  it("every bit of the state is guarded", async () => {
    const { newest } = await twoCheckpoints();
    const path = join(newest, "state.json");
    const original = readFileSync(path);
    for (let at = 0; at < original.length; at++) {
      writeFileSync(path, original);
      flipBit(path, at);
      const loaded = await loadCheckpoint(newest).catch((error) => {
        if (!(error instanceof DamagedCheckpoint)) throw error;
      });
      if (loaded) expect(loaded).toMatchObject({ step: 2, state: { epoch: 1, config: { lr: 1e-4, name: "tiny" } } });
    }
  });

  it("when all are damaged, an error says so", async () => {
    const runDir = temporaryDirectory();
    rmSync(join(await save(runDir, 1), "model.safetensors"));
    mkdirSync(join(runDir, "checkpoints", "step-00000002"));
    await expect(loadCheckpoint(runDir)).rejects.toThrow(/2, all damaged/);
  });

  it("a newer format is an error, not passed over", async () => {
    const { runDir, newest } = await twoCheckpoints();
    const path = join(newest, "state.json");
    const { sha256: _, ...body } = JSON.parse(readFileSync(path, "utf8")) as JsonObject;
    const newer = { ...body, formatVersion: 99 };
    const sha256 = createHash("sha256").update(JSON.stringify(newer)).digest("hex");
    writeFileSync(path, JSON.stringify({ ...newer, sha256 }));
    await expect(loadCheckpoint(runDir)).rejects.toThrow(/found version 99\. A newer mask-jepa wrote it/);
  });
});
