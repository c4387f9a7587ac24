/** @file How a step says that it must not be taken. */

/** A loss or gradient that is NaN or infinite: nothing was updated. */
export class NonFiniteError extends Error {
  override readonly name = "NonFiniteError";
  constructor(
    /** Number of the step, from 1. */
    readonly step: number,
    readonly what: string,
    /** Index in the batch of the image at fault, where one is known. */
    readonly image?: number,
  ) {
    super(`step ${step}: ${what}`);
  }
}

/** The same, met in a micro-batch that knows neither its step nor its place in the batch. */
export class NonFiniteImage extends Error {
  override readonly name = "NonFiniteImage";
  constructor(
    /** Index in the micro-batch. */
    readonly image: number,
    readonly what: string,
  ) {
    super(`image ${image}: ${what}`);
  }
}
