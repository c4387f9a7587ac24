/** @file Masks as run lengths, as COCO encodes them: column by column, beginning with the pixels outside. */

export interface RunLengths {
  readonly width: number;
  readonly height: number;
  /** Lengths of the runs: outside, inside, outside, ...; they add up to `width * height`. */
  readonly counts: Uint32Array;
}
