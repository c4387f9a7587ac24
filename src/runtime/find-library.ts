/**
 * @file Where ONNX Runtime's shared library lies: npm packages bring it in three ways, and a user may have one of her
 * own.
 */
import { existsSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { InputError } from "../core/errors.js";

/** The version that is packed, and that a checkout installs (packaging/onnxruntime). */
export const ONNXRUNTIME_VERSION = "1.30.0";

/** The platforms for which the npm package onnxruntime-node has a library: `process.platform`, then `process.arch`. */
export const PLATFORMS = ["linux-x64", "linux-arm64", "darwin-arm64", "win32-x64", "win32-arm64"] as const;
export type Platform = (typeof PLATFORMS)[number];

/** libonnxruntime.so.1, libonnxruntime.1.30.0.dylib or onnxruntime.dll. */
const LIBRARY = /^(libonnxruntime\.so\.\d+|libonnxruntime\.\d+\.\d+\.\d+\.dylib|onnxruntime\.dll)$/;
/** Compile shaders on Windows; WebGPU loads them from beside the library. */
const COMPANIONS = /^(dxcompiler|dxil)\.dll$/;

/** Names a library file in place of the installed one, e.g. one that was built with CUDA. */
const OWN_LIBRARY = "MASK_JEPA_ONNXRUNTIME";

/** The files that a runtime needs of a folder of onnxruntime-node, the library first; empty when there is none. */
export function libraryFiles(folder: string): string[] {
  const names = existsSync(folder) ? readdirSync(folder).sort() : [];
  const library = names.find((name) => LIBRARY.test(name));
  return library ? [library, ...names.filter((name) => COMPANIONS.test(name))] : [];
}

/** The package that is onnxruntime-node for one platform alone. */
export function platformPackage(platform: Platform): string {
  return `@mask-jepa/onnxruntime-${platform}`;
}

/** The folder of a library in the package onnxruntime-node, below its root. */
export function folderInOnnxruntimeNode(platform: string): string {
  return join("bin", "napi-v6", ...platform.split("-"));
}

/** The package that this file belongs to, wherever below it the compiler has put it (dist, dist-bench, src). */
const ROOT = packageAround(new URL("./", import.meta.url));

function packageAround(folder: URL): URL {
  const above = new URL("../", folder);
  return existsSync(new URL("package.json", folder)) || above.href === folder.href ? folder : packageAround(above);
}

/** The folder of a package as a file in `from` (below our root) finds it. */
function packageFolder(name: string, from = "."): string | undefined {
  try {
    return dirname(createRequire(new URL(`${from}/`, ROOT)).resolve(`${name}/package.json`));
  } catch {
    return undefined;
  }
}

interface Place {
  readonly name: string;
  /** Of the package onnxruntime-node, whole or for one platform alone. */
  readonly folder: string | undefined;
}

/** Where the package may be, with what the place is called: what is packed with us comes first. */
function places(platform: string): readonly Place[] {
  const alone = platformPackage(platform as Platform);
  return [
    { name: "the package itself", folder: fileURLToPath(new URL(`native/${platform}`, ROOT)) },
    { name: alone, folder: packageFolder(alone) },
    // A checkout has one there; elsewhere the folder is missing and only those above it are searched.
    { name: "onnxruntime-node", folder: packageFolder("onnxruntime-node", "packaging/onnxruntime") },
  ];
}

const thisPlatform = () => `${process.platform}-${process.arch}`;

/** Folder of onnxruntime-node, and the library in it. Throws InputError that says what to install where none is. */
export function findOnnxruntime(platform = thisPlatform()): { readonly folder: string; readonly library: string } {
  const candidates = places(platform);
  for (const { folder } of candidates) {
    if (folder === undefined) continue;
    const inside = join(folder, folderInOnnxruntimeNode(platform));
    const [library] = libraryFiles(inside);
    if (library) return { folder, library: join(inside, library) };
  }
  const supported = (PLATFORMS as readonly string[]).includes(platform);
  throw new InputError({
    where: "ONNX Runtime",
    expected: `its library for ${platform} in one of ${candidates.map(({ name }) => name).join(", ")}`,
    found: "none",
    fix: supported
      ? "In a checkout run `npm ci`; in a project of your own " +
        `\`npm install --ignore-scripts onnxruntime-node@${ONNXRUNTIME_VERSION}\` brings those of all platforms.`
      : `There are libraries for ${PLATFORMS.join(", ")}; ${OWN_LIBRARY} may name one of your own.`,
  });
}

/** Path of the library for this machine. Throws InputError as `findOnnxruntime` does. */
export function findLibrary(platform = thisPlatform()): string {
  const own = process.env[OWN_LIBRARY];
  if (!own) return findOnnxruntime(platform).library;
  if (existsSync(own)) return own;
  const fix = "Unset it, and the installed library is used.";
  throw new InputError({ where: OWN_LIBRARY, expected: "the path of ONNX Runtime's library", found: own, fix });
}
