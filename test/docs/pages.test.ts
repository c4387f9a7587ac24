import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, expect, test } from "vitest";
import { plainTensor } from "../../src/runtime/plain-onnxruntime.js";
import { node, ROOT } from "../support/child.js";
import { runMain } from "../support/in-process.js";
import { openModel } from "../support/onnx-file.js";
import { SMALLEST } from "../support/tiny-pretraining.js";

const folder = mkdtempSync(join(tmpdir(), "mask-jepa-pages-"));
const before = process.cwd();
afterAll(() => {
  process.chdir(before);
  rmSync(folder, { recursive: true, force: true });
});

const [WIDTH, HEIGHT] = [80, 72];

/** A photograph of green waves on brown, a few of them among those without labels, and where they are green. */
async function writePhoto(i: number): Promise<void> {
  const height = (at: number) => Math.sin((at % WIDTH) / (6 + (i % 3))) + Math.cos(Math.floor(at / WIDTH) / 9 + i);
  const labels = Uint8Array.from({ length: WIDTH * HEIGHT }, (_, at) => Number(height(at) > 0));
  const colours = Uint8Array.from({ length: 3 * WIDTH * HEIGHT }, (_, at) => {
    const green = labels[Math.floor(at / 3)];
    return [120 - 60 * green, 90 + 70 * green, 60][at % 3] + 20 * height(Math.floor(at / 3));
  });
  const raw = (channels: 1 | 3) => ({ raw: { width: WIDTH, height: HEIGHT, channels } });
  await sharp(colours, raw(3))
    .jpeg()
    .toFile(join("photos", `${i}.jpg`));
  await sharp(colours, raw(3))
    .jpeg()
    .toFile(join("labelled", `${i}.jpg`));
  await sharp(labels, raw(1))
    .toColourspace("b-w")
    .png()
    .toFile(join("masks", `${i}.png`));
}

/** Blocks of a page in a language, without what they are indented by. */
function blocksOf(page: string, language: string): string[] {
  const text = readFileSync(join(ROOT, "docs", page), "utf8");
  const found = text.matchAll(new RegExp(`^( *)\`\`\`${language}\\n([\\s\\S]*?)^ *\`\`\``, "gm"));
  return [...found].map(([, indent, block]) => block.replaceAll(new RegExp(`^${indent}`, "gm"), ""));
}

const setting = (...sets: readonly string[]) => sets.flatMap((set) => ["--set", set]);
const INPUTS = ["data.crop=[64,64]", "inference.shortEdge=64", "inference.longEdge=96"];

/** What makes a command of the page one of a second. */
const SHORTER: Readonly<Record<string, readonly string[]>> = {
  pretrain: ["--size", "64", "--batch", "2", "--steps", "1", ...setting(...SMALLEST)],
  finetune: ["--batch", "2", "--steps", "1", ...setting("decoder.queries=8", "criterion.points=64", ...INPUTS)],
};

/** Runs the commands of a block. */
async function run(block: string): Promise<string> {
  let printed = "";
  for (const line of block.trim().split("\n")) {
    const [npx, program, command, ...args] = line.split(" ");
    expect([npx, program]).toEqual(["npx", "mask-jepa"]);
    const { code, out, err } = await runMain(command, ...args, ...(SHORTER[command] ?? []));
    expect(`${err}${code}`, line).toBe("0");
    printed += out;
  }
  return printed;
}

/** The packages that the examples import, as if they were installed here. */
function installPackages(): void {
  mkdirSync("node_modules");
  const link = (name: string, file: string) => symlinkSync(file, join("node_modules", name));
  link("sharp", join(ROOT, "node_modules", "sharp"));
  for (const name of ["onnxruntime-node", "onnxruntime-web"]) {
    link(name, join(ROOT, "packaging", "onnxruntime", "node_modules", name));
  }
}

beforeAll(async () => {
  process.chdir(folder);
  for (const name of ["photos", "labelled", "masks"]) mkdirSync(name);
  for (let i = 0; i < 10; i++) await writePhoto(i);
  installPackages();
});

test("from photographs to a file that predicts", async () => {
  const page = "from-photographs-to-onnx.md";
  const [description] = blocksOf(page, "yaml");
  writeFileSync("data.yaml", description);
  for (const block of blocksOf(page, "sh")) await run(block);
  expect(existsSync(join("predictions", "index.html"))).toBe(true);
  const [script] = blocksOf(page, "js");
  writeFileSync("plants.mjs", script);
  expect((await node(["plants.mjs"])).out).toMatch(/^\d+\.\d % of the photograph are plants\n$/);
});

test("the examples of how to use a file give what it gives", async () => {
  const [nodeScript, browserModule] = blocksOf("deploy.md", "js");
  const photo = join("photos", "1.jpg");
  const { data } = await sharp(photo).raw().toBuffer({ resolveWithObject: true });
  writeFileSync("photo.jpg", readFileSync(photo));
  writeFileSync("node.mjs", nodeScript);
  writeFileSync("browser.mjs", browserModule);
  const rgba = await sharp(photo).ensureAlpha().raw().toBuffer();
  writeFileSync("rgba.bin", rgba);
  // A page's canvas, as far as the example knows it.
  const script = `
    import { readFileSync } from "node:fs";
    import { segment } from "./browser.mjs";
    const data = new Uint8ClampedArray(readFileSync("rgba.bin"));
    const getContext = () => ({ getImageData: () => ({ data }) });
    console.log((await segment({ width: ${WIDTH}, height: ${HEIGHT}, getContext })).join(""));`;
  writeFileSync("page.mjs", script);

  const session = await openModel("onnxruntime-node", readFileSync(join("model", "onnx", "model.onnx")));
  const pixels = plainTensor("uint8", new Uint8Array(data), [1, HEIGHT, WIDTH, 3]);
  const labels = [...((await session.run({ pixel_values: pixels })).semantic.data as BigInt64Array)];
  await session.release();
  const names = new Set(labels.map((label) => ["ground", "plant"][Number(label)]));
  expect(new Set((await node(["node.mjs"])).out.trim().split("\n"))).toEqual(names);
  expect((await node(["page.mjs"])).out.trim()).toBe(labels.join(""));
});
