/** @file JSON files of labels as plain values; what reading one costs is bounded before it is read. */

import { readFile, stat } from "node:fs/promises";
import { getHeapStatistics } from "node:v8";
import { InputError } from "../../core/errors.js";
import { fileFault } from "../../io/file-fault.js";

/** V8's longest string has 2^29 - 24 characters. */
const MAX_BYTES = 2 ** 29 - 24;
/** Smaller files fit any heap, whatever they hold. */
const SMALL_BYTES = 2 ** 25;

const megabytes = (bytes: number) => `${Math.ceil(bytes / 1e6)} MB`;

/** Size and time of the file. @throws InputError when it is missing, no file, or too large for one string */
export async function stampOf(file: string): Promise<string> {
  const info = await stat(file).catch((error: unknown) => {
    throw fileFault(error, file, "a JSON file");
  });
  if (!info.isFile()) {
    const found = info.isDirectory() ? "a folder" : "something else";
    throw new InputError({ where: file, expected: "a JSON file", found });
  }
  if (info.size > MAX_BYTES) {
    const expected = `a JSON file under ${Math.floor(MAX_BYTES / 1e6)} MB`;
    const fix = "Split it into several files.";
    throw new InputError({ where: file, expected, found: megabytes(info.size), fix });
  }
  return `${info.size} ${info.mtimeMs}`;
}

const [COMMA, COLON, LIST, OBJECT] = [",", ":", "[", "{"].map((text) => text.charCodeAt(0));
/**
 * Bytes that V8 takes for a list or object, for an element, and for the name of a field, as measured: text comes on
 * top.
 */
const COST = { container: 60, element: 10, field: 48 };

function memoryOf(text: Uint8Array): number {
  let [containers, elements, fields] = [0, 0, 0];
  for (let i = 0; i < text.length; i++) {
    const code = text[i];
    if (code === COMMA) elements++;
    else if (code === LIST || code === OBJECT) containers++;
    else if (code === COLON) fields++;
  }
  return text.length + COST.container * containers + COST.element * elements + COST.field * fields;
}

/** Refuses what would end the process, which no handler can catch. */
function requireMemory(text: Uint8Array, file: string): void {
  if (text.length < SMALL_BYTES) return;
  const { heap_size_limit: limit, used_heap_size: used } = getHeapStatistics();
  const needed = memoryOf(text);
  if (needed < limit - used) return;
  throw new InputError({
    where: file,
    expected: `JSON whose values fit into the ${megabytes(limit - used)} that are left for them`,
    found: `${megabytes(text.length)} of text with some ${megabytes(needed)} of values`,
    fix: `Set NODE_OPTIONS=--max-old-space-size=${Math.ceil((1.5 * (needed + used)) / 2 ** 20)}, or split the file.`,
  });
}

/**
 * What a JSON file holds; a byte order mark is passed over. @throws InputError when it cannot be read, or is no JSON
 */
export async function readJson(file: string): Promise<unknown> {
  const bytes = await readFile(file).catch((error: unknown) => {
    throw fileFault(error, file, "a JSON file");
  });
  requireMemory(bytes, file);
  const text = bytes.toString("utf8").replace(/^\uFEFF/, "");
  try {
    return JSON.parse(text);
  } catch (cause) {
    const fix = /[:[,]\s*-?(NaN|Infinity)\b/.test(text)
      ? "NaN and Infinity are no JSON: write null, or repair the numbers."
      : undefined;
    throw new InputError({ where: file, expected: "valid JSON", found: (cause as Error).message, fix }, { cause });
  }
}
