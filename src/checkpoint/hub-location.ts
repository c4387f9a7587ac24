/** @file Names of places of the Hugging Face hub. */

import { InputError } from "../core/errors.js";

/** `hf:owner/name`, perhaps with a revision and a file: `hf:owner/name@main:model.safetensors`. */
export interface HubLocation {
  readonly repository: string;
  readonly revision: string;
  readonly file?: string;
}

export const HUB_PREFIX = "hf:";
const LOCATION = /^hf:([\w.-]+\/[\w.-]+)(?:@([\w./-]+))?(?::(.+))?$/;

export const isHubLocation = (location: string): boolean => location.startsWith(HUB_PREFIX);

/** @throws InputError for text that is no `hf:owner/name` */
export function parseHubLocation(text: string): HubLocation {
  const found = LOCATION.exec(text);
  const [, repository, revision = "main", file] = found ?? [];
  if (!found || repository.includes("..") || revision.includes("..") || (file && !isPlainPath(file))) {
    throw new InputError({
      where: text,
      expected: "hf:OWNER/NAME, perhaps with @REVISION or :FILE",
      found: "another form",
    });
  }
  return { repository, revision, ...(file && { file }) };
}

/** Relative, and nowhere above its start: what a hub answers becomes part of a path. */
export function isPlainPath(path: string): boolean {
  return !/^[/\\]|\\|:|\0/.test(path) && path.split("/").every((part) => part !== ".." && part !== "." && part !== "");
}
