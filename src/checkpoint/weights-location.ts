/** @file Where weights are named to be: a file, a folder as transformers saves it, or `hf:owner/name`. */

import { stat } from "node:fs/promises";
import { join } from "node:path";
import { InputError } from "../core/errors.js";
import type { Reporter } from "../core/reporter.js";
import { exists } from "../io/atomic-file.js";
import { fetchFromHub, HUB_PREFIX, WEIGHT_FILES } from "./hub.js";

export const isHubLocation = (location: string): boolean => location.startsWith(HUB_PREFIX);

/**
 * The path of the file that a location means; from the hub it is downloaded first, unless the cache holds it.
 * @throws InputError
 */
export async function locateWeights(location: string, reporter?: Reporter): Promise<string> {
  if (isHubLocation(location)) return fetchFromHub(location, reporter);
  const folder = (await exists(location)) && (await stat(location)).isDirectory();
  if (!folder) return location;
  for (const name of WEIGHT_FILES) if (await exists(join(location, name))) return join(location, name);
  throw new InputError({
    where: location,
    expected: `a run, a file of weights, or a folder with ${WEIGHT_FILES.join(" or ")}`,
    found: "a folder without them",
  });
}
