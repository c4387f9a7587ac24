/**
 * @file ONNX Runtime's library for the packages that bring it: one file of 25 to 45 MB out of the 288 MB of the npm
 * package onnxruntime-node, whose install script, wanted by nobody here, downloads CUDA files from elsewhere.
 */

import { copyFileSync, mkdirSync, readFileSync } from "node:fs";
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

/**
 * Copies the library of a platform, what it loads from beside it and its licence into a folder.
 * @throws Error when another version is installed than the one that is packed, or it lacks the platform
 */
export function copyLibrary(platform: Platform, folder: string): void {
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
  mkdirSync(folder, { recursive: true });
  for (const file of files) copyFileSync(join(from, file), join(folder, file));
  copyFileSync(join(packaging, "licence.txt"), join(folder, "LICENSE"));
}
