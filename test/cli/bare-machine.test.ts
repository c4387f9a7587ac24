/** @file Commands on a machine that has nothing: no network, no home, no folder for temporary files. */

import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { compileSources, LAUNCHER, node, SOCKETS_ARE_SEEN, WITHOUT_SOCKETS } from "../support/child.js";
import { SMALLEST_FINETUNING } from "../support/tiny-finetuning.js";
import { SMALLEST } from "../support/tiny-pretraining.js";

const work = mkdtempSync(join(tmpdir(), "bare-"));
beforeAll(compileSources);
afterAll(() => rmSync(work, { recursive: true }));

const nowhere = join(work, "nowhere");
const setsOf = (sets: readonly string[]) => sets.flatMap((set) => ["--set", set]);

// Whoever asks for them is told of places that are missing.
const env = { HOME: nowhere, TMPDIR: nowhere, XDG_CACHE_HOME: nowhere };

test.each([
  ["doctor", []],
  ["sample-data", ["scenes", "--images", "6", "--size", "64"]],
  [
    "pretrain",
    ["--images", "scenes/images", "--preset", "tiny", ...setsOf([...SMALLEST, "run.steps=1"]), "--out", "a"],
  ],
  ["data", ["check", "--data", "scenes"]],
  [
    "finetune",
    ["--data", "scenes", "--task", "panoptic", ...setsOf([...SMALLEST_FINETUNING, "run.steps=1"]), "--out", "b"],
  ],
  ["predict", ["--checkpoint", "b", "--images", "scenes/images", "--out", "predictions"]],
  ["evaluate", ["--data", "scenes", "--checkpoint", "b"]],
  ["export", ["--checkpoint", "b", "--to", "detectron2", "--out", "exported"]],
])("%s works", async (command, args) => {
  const launch = SOCKETS_ARE_SEEN ? [WITHOUT_SOCKETS, LAUNCHER] : [LAUNCHER];
  expect(await node([...launch, command, ...args], { env, cwd: work })).toMatchObject({ code: 0 });
  expect(readdirSync(work)).not.toContain("nowhere");
});
