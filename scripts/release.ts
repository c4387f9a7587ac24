/**
 * @file `npm run release`: what is published, in release/. The package itself without a library, one package with the
 * library alone for every platform, and between them optional dependencies, of which npm installs the one that fits.
 */

import { cpSync, mkdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ONNXRUNTIME_VERSION, PLATFORMS, type Platform, platformPackage } from "../src/runtime/find-library.js";
import { build } from "./build.js";
import { copyOnnxruntime, packageJson, ROOT, TO_LOAD } from "./native.js";
import { pack } from "./npm.js";

const RELEASE = join(ROOT, "release");

function write(folder: string, content: object): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "package.json"), `${JSON.stringify(content, null, 2)}\n`);
}

function packPlatform(platform: Platform): string {
  const folder = join(RELEASE, "stage", platform);
  const [os, cpu] = platform.split("-");
  copyOnnxruntime(platform, folder);
  write(folder, {
    name: platformPackage(platform),
    version: ONNXRUNTIME_VERSION,
    description: `ONNX Runtime for mask-jepa on ${platform}`,
    license: "MIT",
    ...TO_LOAD,
    os: [os],
    cpu: [cpu],
    ...(os === "linux" && { libc: ["glibc"] }),
    preferUnplugged: true,
  });
  return pack(folder, RELEASE);
}

/** The package of the checkout as it is built, without what only a checkout needs. */
function packMain(): string {
  const folder = join(RELEASE, "stage", "main");
  const content = packageJson(ROOT);
  const files = content.files.filter((name) => name !== "native");
  for (const name of new Set(files.map((pattern) => pattern.split("/")[0]))) {
    cpSync(join(ROOT, name), join(folder, name), { recursive: true });
  }
  const optionalDependencies = Object.fromEntries(
    PLATFORMS.map((name) => [platformPackage(name), ONNXRUNTIME_VERSION]),
  );
  write(folder, { ...content, files, optionalDependencies, scripts: undefined });
  return pack(folder, RELEASE);
}

rmSync(RELEASE, { recursive: true, force: true });
mkdirSync(RELEASE);
build();
const tarballs = [packMain(), ...PLATFORMS.map(packPlatform)];
rmSync(join(RELEASE, "stage"), { recursive: true });
for (const path of tarballs) console.log(`${(statSync(path).size / 1e6).toFixed(1).padStart(6)} MB  ${path}`);
