/**
 * @file File patterns: `*` within a name, `**` across folders, `?` for one character, `{a,b}` for either. Matched
 * without regular expressions, whose time can grow with a power of the path's length for every star (picomatch makes
 * such ones).
 */

import { InputError } from "../../core/errors.js";

const TOKEN = /\*\*\/?|\*|\?|\{[^{}]*\}|[^*?{]+|[{]/g;

/** Bounds of what is matched with every path of a folder. */
const LIMITS = { characters: 4096, parts: 100 };

/**
 * Where in the path the next part may begin, out of where this one may: 1 at each place, the last is the path's end.
 */
type Part = (from: Uint8Array, path: string) => Uint8Array;

/** `open(p)` says whether a part that may end at `p` may also end after the character there. */
const spreading =
  (open: (path: string, place: number) => boolean): Part =>
  (from, path) => {
    const to = from.slice();
    for (let p = 0; p < path.length; p++) if (to[p] && open(path, p)) to[p + 1] = 1;
    return to;
  };

const anyOf =
  (texts: readonly string[]): Part =>
  (from, path) => {
    const to = new Uint8Array(from.length);
    for (let p = 0; p < from.length; p++) {
      if (from[p]) for (const text of texts) if (path.startsWith(text, p)) to[p + text.length] = 1;
    }
    return to;
  };

const withinName = spreading((path, p) => path[p] !== "/");
const acrossFolders = spreading(() => true);

const oneCharacter: Part = (from, path) => from.map((_, p) => (p > 0 && path[p - 1] !== "/" ? from[p - 1] : 0));

/** Nothing, or any folders with the slash after them. */
const folders: Part = (from, path) =>
  acrossFolders(from, path).map((reached, p) => from[p] || (p > 0 && path[p - 1] === "/" ? reached : 0));

function partOf(token: string): Part {
  if (token === "**/") return folders;
  if (token === "**") return acrossFolders;
  if (token === "*") return withinName;
  if (token === "?") return oneCharacter;
  return anyOf(token.length > 1 && token.startsWith("{") ? token.slice(1, -1).split(",") : [token]);
}

/**
 * Whether a path with forward slashes fits the pattern, as a whole.
 * @param where names the pattern in the error
 * @throws InputError for a pattern that is too long to be meant
 */
export function globMatcher(pattern: string, where = "the pattern"): (path: string) => boolean {
  const { characters, parts: most } = LIMITS;
  if (pattern.length > characters) {
    const expected = `a pattern of at most ${characters} characters`;
    throw new InputError({ where, expected, found: `${pattern.length}` });
  }
  const parts = (pattern.match(TOKEN) ?? []).map(partOf);
  if (parts.length > most) {
    throw new InputError({ where, expected: `a pattern of at most ${most} parts`, found: `${parts.length}` });
  }
  return (path) => {
    let places = new Uint8Array(path.length + 1);
    places[0] = 1;
    for (const part of parts) places = part(places, path) as typeof places;
    return places[path.length] === 1;
  };
}
