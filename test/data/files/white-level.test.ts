/** @file Images of 12 bits stored in 16: as good as those of 8 bits once it is said what is white, warned of before. */

import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse, stringify } from "yaml";
import { checkData } from "../../../src/data/check/check-data.js";
import { verdict } from "../../../src/data/check/report-text.js";
import { folderSource } from "../../../src/data/files/folder-source.js";
import { warnOfOddRanges } from "../../../src/data/files/sample-ranges.js";
import { runFinetuning } from "../../../src/finetune/run.js";
import { resolveSettings } from "../../../src/finetune/settings-resolution.js";
import { predictFolder } from "../../../src/predict/folder/predict-folder.js";
import { loadTrainedModel } from "../../../src/predict/trained-model.js";
import { runPretraining } from "../../../src/pretrain/run.js";
import { whiteOf } from "../../../src/pretrain/settings.js";
import { loadSettings, toYaml } from "../../../src/pretrain/settings-resolution.js";
import { readMetrics } from "../../../src/run/metrics-log.js";
import { runVisualization } from "../../../src/visualize/visualize.js";
import { dataFolder } from "../../support/data-folders.js";
import { writeImages } from "../../support/image-folder.js";
import { recordedReporter } from "../../support/recorded-reporter.js";
import { temporaryDirectory } from "../../support/temporary-directory.js";
import { tiffOf } from "../../support/tiff-file.js";
import { SMALLEST_FINETUNING, writeScenes } from "../../support/tiny-finetuning.js";
import { saveTinyModel, tinyModel } from "../../support/tiny-model.js";
import { smallestSettings } from "../../support/tiny-pretraining.js";

const folder = mkdtempSync(join(tmpdir(), "mask-jepa-white-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const at = (...names: string[]) => join(folder, ...names);

/** Writes the images of `from` with samples of 12 bits in TIFFs of 16, under the same stems. */
async function as12Bits(from: string, to: string): Promise<void> {
  mkdirSync(to, { recursive: true });
  for (const name of readdirSync(from)) {
    const { data, info } = await sharp(join(from, name)).raw().toBuffer({ resolveWithObject: true });
    const samples = Uint16Array.from(data, (byte) => Math.round((byte * 4095) / 255));
    const tiff = tiffOf({ width: info.width, height: info.height, samples: 3, data: samples });
    writeFileSync(join(to, name.replace(/\.\w+$/, ".tif")), tiff);
  }
}

beforeAll(async () => {
  await writeImages(at("bytes"), 4);
  await as12Bits(at("bytes"), at("deep"));
});

const WARNING =
  /^Warning: Nearly black to the network: 4 of 4 images, which .*000\.tif \(16 bits, the largest 3\d\d\d\).* set /;

describe("pretraining and its pictures", () => {
  it("are the same as with 8 bits, by the setting", async () => {
    const settings = smallestSettings("run.steps=1", "data.whiteLevel=4095");
    const run = async (images: string) => {
      const out = temporaryDirectory();
      const reporter = recordedReporter();
      await runPretraining({
        settings: { ...settings, data: { ...settings.data, images: [at(images)] } },
        out,
        start: "new",
        reporter,
      });
      expect(reporter.lines.join()).not.toContain("black");
      const [{ reconstruction, denoising }] = readMetrics(join(out, "metrics.jsonl"));
      return { losses: [reconstruction, denoising], out };
    };
    const deep = await run("deep");
    expect(deep.losses).toEqual((await run("bytes")).losses);
    const draw = async (images: string) => {
      const out = temporaryDirectory();
      await runVisualization({ checkpoint: deep.out, images: [at(images)], out, count: 1 });
      return readFileSync(join(out, "001-000.png"));
    };
    expect(await draw("deep")).toEqual(await draw("bytes"));
  });

  it("warn once without it", async () => {
    const reporter = recordedReporter();
    await warnOfOddRanges(await folderSource(at("deep"), { white: whiteOf(smallestSettings()) }), reporter);
    expect(reporter.lines).toEqual([expect.stringMatching(WARNING)]);
    expect(reporter.lines[0]).toContain("If 4095 is white, set data.whiteLevel to 4095.");
    await warnOfOddRanges(await folderSource(at("bytes")), reporter);
    expect(reporter.lines).toHaveLength(1);
  });

  it("warn of a level that cuts off most of an image", async () => {
    const reporter = recordedReporter();
    const white = (value: number) => ({ value, setting: "--white-level" });
    await warnOfOddRanges(await folderSource(at("deep"), { white: white(500) }), reporter);
    expect(reporter.lines).toEqual([
      expect.stringMatching(/Nearly white to the network: 4 of 4 .*to 4095 \(it is 500\)\.$/),
    ]);
    await warnOfOddRanges(await folderSource(at("bytes"), { white: white(500) }), reporter);
    expect(reporter.lines).toHaveLength(1);
  });

  it("a run of before the setting still loads", () => {
    const stored = parse(toYaml(smallestSettings()));
    delete stored.data.whiteLevel;
    const file = at("old.yaml");
    writeFileSync(file, stringify(stored));
    expect(loadSettings(file).data.whiteLevel).toBeNull();
  });
});

describe("prediction", () => {
  it("is the same as with 8 bits, by the flag or by the model, and warns without", async () => {
    const model = tinyModel("semantic");
    await saveTinyModel(at("model"), model);
    await saveTinyModel(at("deep-model"), { ...model, whiteLevel: 4095 });
    const predict = async (checkpoint: string, images: string, whiteLevel?: number) => {
      const out = temporaryDirectory();
      const reporter = recordedReporter();
      const options = { checkpoint: at(checkpoint), images: [at(images)], overwrite: true, whiteLevel };
      await predictFolder({ ...options, out, device: "cpu", cores: 2, reporter });
      return { map: readFileSync(join(out, "semantic", "overlays", "000.png")), lines: reporter.lines };
    };
    const { map } = await predict("model", "bytes");
    expect((await predict("model", "deep", 4095)).map).toEqual(map);
    expect((await predict("deep-model", "deep")).map).toEqual(map);
    expect((await predict("deep-model", "bytes")).map).toEqual(map);
    expect((await predict("model", "deep")).lines.join()).toMatch(/If 4095 is white, set --white-level to 4095/);
  });
});

describe("labelled data", () => {
  const settingsOf = (path: string) =>
    resolveSettings({
      preset: "small",
      sets: [...SMALLEST_FINETUNING, "run.steps=1"],
      flags: Object.entries({ "data.path": path, "data.task": "panoptic", "data.valSplit": null }).map(
        ([name, value]) => ({ path: name.split("."), value, where: name }),
      ),
    });

  it("fine-tunes as with 8 bits, by the description, which the model remembers", async () => {
    await writeScenes(at("scenes"), 4);
    const photos = at("photos");
    await as12Bits(at("scenes", "images", "train"), photos);
    const plain = parse(readFileSync(at("scenes", "data.yaml"), "utf8"));
    const yaml = (name: string, others: object) => {
      const file = at("scenes", name);
      writeFileSync(file, stringify({ ...plain, ...others }));
      return file;
    };
    // The deep images are compared with JPEG's pixels, which they hold exactly.
    const train = { images: photos, semantic: join("semantic", "train") };
    const described = { train, val: undefined, white_level: 4095 };
    const run = async (data: string) => {
      const out = temporaryDirectory();
      const settings = settingsOf(data);
      settings.data.task = "semantic";
      await runFinetuning({ settings, out, start: "new" });
      return { out, loss: readMetrics(join(out, "metrics.jsonl"))[0].loss };
    };
    const deep = await run(yaml("deep.yaml", described));
    const bytes = await run(
      yaml("bytes.yaml", { train: { ...train, images: join("images", "train") }, val: undefined }),
    );
    expect(deep.loss).toBe(bytes.loss);
    expect((await loadTrainedModel(deep.out)).whiteLevel).toBe(4095);
    expect((await loadTrainedModel(bytes.out)).whiteLevel).toBeUndefined();
  });

  it("is warned of by data check, with the key to write, and is ready with it", async () => {
    const set = dataFolder(at("checked"));
    await as12Bits(at("bytes"), set.at("photos"));
    for (const stem of ["000", "001", "002", "003"]) {
      set.labels(`maps/${stem}.png`, Array(72).fill(Array.from({ length: 80 }, (_, x) => x % 2)));
    }
    const description = { classes: ["a", "b"], train: { images: "photos", semantic: "maps" } };
    set.yaml("data.yaml", description);
    const report = await checkData(set.root);
    expect(report.warnings).toEqual([expect.stringMatching(/^train: Nearly black to the network: 4 of 4 images/)]);
    expect(report.warnings[0]).toContain(`If 4095 is white, set white_level in ${set.at("data.yaml")} to 4095.`);
    expect(verdict(report)).toMatch(/but see the warning\.$/);
    set.yaml("data.yaml", { ...description, white_level: 4095 });
    expect((await checkData(set.root)).warnings).toEqual([]);
  });

  it("is warned of where EXIF turns an image without changing its size, and only there", async () => {
    const set = dataFolder(at("turned"));
    for (const [name, orientation] of [
      ["a", 1],
      ["b", 3],
      ["c", 6],
    ] as const) {
      await set.photo(`photos/${name}.jpg`, 4, 2, { red: 60 * orientation, orientation });
      set.labels(`maps/${name}.png`, orientation === 6 ? Array(4).fill([0, 1]) : Array(2).fill([0, 1, 0, 1]));
    }
    set.yaml("data.yaml", { classes: ["a", "b"], train: { images: "photos", semantic: "maps" } });
    const report = await checkData(set.root);
    expect(report.faults).toEqual([]);
    expect(report.warnings).toEqual([expect.stringMatching(/the EXIF orientation of [^,]*b\.jpg turns or mirrors/)]);
  });
});
