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

/** The package that holds the library of one platform and nothing else. */
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

/** A checkout has one there; elsewhere the folder is missing and only those above it are searched. */
const onnxruntimeNodeFolder = () => packageFolder("onnxruntime-node", "packaging/onnxruntime");

/** Folder of the package onnxruntime-node, for its own API. Throws InputError that says what to install. */
export function onnxruntimeNode(): string {
  const folder = onnxruntimeNodeFolder();
  if (folder !== undefined) return folder;
  throw new InputError({
    where: "ONNX Runtime",
    expected: "the npm package onnxruntime-node, with whose API files are tried",
    found: "none",
    fix: `\`npm install --ignore-scripts onnxruntime-node@${ONNXRUNTIME_VERSION}\` brings it.`,
  });
}

/**
 * Where the library of this machine's platform may be, with the name of the place: what is packed with us comes first.
 */
function places(platform: string): { place: string; folder: string | undefined }[] {
  const alone = platformPackage(platform as Platform);
  const node = onnxruntimeNodeFolder();
  return [
    { place: "the package itself", folder: fileURLToPath(new URL(`native/${platform}`, ROOT)) },
    { place: alone, folder: packageFolder(alone) },
    { place: "onnxruntime-node", folder: node && join(node, folderInOnnxruntimeNode(platform)) },
  ];
}

/** Path of the library for this machine. Throws InputError that says what to install when there is none. */
export function findLibrary(platform = `${process.platform}-${process.arch}`): string {
  const own = process.env[OWN_LIBRARY];
  if (own) {
    if (existsSync(own)) return own;
    const fix = "Unset it, and the installed library is used.";
    throw new InputError({ where: OWN_LIBRARY, expected: "the path of ONNX Runtime's library", found: own, fix });
  }
  const candidates = places(platform);
  for (const { folder } of candidates) {
    const [library] = folder === undefined ? [] : libraryFiles(folder);
    if (library) return join(folder!, library);
  }
  const supported = (PLATFORMS as readonly string[]).includes(platform);
  throw new InputError({
    where: "ONNX Runtime",
    expected: `its library for ${platform} in one of ${candidates.map(({ place }) => place).join(", ")}`,
    found: "none",
    fix: supported
      ? "In a checkout run `npm ci`; in a project of your own " +
        `\`npm install --ignore-scripts onnxruntime-node@${ONNXRUNTIME_VERSION}\` brings those of all platforms.`
      : `There are libraries for ${PLATFORMS.join(", ")}; ${OWN_LIBRARY} may name one of your own.`,
  });
}
