/** @file What a file is, by its first bytes: its name may say anything. */

import { isPngCutOff } from "./png-file.js";

export type ImageFormat = "JPEG" | "PNG" | "WebP" | "TIFF" | "GIF" | "AVIF";

const latin1 = (bytes: Uint8Array, from: number, to: number) =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1", from, to);

/** The brands of an ISO media file: AVIF and HEIC photographs, films. */
function brandsOf(bytes: Uint8Array): string[] {
  if (latin1(bytes, 4, 8) !== "ftyp") return [];
  const length = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(0);
  return latin1(bytes, 8, Math.min(length, 256)).match(/.{4}/gs) ?? [];
}

/** How files begin. */
const FORMATS: readonly (readonly [ImageFormat, ...string[]])[] = [
  ["JPEG", "\xff\xd8\xff"],
  ["PNG", "\x89PNG\r\n\x1a\n"],
  ["TIFF", "II*\0", "II+\0", "MM\0*", "MM\0+"],
  ["GIF", "GIF87a", "GIF89a"],
];

/** The name in the first row one of whose beginnings the text has. */
function byBeginning<T extends string>(rows: readonly (readonly [T, ...string[]])[], text: string): T | undefined {
  return rows.find(([, ...beginnings]) => beginnings.some((beginning) => text.startsWith(beginning)))?.[0];
}

/** The format of an image that can be read; undefined for anything else. */
export function imageFormat(bytes: Uint8Array): ImageFormat | undefined {
  const known = byBeginning(FORMATS, latin1(bytes, 0, 8));
  if (known) return known;
  if (latin1(bytes, 0, 4) === "RIFF" && latin1(bytes, 8, 12) === "WEBP") return "WebP";
  return brandsOf(bytes).some((brand) => brand === "avif" || brand === "avis") ? "AVIF" : undefined;
}

/** How other files begin that lie among images. */
const STRANGERS: readonly (readonly [string, ...string[]])[] = [
  ["a Git LFS pointer in place of the file (run: git lfs pull)", "version https://git-lfs"],
  ["a PDF", "%PDF"],
  ["a ZIP archive", "PK\x03\x04"],
  ["a gzip archive", "\x1f\x8b"],
  ["a BMP image", "BM"],
  ["a Photoshop image", "8BPS"],
  ["an OpenEXR image", "v/1\x01"],
  ["a JPEG XL image", "\xff\x0a", "\0\0\0\x0cJXL "],
  ["a JPEG 2000 image", "\xff\x4f\xff\x51", "\0\0\0\x0cjP  "],
];

/** What bytes of no such format are. */
export function strangerName(bytes: Uint8Array): string {
  const head = latin1(bytes, 0, 64);
  const known = byBeginning(STRANGERS, head);
  if (known) return known;
  if (/^(\xef\xbb\xbf)?\s*</.test(head)) return "text that begins with '<' (HTML, XML or SVG)";
  if (/^[\t\n\r\x20-\x7e]+$/.test(head)) return `text (${JSON.stringify(head.split("\n")[0].slice(0, 32))})`;
  if (latin1(bytes, 128, 132) === "DICM") return "a DICOM image";
  if (brandsOf(bytes).some((brand) => /^(hei|hev|mif1)/.test(brand))) return "a HEIC photograph";
  return bytes.every((byte) => byte === 0) ? "nothing but zero bytes" : "no image of these formats";
}

/** Whether a file is shorter than it says. Where the format does not say, its decoder has to find out. */
export function isCutOff(bytes: Uint8Array, format: ImageFormat): boolean {
  if (format === "WebP") {
    return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(4, true) + 8 > bytes.length;
  }
  return format === "PNG" && isPngCutOff(bytes);
}
