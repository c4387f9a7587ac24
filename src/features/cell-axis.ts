/**
 * @file Where pixels lie between the cells of a feature map, along one axis: bilinear, half-pixel centres, edges
 * clamped.
 */

/** Of each pixel the cell before it, and how far it lies towards the next; cells on padding alone are left out. */
export interface CellAxis {
  readonly cell: Int32Array;
  readonly weight: Float64Array;
  /** Cells that an image reaches into. */
  readonly cells: number;
}

/** `pixels` of an image that is `resized` pixels long at the network's input, whose cells are `stride` pixels long. */
export function cellAxis(pixels: number, resized: number, stride: number): CellAxis {
  const cells = Math.ceil(resized / stride);
  const cell = new Int32Array(pixels);
  const weight = new Float64Array(pixels);
  for (let i = 0; i < pixels; i++) {
    const at = Math.min(cells - 1, Math.max(0, ((i + 0.5) * resized) / (pixels * stride) - 0.5));
    cell[i] = Math.min(Math.floor(at), Math.max(0, cells - 2));
    weight[i] = at - cell[i];
  }
  return { cell, weight, cells };
}
