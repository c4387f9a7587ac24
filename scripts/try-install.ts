/**
 * @file `npm run try-install`: the packed product in an empty project, as a user gets it. Only npm's registry is there
 * for it: install scripts run where no socket can be opened. Then a training step on the command line, and the examples
 * of the README as JavaScript and, with all types checked, as TypeScript.
 */

import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ROOT } from "./native.js";
import { NPM, npm, pack } from "./npm.js";

const work = mkdtempSync(join(tmpdir(), "mask-jepa-install-"));
const project = join(work, "project");
const modules = join(project, "node_modules");

/** Runs node in the project; its output is shown only when it fails. */
function node(args: readonly string[]): string {
  try {
    return execFileSync(process.execPath, args, { cwd: project, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string };
    throw new Error(`node ${args.join(" ")} failed:\n${stdout}${stderr}`, { cause: error });
  }
}

const maskJepa = (...args: string[]) => node([join(modules, "mask-jepa", "bin", "mask-jepa.js"), ...args]);

function bytesIn(folder: string): number {
  const names = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return names.reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0);
}

/** Packs the checkout and installs it. Install scripts come last, where the kernel ends whoever asks for a socket. */
function install(): void {
  mkdirSync(project);
  writeFileSync(join(project, "package.json"), '{ "name": "empty", "private": true, "type": "module" }\n');
  const tarball = pack(ROOT, work);
  npm(project, ["install", "--ignore-scripts", "--no-audit", "--no-fund", tarball]);
  const rebuild = ["rebuild", "--no-update-notifier"];
  const guard = join(ROOT, "test", "support", "without-sockets.js");
  if (NPM && process.platform === "linux") node([guard, NPM, ...rebuild]);
  else npm(project, rebuild);
  const [all, own] = [modules, join(modules, "mask-jepa")].map((folder) => (bytesIn(folder) / 1e6).toFixed(0));
  console.log(`installed: ${all} MB of node_modules, of which ${own} MB are the package itself`);
}

/** Images of 64 x 64 pixels, and a step of the smallest preset. */
function train(): void {
  maskJepa("sample-data", "scenes", "--images", "6", "--size", "64");
  const images = join(project, "scenes", "images");
  const [photo] = readdirSync(images, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  cpSync(join(photo.parentPath, photo.name), join(project, "photo.jpg"));
  const settings = ["--preset", "tiny", "--size", "64", "--batch", "2", "--steps", "1"];
  maskJepa("pretrain", "--images", images, ...settings, "--out", "run");
  console.log("a training step on the command line");
  maskJepa("export", "--checkpoint", "run", "--to", "onnx", "--out", "encoder");
  console.log("its encoder as an ONNX file, tried by the packed ONNX Runtime");
}

/** The examples of the README's section on code, shortened to two steps of two images. */
function examples(): string[] {
  const readme = readFileSync(join(ROOT, "README.md"), "utf8");
  const section = /^## Use it from code\n([\s\S]*?)^## /m.exec(readme)?.[1] ?? "";
  const blocks = [...section.matchAll(/^```ts\n([\s\S]*?)^```/gm)].map(([, text]) => text);
  if (blocks.length !== 3) throw new Error(`expected three examples in the README, found ${blocks.length}`);
  return blocks.map((text) => text.replace("steps = 100;", "steps = 2;").replaceAll("run.batch=4", "run.batch=2"));
}

function tryExamples(): void {
  const files = examples().map((text, i) => {
    const name = `example-${i + 1}`;
    writeFileSync(join(project, `${name}.js`), text);
    writeFileSync(join(project, `${name}.ts`), text);
    return name;
  });
  for (const name of files) node([`${name}.js`]);
  console.log(`${files.length} examples of the README as JavaScript`);
  const compiler = join(ROOT, "node_modules", "typescript", "bin", "tsc");
  const types = ["--types", "node", "--typeRoots", join(ROOT, "node_modules", "@types")];
  const strict = ["--strict", "--noEmit", "--skipLibCheck", "false", "--target", "es2023", "--module", "nodenext"];
  node([compiler, "--ignoreConfig", ...strict, ...types, ...files.map((name) => `${name}.ts`)]);
  console.log(`${files.length} examples of the README as strict TypeScript`);
}

try {
  install();
  train();
  tryExamples();
} finally {
  rmSync(work, { recursive: true });
}
