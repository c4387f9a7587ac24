/** @file What a person asks of an ONNX file, in words. */

import { InputError, suggestion } from "../../core/errors.js";
import type { Size } from "../../core/image.js";
import { MULTIPLE } from "../../data/test-input.js";
import { TASKS, type Task } from "../../masks/segmentation.js";

export const NORMALISE = "normalise";
/** What a file can do beside the network. */
export const INSIDE = [NORMALISE, ...TASKS] as const;
export type Inside = (typeof INSIDE)[number];

/** Versions of the operator set that the nodes are known in. */
export const OPSETS = { oldest: 17, newest: 21 } as const;
const LARGEST_SIDE = 8192;

const isSide = (side: number) => Number.isInteger(side / MULTIPLE) && side >= MULTIPLE && side <= LARGEST_SIDE;
const nearestSide = (side: number) =>
  Math.min(LARGEST_SIDE, Math.max(MULTIPLE, Math.ceil(side / MULTIPLE) * MULTIPLE)) || MULTIPLE;

/** A size that files take. @throws InputError for sides that are no multiples of 32 */
export function requireSize(size: Size, where = "exportOnnx size"): Size {
  const { height, width } = size;
  if (isSide(height) && isSide(width)) return size;
  throw new InputError({
    where,
    expected: `HEIGHTxWIDTH, multiples of ${MULTIPLE} from ${MULTIPLE} to ${LARGEST_SIDE}`,
    found: `${height}x${width}`,
    fix: `For example ${nearestSide(height)}x${nearestSide(width)}.`,
  });
}

/** `HxW`, e.g. 512x768. @throws InputError for anything but two multiples of 32 */
export function parseImageSize(text: string): Size {
  const [, height, width] = (/^(\d+)x(\d+)$/i.exec(text.trim()) ?? []).map(Number);
  if (height !== undefined) return requireSize({ width, height }, `--size ${text}`);
  throw new InputError({
    where: `--size ${text}`,
    expected: `HEIGHTxWIDTH, multiples of ${MULTIPLE}`,
    found: text === "" ? "nothing" : text,
    fix: "For example --size 512x768.",
  });
}

/** A list such as `normalise,semantic`. @throws InputError for a name that is none of `INSIDE` */
export function parseInside(text: string): ReadonlySet<Inside> {
  const names = text.split(",").map((name) => name.trim());
  return new Set(
    names.map((name) => {
      const known = INSIDE.find((one) => one === name);
      if (known) return known;
      const expected = `some of ${INSIDE.join(", ")}, with commas between them`;
      throw new InputError({
        where: `--with ${text}`,
        expected,
        found: name === "" ? "nothing between commas" : `"${name}"`,
        fix: suggestion(name, INSIDE),
      });
    }),
  );
}

/** A version of the operator set. @throws InputError for one that cannot be written */
export function requireOpset(version: number, where = "exportOnnx opset"): number {
  if (Number.isInteger(version) && version >= OPSETS.oldest && version <= OPSETS.newest) return version;
  throw new InputError({
    where,
    expected: `a version from ${OPSETS.oldest} to ${OPSETS.newest}`,
    found: Number.isNaN(version) ? "no number" : String(version),
    fix: "The oldest, which is written by default, is read by most programs.",
  });
}

/** The same of a text. @throws InputError */
export const parseOpset = (text: string): number =>
  requireOpset(text.trim() === "" ? Number.NaN : Number(text), `--opset ${text}`);

/** The forms of answer among what is to be inside. */
export const formsIn = (inside: ReadonlySet<Inside>): Task[] => TASKS.filter((task) => inside.has(task));
