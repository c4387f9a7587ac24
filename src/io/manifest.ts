/** @file What the package says of itself. */

import { readFileSync } from "node:fs";

interface Manifest {
  version: string;
  description: string;
}

/** The package's own package.json. */
export function manifest(): Manifest {
  return JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as Manifest;
}
