/**
 * @file The npm package onnxruntime-node for the packages that bring it, cut down to one platform: a library of 25 to
 * 45 MB and its JavaScript, out of 288 MB, without the install script, which downloads CUDA files from elsewhere.
 */

import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  folderInOnnxruntimeNode,
  libraryFiles,
  ONNXRUNTIME_VERSION,
  type Platform,
} from "../src/runtime/find-library.js";

/** The checkout, seen from the compiled file in dist-scripts/scripts/. */
export const ROOT = fileURLToPath(new URL("../../", import.meta.url));

export interface PackageJson {
  readonly [key: string]: unknown;
  readonly name: string;
  readonly version: string;
  readonly files: readonly string[];
}

/** The package.json in a folder. */
export function packageJson(folder: string): PackageJson {
  return JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as PackageJson;
}

/** What its JavaScript loads of a platform, which loads the library from beside it. */
const BINDING = "onnxruntime_binding.node";

/** What a package.json says of the package cut down. */
export const TO_LOAD = { main: "dist/index.js", dependencies: { "onnxruntime-common": ONNXRUNTIME_VERSION } };

/**
 * Copies the library of a platform, what it loads from beside it, the package's JavaScript and its licence into a
 * folder.
 * @throws Error when another version is installed than the one that is packed, or it lacks the platform
 */
export function copyOnnxruntime(platform: Platform, folder: string): void {
  const packaging = join(ROOT, "packaging", "onnxruntime");
  const source = join(packaging, "node_modules", "onnxruntime-node");
  const { version } = packageJson(source);
  if (version !== ONNXRUNTIME_VERSION) {
    throw new Error(`onnxruntime-node ${version} is installed, ${ONNXRUNTIME_VERSION} is packed: run \`npm ci\``);
  }
  const from = join(source, folderInOnnxruntimeNode(platform));
  const files = libraryFiles(from);
  if (files.length === 0) throw new Error(`onnxruntime-node ${version} has no library for ${platform}`);
  if (!readFileSync(join(from, files[0])).includes(version)) {
    throw new Error(`${join(from, files[0])} does not say that it is version ${version}`);
  }
  const copy = (names: readonly string[], part: string) => {
    mkdirSync(join(folder, part), { recursive: true });
    for (const name of names) copyFileSync(join(source, part, name), join(folder, part, name));
  };
  copy([...files, BINDING], folderInOnnxruntimeNode(platform));
  copy(
    readdirSync(join(source, "dist")).filter((name) => name.endsWith(".js")),
    "dist",
  );
  writeFileSync(join(folder, "package.json"), `${JSON.stringify(TO_LOAD, null, 2)}\n`);
  copyFileSync(join(packaging, "licence.txt"), join(folder, "LICENSE"));
}
