import { expect, test } from "vitest";
import { FAMILY_NAMES } from "../../src/families/families.js";
import { resolveSettings as finetuneSettings } from "../../src/finetune/settings-resolution.js";
import { PRESETS } from "../../src/pretrain/presets.js";
import { resolveSettings } from "../../src/pretrain/settings-resolution.js";
import { cellsOf, type Regime } from "../../study/comparison.js";
import { commandLine } from "../../study/runs.js";
import { STUDY_NAMES, studyNamed, withControl } from "../../study/studies.js";

const regime: Regime = {
  settings: PRESETS.tiny,
  images: ["photographs", "frames"],
  pretrain: ["--preset", "tiny"],
  finetune: ["--data", "data"],
  probe: ["--data", "data"],
  seeds: [0, 1],
  labels: ["10%", "100%"],
  out: "out",
};

const cells = (name: (typeof STUDY_NAMES)[number]) => cellsOf(studyNamed(name, regime), regime);

test("arms of one pretraining share its run, and no two fine-tunings share a folder", () => {
  for (const name of STUDY_NAMES) {
    const all = cells(name);
    expect(new Set(all.map(({ finetuning }) => finetuning.out)).size, name).toBe(all.length);
    const runs = new Map<string, string>();
    for (const { pretraining } of all) {
      if (!pretraining) continue;
      const words = pretraining.arguments.join(" ");
      expect(runs.get(pretraining.out) ?? words, name).toBe(words);
      runs.set(pretraining.out, words);
    }
  }
  for (const run of ["pretraining", "probing"] as const) {
    expect(new Set(cells("table7").map((cell) => cell[run]?.out)).size).toBe(regime.seeds.length);
  }
});

test("the first folder's pretraining is every table's, another folder has one of its own", () => {
  const [alone, photographs, frames] = cells("tableK").map(({ pretraining }) => pretraining);
  expect(photographs).toEqual(alone);
  expect(photographs).toEqual(cells("table7")[0].pretraining);
  expect(frames?.arguments.slice(0, 2)).toEqual(["--images", "frames"]);
  expect(frames?.out).not.toBe(alone?.out);
});

test("commands can be typed", () => {
  expect(commandLine({ command: "probe", out: "a b", arguments: ["--labels", "10%"] })).toBe(
    "npx mask-jepa probe --labels '10%' --out 'a b'",
  );
});

test("all arms of a seed see the same labels", () => {
  for (const { finetuning, seed, labels } of cells("table4")) {
    expect(finetuning.arguments).toEqual(expect.arrayContaining(["--labels", labels, `data.labelsSeed=${seed}`]));
  }
  expect([...new Set(cells("table4").map(({ labels }) => labels))]).toEqual(["1%", "2%", "5%", "10%"]);
});

test("the settings that arms differ in are settings of pretraining", () => {
  const sets = STUDY_NAMES.flatMap((name) => {
    const study = studyNamed(name, regime);
    return study.arms.flatMap(({ pretraining }) => (pretraining ? [[...(study.sets ?? []), ...pretraining.sets]] : []));
  });
  for (const some of sets) expect(() => resolveSettings({ preset: "tiny", sets: some })).not.toThrow();
});

test("fine-tuning takes no part that the pretraining does not train: without reconstruction there is no predictor", () => {
  const without = STUDY_NAMES.flatMap((name) =>
    studyNamed(name, regime).arms.filter(({ pretraining }) =>
      pretraining?.sets.includes("pretrain.reconstruction=false"),
    ),
  );
  expect(without.map(({ parts }) => parts)).toEqual([["backbone", "pixel-decoder"]]);
});

test("without a pretraining the model is the one that is pretrained elsewhere in the table", () => {
  const given = (words: readonly string[], what: RegExp) =>
    words.filter((word, i) => words[i - 1] === "--set" && what.test(word));
  for (const preset of ["tiny", "swin-t"] as const) {
    const base = { ...regime, settings: PRESETS[preset] };
    const [random, pretrained] = cellsOf(studyNamed("tableJ", base), base);
    expect(random.pretraining).toBeUndefined();
    const sets = given(random.finetuning.arguments, /^model/);
    const { model } = finetuneSettings({ preset: "scenes", sets });
    const elsewhere = given(pretrained.pretraining?.arguments ?? [], /^(model|backbone)/);
    expect(model).toEqual(resolveSettings({ preset, sets: elsewhere }).model);
  }
});

test("every architecture begins with the same pretraining, and without it has the same sizes", () => {
  const all = cells("table1").filter(({ seed, labels }) => seed === 0 && labels === "100%");
  expect(all.map(({ arm }) => arm.family)).toEqual(FAMILY_NAMES.flatMap((family) => [family, family]));
  expect(new Set(all.flatMap(({ pretraining }) => pretraining?.out ?? [])).size).toBe(1);
  for (const { arm, pretraining, finetuning } of all) {
    if (pretraining) expect(finetuning.arguments.join(" ")).toContain(`--family ${arm.family}`);
    const given = finetuning.arguments.filter(
      (_, i, words) => words[i - 1] === "--set" && words[i].startsWith("model."),
    );
    if (pretraining) continue;
    const { model } = finetuneSettings({ preset: "scenes", sets: given });
    expect(model).toMatchObject({ family: arm.family, hiddenDim: PRESETS.tiny.model.hiddenDim });
  }
});

test("a control is one more arm, compared with the table's first, and pretrains nothing", () => {
  for (const name of ["table7", "table1"] as const) {
    const plain = studyNamed(name, regime);
    const study = withControl(plain, "/runs/scenes");
    const all = cellsOf(study, regime);
    const [{ arm, pretraining, probing, finetuning }, ...repeats] = all.filter(({ arm: { run } }) => run);
    expect(repeats).toHaveLength(regime.seeds.length * regime.labels.length - 1);
    expect(new Set(all.map((cell) => cell.finetuning.out)).size).toBe(all.length);
    expect([pretraining, probing, arm.family]).toEqual([undefined, undefined, plain.arms[0].family]);
    expect(finetuning.arguments.join(" ")).toContain(
      "--from /runs/scenes --from-parts backbone,pixel-decoder,transformer-decoder",
    );
    expect(all.filter(({ arm: { run } }) => !run)).toEqual(cellsOf(plain, regime));
  }
});
