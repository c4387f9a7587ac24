/**
 * @file What `npm pack` packs beyond the files of the repository. `pack.js before`: the sources compiled from nothing,
 * so that no file of an earlier build gets in, and ONNX Runtime for this machine's platform in native/.
 * `pack.js after` removes that again: a checkout uses the one in node_modules.
 */

import { rmSync } from "node:fs";
import { join } from "node:path";
import { PLATFORMS } from "../src/runtime/find-library.js";
import { build } from "./build.js";
import { copyOnnxruntime, ROOT } from "./native.js";

const native = join(ROOT, "native");

rmSync(native, { recursive: true, force: true });
if (process.argv[2] === "before") {
  build();
  const platform = PLATFORMS.find((name) => name === `${process.platform}-${process.arch}`);
  if (!platform) throw new Error(`ONNX Runtime has no library for ${process.platform}-${process.arch}`);
  copyOnnxruntime(platform, join(native, platform));
}
