/** @file Images that use so little of the range of their samples that the network sees them (almost) black. */

import { InputError } from "../core/errors.js";
import type { Reporter } from "../core/reporter.js";
import { decode, type RgbImage, readHeader, sampleRange } from "../io/image-file.js";
import type { WhiteLevel } from "../io/samples.js";
import type { ImageSource } from "./source.js";

/** Bytes up to here are less than a tenth of the range. */
const DARK = 25;
/** Images of a source that are looked at before a run. */
const LOOKED_AT = 8;
/** Images that a warning names. */
const NAMED = 3;

export interface DarkImage {
  readonly file: string;
  /** Its largest sample. */
  readonly most: number;
  /** Bits of its samples. */
  readonly bits: number;
  /** Whether a white level would make a difference. */
  readonly adjustable: boolean;
}

/** What an image uses of the range of its samples, if that is less than a tenth. @param image the same, decoded */
export async function darkImage(bytes: Uint8Array, file: string, image: RgbImage): Promise<DarkImage | undefined> {
  if (image.data.some((byte) => byte > DARK)) return undefined;
  const { most } = await sampleRange(bytes, file);
  if (most <= 0) return undefined; // black on purpose
  const { bits, sampleType } = await readHeader(bytes, file);
  return { file, most, bits, adjustable: sampleType !== "uchar" };
}

/** The largest number of whole bits that holds `most`: 4095 for 3987. Fractions are left as they are. */
function likelyWhite(most: number): number {
  return Number.isInteger(most) ? 2 ** Math.ceil(Math.log2(most + 1)) - 1 : most;
}

/** @param total images that were looked at */
export function darkWarning(
  dark: readonly DarkImage[],
  total: number,
  white: WhiteLevel | undefined,
): string | undefined {
  if (dark.length === 0) return undefined;
  const named = dark.slice(0, NAMED).map(({ file, most, bits }) => `${file} (${bits} bits, none above ${most})`);
  const others = dark.length > NAMED ? ` and ${dark.length - NAMED} more` : "";
  const count = total === 1 ? "the image" : `${dark.length} of ${total} images`;
  const remark = `Nearly black to the network: ${count} that ${dark.length === 1 ? "uses" : "use"} less than a tenth of the range of their samples: ${named.join(", ")}${others}.`;
  const deep = dark.filter(({ adjustable }) => adjustable);
  if (deep.length === 0 || !white) return remark;
  const level = likelyWhite(Math.max(...deep.map(({ most }) => most)));
  return `${remark} If ${level} is white, set ${white.setting} to ${level}${white.value === undefined ? "" : ` (it is ${white.value})`}.`;
}

/** Looks at a few images, spread over a source, before work with them. Those that cannot be read are left to that work. */
export async function warnOfDark(source: ImageSource, reporter: Reporter): Promise<void> {
  const count = Math.min(LOOKED_AT, source.length);
  const dark: DarkImage[] = [];
  for (let i = 0; i < count; i++) {
    const index = Math.floor((i * source.length) / count);
    const name = source.name(index);
    try {
      const bytes = await source.read(index);
      const found = await darkImage(bytes, name, await decode(bytes, name, { white: source.white }));
      if (found) dark.push(found);
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
    }
  }
  const warning = darkWarning(dark, count, source.white);
  if (warning) reporter.warn(warning);
}
