import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { runMain } from "../support/in-process.js";
import { temporaryDirectory } from "../support/temporary-directory.js";

it("prints value, meaning, range and source of every setting in 80 columns", async () => {
  const recipe = join(temporaryDirectory(), "a.yaml");
  writeFileSync(recipe, "optim: { clip: 1 }\n");
  const { out, code } = await runMain(
    ...["settings", "pretrain", "tiny", "--config", recipe, "--set", "optim.lr=2e-4", "--set", "model.backbone=swin"],
  );
  expect(code).toBe(0);
  expect(out).toMatch(/^Settings of pretrain, preset tiny\n/);
  expect(out).toContain(`
optim.lr = 0.0002
    Learning rate of AdamW after the warm-up.
    accepts a number above 0; from --set optim.lr=2e-4
`);
  expect(out.replace(/\n {4}/g, " ")).toContain(`or null; from ${recipe}:1:10 optim.clip`);
  expect(out.replace(/\n {4}/g, " ")).toContain("from --set model.backbone=swin, which brings it");
  expect(out).toContain("    accepts a multiple of 32 from 32 to 2,048; from preset tiny\n");
  for (const line of out.split("\n")) expect(line.replace(recipe, "").length, line).toBeLessThanOrEqual(80);
});

it("prints both kinds with their default presets, and as JSON what a program reads", async () => {
  const { out } = await runMain("settings");
  expect(out).toContain("Settings of pretrain, preset r50 (the default)");
  expect(out).toContain("Settings of finetune, preset small (the default)");
  const json = JSON.parse((await runMain("settings", "finetune", "scenes", "--json")).out);
  expect(json.finetune.preset).toBe("scenes");
  expect(json.finetune.settings).toContainEqual({
    name: "data.crop",
    value: [128, 128],
    meaning: "What the network sees in training, in pixels.",
    accepts: "2 numbers [height, width], multiples of 32 up to 4,096",
    from: "preset scenes",
  });
});

it("says what a run would be refused for, and refuses what is no preset", async () => {
  const { out, code } = await runMain("settings", "pretrain", "paper-r50");
  expect(code).toBe(0);
  expect(out.replaceAll("\n", " ")).toContain("A run with these settings is refused: preset paper-r50:");
  const { err } = await runMain("settings", "finetune", "sceens");
  expect(err).toContain(`expected the name of a preset, found "sceens". Did you mean "scenes"?`);
});
