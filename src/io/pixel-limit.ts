/** @file How large an image or a label map may be: its header says so, before anything is allocated. */

/** Images and label maps of more pixels are refused. */
export const MAX_PIXELS = 100_000_000;

/** What is wrong with a size; undefined for one that can be read. */
export function badSize(width: number, height: number): string | undefined {
  if (!(width > 0 && height > 0)) return `${width} x ${height} pixels`;
  if (width * height <= MAX_PIXELS) return undefined;
  return `${width} x ${height} pixels, more than the limit of ${MAX_PIXELS / 1e6} megapixels`;
}
