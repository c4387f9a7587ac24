import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { loadCheckpoint } from "../../src/checkpoint/run-state.js";
import { RandomStream } from "../../src/core/random.js";
import { SILENT } from "../../src/core/reporter.js";
import { removeStaleTemporaries } from "../../src/io/atomic-file.js";
import { compiled } from "../support/compiled.js";
import { temporaryDirectory } from "../support/temporary-directory.js";

/**
 * Saves checkpoint after checkpoint, every third one twice, filled with its step, and tells of each when it is saved.
 */
const CHILD = `
const [url, runDir, first] = process.argv.slice(2);
const { saveCheckpoint } = await import(url);
for (let step = Number(first); ; step++) {
  const part = new Map([["w", { dtype: "float32", shape: [4096], data: new Float32Array(4096).fill(step) }]]);
  const options = { step, tensors: { model: part, optimizer: part }, state: { step }, keep: 2 };
  await saveCheckpoint(runDir, options);
  if (step % 3 === 0) await saveCheckpoint(runDir, options);
  console.log(step);
}`;

it("a run killed at any moment keeps the last checkpoint that it reported, or a newer one", async () => {
  const runDir = temporaryDirectory();
  const script = join(temporaryDirectory(), "child.mjs");
  writeFileSync(script, CHILD);
  const url = compiled("checkpoint/run-state.ts");
  const random = new RandomStream({ seed: 3, purpose: "kill" });
  let step = 0;
  for (let round = 0; round < 20; round++) {
    const child = spawn(process.execPath, [script, url, runDir, String(step + 1)], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let reported = step;
    const output = createInterface(child.stdout);
    output.on("line", (line) => {
      reported = Number(line);
    });
    const exit = once(child, "exit");
    await once(output, "line");
    await sleep(random.uniform(0, 25));
    child.kill("SIGKILL");
    await exit;

    const loaded = await loadCheckpoint(runDir, { reporter: { ...SILENT, warn: (message) => expect.fail(message) } });
    expect(loaded.step).toBeGreaterThanOrEqual(reported);
    for (const part of ["model", "optimizer"]) {
      expect(new Set(loaded.tensors[part].get("w")!.data as Float32Array)).toEqual(new Set([loaded.step]));
    }
    step = loaded.step;
  }
  const checkpoints = join(runDir, "checkpoints");
  mkdirSync(join(checkpoints, `.step-00000001.${process.pid}-99.tmp`)); // as a dead process with this one's number leaves it
  await removeStaleTemporaries(checkpoints);
  expect(readdirSync(checkpoints).filter((name) => name.startsWith("."))).toEqual([]);
});
