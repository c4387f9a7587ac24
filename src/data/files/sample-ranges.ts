/**
 * @file Images whose samples are brought to 8 bits by the wrong level: the network sees them (almost) black, or white.
 */

import { InputError } from "../../core/errors.js";
import type { Image } from "../../core/image.js";
import type { WhiteLevel } from "../../core/image-decoder.js";
import { compareNatural } from "../../core/natural-order.js";
import type { Reporter } from "../../core/reporter.js";
import { decode, readHeader, sampleRange } from "../../io/image-file.js";
import type { ImageSource } from "../source.js";

/** Bytes up to here are less than a tenth of the range. */
const DARK = 25;
/** Images of a source that are looked at before a run. */
const LOOKED_AT = 8;
/** Images that a warning names. */
const NAMED = 3;

/** An image that is nearly black, or of which a white level cuts off more than half. */
export interface OddImage {
  readonly file: string;
  readonly seen: "black" | "white";
  /** Its largest sample. */
  readonly most: number;
  /** Bits of its samples. */
  readonly bits: number;
  /** Whether a white level makes a difference. */
  readonly adjustable: boolean;
}

/** What is odd about how an image uses the range of its samples. @param image the same, decoded with `white` */
export async function oddImage(
  bytes: Uint8Array,
  file: string,
  { data }: Image,
  white: WhiteLevel | undefined,
): Promise<OddImage | undefined> {
  const isBlack = !data.some((byte) => byte > DARK);
  const isCut = white?.value !== undefined && 2 * data.reduce((n, byte) => n + Number(byte === 255), 0) > data.length;
  if (!isBlack && !isCut) return undefined;
  const { bits, sampleType } = await readHeader(bytes, file);
  const adjustable = sampleType !== "uchar";
  const { most } = await sampleRange(bytes, file);
  if (isBlack) return most > 0 ? { file, seen: "black", most, bits, adjustable } : undefined; // 0 everywhere is meant
  return adjustable && most > white!.value! ? { file, seen: "white", most, bits, adjustable } : undefined;
}

/** The largest number of whole bits that holds `most`: 4095 for 3987. Fractions are left as they are. */
function likelyWhite(most: number): number {
  return Number.isInteger(most) ? 2 ** Math.ceil(Math.log2(most + 1)) - 1 : most;
}

/** What to say of odd images, a text for each kind. @param total images that were looked at */
export function oddWarnings(odd: readonly OddImage[], total: number, white: WhiteLevel | undefined): string[] {
  return (["black", "white"] as const).flatMap((seen) => {
    const found = odd.filter((image) => image.seen === seen).sort((a, b) => compareNatural(a.file, b.file));
    if (found.length === 0) return [];
    const named = found.slice(0, NAMED).map(({ file, most, bits }) => `${file} (${bits} bits, the largest ${most})`);
    const others = found.length > NAMED ? ` and ${found.length - NAMED} more` : "";
    const why =
      seen === "black"
        ? "use less than a tenth of the range of their samples"
        : "lie above what is white for more than half";
    const remark =
      `Nearly ${seen} to the network: ${found.length} of ${total} images, which ${why}: ` +
      `${named.join(", ")}${others}.`;
    const deep = found.filter(({ adjustable }) => adjustable);
    if (deep.length === 0 || !white) return [remark];
    const level = likelyWhite(Math.max(...deep.map(({ most }) => most)));
    const now = white.value === undefined ? "" : ` (it is ${white.value})`;
    return [`${remark} If ${level} is white, set ${white.setting} to ${level}${now}.`];
  });
}

/**
 * Looks at a few images, spread over a source, before work with them. Those that cannot be read are left to that work.
 */
export async function warnOfOddRanges(source: ImageSource, reporter: Reporter): Promise<void> {
  const { white } = source;
  const count = Math.min(LOOKED_AT, source.length);
  const odd: OddImage[] = [];
  for (let i = 0; i < count; i++) {
    const index = Math.floor((i * source.length) / count);
    const name = source.name(index);
    try {
      const bytes = await source.read(index);
      const found = await oddImage(bytes, name, await decode(bytes, name, { white }), white);
      if (found) odd.push(found);
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
    }
  }
  for (const warning of oddWarnings(odd, count, white)) reporter.warn(warning);
}
