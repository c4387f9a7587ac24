import { linkSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { describe, expect, it } from "vitest";
import { openWeights } from "../../src/checkpoint/formats/weights-file.js";
import { exportModel } from "../../src/export/export-model.js";
import type { Form } from "../../src/export/forms.js";
import { saveWeights } from "../../src/export/save-weights.js";
import type { TargetName } from "../../src/export/target.js";
import { runMain } from "../support/in-process.js";
import { temporaryDirectory } from "../support/temporary-directory.js";
import { saveTinyModel, tinyModel, tinyWeights } from "../support/tiny-model.js";

const weights = tinyWeights();
const save = (path: string, to: TargetName, options = {}) =>
  saveWeights(path, weights, { to, source: "x", ...options });

describe("the form is what the other side reads", () => {
  it.each<[TargetName, string, string]>([
    ["canonical", "model.safetensors", "safetensors"],
    ["detectron2", "model.pth", "torch"],
    ["timm", "model.safetensors", "safetensors"],
  ])("a folder for %s holds %s", async (to, name, format) => {
    const folder = join(temporaryDirectory(), "new", "model");
    const { files } = await save(folder, to, { drop: [/^backbone\.norm/] });
    expect(files).toEqual([join(folder, name)]);
    const file = await openWeights(files[0]);
    expect(file.format).toBe(format);
    await file.close();
  });

  it.each<[TargetName, string, RegExp]>([
    [
      "detectron2",
      ".safetensors",
      /\.pth, \.pt, \.bin, \.pkl, which detectron2 reads, found \.safetensors.*--format safe/,
    ],
    ["huggingface", ".pkl", /\.safetensors, \.pth, \.pt, \.bin, which huggingface reads, found \.pkl.*--format pickle/],
    ["timm", ".pkl", /which timm reads, found \.pkl/],
    ["canonical", ".onnx", /or a folder without a suffix, found \.onnx/],
  ])("for %s not %s, unless it is asked for", async (to, suffix, message) => {
    const path = join(temporaryDirectory(), `model${suffix}`);
    await expect(save(path, to)).rejects.toThrow(message);
    expect(readdirSync(join(path, ".."))).toEqual([]);
  });

  it.each<[TargetName, string, Form]>([
    ["detectron2", "model.safetensors", "safetensors"],
    ["detectron2", "model.pkl", "pickle"],
    ["timm", "model.pkl", "pickle"],
  ])("for %s %s by --format %s", async (to, name, form) => {
    const folder = temporaryDirectory();
    const { files } = await save(join(folder, "a", name), to, { form });
    expect(files).toEqual([join(folder, "a", name)]);
    expect((await save(join(folder, "b"), to, { form })).files).toEqual([join(folder, "b", name)]);
  });

  it("a suffix that says another form than --format is refused", async () => {
    const path = join(temporaryDirectory(), "model.pkl");
    await expect(save(path, "canonical", { form: "torch" })).rejects.toThrow(
      /ending in \.pth, \.pt, \.bin, found \.pkl/,
    );
  });
});

describe("nothing is replaced without a word", () => {
  it("files that are there stay unless they may be replaced", async () => {
    const folder = temporaryDirectory();
    const path = join(folder, "model.pth");
    writeFileSync(path, "mine");
    await expect(save(path, "canonical")).rejects.toThrow(
      /model\.pth: expected a name that is free, found a file of that name.*--overwrite/,
    );
    expect(readFileSync(path, "utf8")).toBe("mine");
    await save(path, "canonical", { overwrite: true });
    expect(readFileSync(path).length).toBeGreaterThan(1000);
  });

  it("other weights in the folder, which would be found first, are in the way", async () => {
    const folder = temporaryDirectory();
    await save(folder, "canonical");
    const second = save(folder, "canonical", { form: "torch", overwrite: true });
    await expect(second).rejects.toThrow(/expected the only weights in their folder, found .*model\.safetensors/);
  });

  it("an input is never replaced, by whatever name it is called", async () => {
    const folder = temporaryDirectory();
    const input = join(folder, "real", "model.pth");
    mkdirSync(join(folder, "real"));
    await save(input, "canonical");
    const before = readFileSync(input);
    symlinkSync(join(folder, "real"), join(folder, "linked"));
    symlinkSync(input, join(folder, "link.pth"));
    linkSync(input, join(folder, "hard.pth"));
    const names = [
      input,
      relative(process.cwd(), input),
      join(folder, "linked", "model.pth"),
      `${folder}/linked/../real/./model.pth`,
      join(folder, "link.pth"),
      join(folder, "hard.pth"),
    ];
    for (const name of names) {
      const again = save(name, "canonical", { overwrite: true, inputs: [input] });
      await expect(again, name).rejects.toThrow(/expected a place for what is written, found .* which is read/);
    }
    expect(readFileSync(input).equals(before)).toBe(true);
  });

  it("an export goes nowhere into the run's checkpoints", async () => {
    const run = await saveTinyModel(join(temporaryDirectory(), "run"), tinyModel("panoptic"));
    const step = join(run, "checkpoints", "step-00000003");
    symlinkSync(step, join(run, "newest"));
    for (const out of [step, join(run, "newest"), join(step, "model.safetensors"), join(run, "checkpoints", "new")]) {
      const exported = exportModel({ checkpoint: run, to: "canonical", out, overwrite: true });
      await expect(exported, out).rejects.toThrow(/which is read/);
    }
    await exportModel({ checkpoint: run, to: "canonical", out: join(run, "exported") });
    await exportModel({ checkpoint: step, to: "canonical", out: join(run, "again") });
  });

  it("convert refuses, and replaces when told to", async () => {
    const folder = temporaryDirectory();
    const [a, b] = [join(folder, "a.pth"), join(folder, "deep", "er", "b.safetensors")];
    await save(a, "canonical");
    expect((await runMain("convert", a, b)).code).toBe(0);
    const again = await runMain("convert", a, b);
    expect(again.code).toBe(1);
    expect(again.err).toContain(`${b}: expected a name that is free`);
    expect((await runMain("convert", a, b, "--overwrite")).code).toBe(0);
    expect((await runMain("convert", a, a, "--overwrite")).err).toContain("which is read");
    expect((await runMain("convert", a, join(folder, "c.pth"), "--format", "pickle")).err).toContain("ending in .pkl");
  });
});
