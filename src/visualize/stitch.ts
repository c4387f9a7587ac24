/** @file Features of a whole image, put together from the windows in which the network sees it. */

import type { FeatureMap, Size } from "../core/image.js";
import type { Window } from "../predict/windows.js";

/** Writes the positions that are a window's own into the map of the whole image, of the size `image` in its pixels. */
export function addWindow(whole: FeatureMap, part: FeatureMap, { x, y }: Window, image: Size): void {
  const axis = (span: Window["x"], positions: number, length: number, own: number) => {
    const places: { to: number; from: number }[] = [];
    for (let to = 0; to < positions; to++) {
      const centre = ((to + 0.5) * length) / positions;
      if (centre < span.from || centre >= span.to) continue;
      const from = Math.floor(((centre - span.start) * own) / span.length);
      places.push({ to, from: Math.min(own - 1, Math.max(0, from)) });
    }
    return places;
  };
  const columns = axis(x, whole.width, image.width, part.width);
  const rows = axis(y, whole.height, image.height, part.height);
  for (let c = 0; c < whole.channels; c++) {
    for (const row of rows) {
      const [to, from] = [(c * whole.height + row.to) * whole.width, (c * part.height + row.from) * part.width];
      for (const column of columns) whole.data[to + column.to] = part.data[from + column.from];
    }
  }
}
