/**
 * @file Which image each slot of each batch gets: a pure function of seed and step, so that resuming needs no state.
 */
import { RandomStream } from "../core/random.js";

export interface Draw {
  /** Index of the image in the source. */
  readonly index: number;
  readonly epoch: number;
  /**
   * Place in the endless sequence of draws: step * batchSize + slot. Epoch e is the draws [e * length, (e + 1) *
   * length).
   */
  readonly draw: number;
}

export interface SamplerOptions {
  seed: number;
  batchSize: number;
  /** Number of images in the source, at least 1. */
  length: number;
}

export interface Sampler {
  /** The images of one step, by slot. Epochs follow one another without a gap: a batch may span two, or many. */
  batch(step: number): Draw[];
  /**
   * What takes the place of a draw whose image cannot be used: the `attempt`-th image after it (attempt >= 1) in the
   * order of its own epoch, the first following the last.
   */
  replacement(draw: Draw, attempt: number): Draw;
}

/**
 * Every epoch visits each image once, in an order of its own drawn from (seed, epoch).
 * The last two orders are remembered for speed (8 bytes an image); nothing else is kept.
 */
export function createSampler({ seed, batchSize, length }: SamplerOptions): Sampler {
  const orders = new Map<number, Uint32Array>();
  const orderOf = (epoch: number): Uint32Array => {
    let order = orders.get(epoch);
    if (!order) {
      order = new RandomStream({ seed, purpose: "epoch order", step: epoch }).permutation(length);
      if (orders.size === 2) orders.delete(Math.min(...orders.keys()));
      orders.set(epoch, order);
    }
    return order;
  };
  const at = (draw: number): Draw => {
    const epoch = Math.floor(draw / length);
    return { index: orderOf(epoch)[draw % length], epoch, draw };
  };
  return {
    batch: (step) => Array.from({ length: batchSize }, (_, slot) => at(step * batchSize + slot)),
    replacement: ({ epoch, draw }, attempt) => at(epoch * length + ((draw + attempt) % length)),
  };
}

/** The draws of one step; see `createSampler`, which is faster for many steps. */
export function batchIndices(seed: number, step: number, batchSize: number, length: number): Draw[] {
  return createSampler({ seed, batchSize, length }).batch(step);
}
