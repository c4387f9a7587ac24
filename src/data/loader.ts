/** @file Batches of normalised images by step, decoded ahead of their use. */
import { InputError } from "../core/errors.js";
import { RandomStream } from "../core/random.js";
import { randomResizedCrop, renderView, type ViewRule } from "./augment.js";
import { createSampler, type Draw } from "./sampler.js";
import type { BadFile, ImageSource } from "./source.js";

export interface Batch {
  /** Normalised float32 [batch, 3, size, size] in memory that native threads may share. */
  readonly images: Float32Array;
  /** Name of the image in each slot. */
  readonly names: readonly string[];
  /** Images that had to be replaced, each once; empty when all went well. */
  readonly skipped: readonly BadFile[];
  /** Gives `images` back for a later batch; do not touch it afterwards. Without it, memory waits for the garbage collector. */
  release(): void;
}

export interface LoaderOptions {
  source: ImageSource;
  seed: number;
  /** Images a batch. */
  batch: number;
  /** Side of the square images, in pixels. */
  size: number;
  /** Batches to decode ahead, default 1. Memory: (prefetch + 1) * batch * 12 * size^2 bytes, and the one in use. */
  prefetch?: number;
  /** What of each image is seen: default a random resized crop (area 0.35 to 1) and a flip. */
  view?: ViewRule;
}

export interface Loader {
  /**
   * The batch of a step: a pure function of (seed, step) and the files, in whatever order steps are asked for.
   * @throws InputError when more than half of the images tried are bad; `Error` after `dispose`.
   */
  load(step: number): Promise<Batch>;
  /** Stops prefetching and waits for what is in flight. */
  dispose(): Promise<void>;
}

/** Images decoded at once, which bounds the memory of very large ones. */
const PARALLEL = 4;
/** Replacements tried for one slot before the step fails. */
const MAX_ATTEMPTS = 32;
/** So many bad images in one step, if they are most of those tried, end the run; fewer if the source is small. */
const TOLERATED = 8;

function refuseBadSource(bad: ReadonlyMap<number, BadFile>, tried: number, length: number): void {
  if (bad.size <= tried / 2 || (bad.size <= TOLERATED && bad.size <= length / 2)) return;
  const examples = Array.from(bad.values(), ({ file, reason }) => `${file}: ${reason}`).slice(0, 3);
  throw new InputError({
    where: "the images",
    expected: "most of them to be readable",
    found: `${bad.size} of the ${tried} tried in one step cannot be used; ${examples.join("; ")}`,
    fix: "Remove or repair them.",
  });
}

/** Runs `work(0) ... work(n - 1)`, at most PARALLEL at a time, and waits for all even if one fails. */
async function eachSlot(n: number, work: (slot: number) => Promise<void>): Promise<void> {
  let next = 0;
  const runner = async () => {
    while (next < n) await work(next++);
  };
  const outcomes = await Promise.allSettled(Array.from({ length: Math.min(PARALLEL, n) }, runner));
  for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason;
}

/**
 * A loader over any source. An image that cannot be used is replaced by the next usable one in its epoch's order
 * (`Sampler.replacement`) and listed in `skipped`: what a slot gets depends only on (seed, step, slot) and on which
 * files are bad, so a resumed run sees the same batches.
 */
export function createLoader(options: LoaderOptions): Loader {
  const { source, seed, batch, size, prefetch = 1, view: rule = randomResizedCrop() } = options;
  const sampler = createSampler({ seed, batchSize: batch, length: source.length });
  const pixels = 3 * size * size;
  const free: Float32Array[] = [];
  const pending = new Map<number, Promise<Batch>>();
  let disposed = false;

  async function fillSlot(step: number, slot: number, first: Draw, out: Float32Array, bad: Map<number, BadFile>) {
    for (let attempt = 0; attempt < Math.min(source.length, MAX_ATTEMPTS); attempt++) {
      const { index } = attempt === 0 ? first : sampler.replacement(first, attempt);
      const name = source.name(index);
      try {
        const random = new RandomStream({ seed, purpose: "crop", step, sample: slot });
        await renderView(await source.read(index), name, { size, rule, random }, out);
        return index;
      } catch (error) {
        if (!(error instanceof InputError)) throw error;
        bad.set(index, { file: name, reason: error.problem.found });
      }
    }
    return undefined;
  }

  async function build(step: number): Promise<Batch> {
    const images = free.pop() ?? new Float32Array(new SharedArrayBuffer(4 * batch * pixels));
    const bad = new Map<number, BadFile>();
    const draws = sampler.batch(step);
    const chosen: (number | undefined)[] = [];
    await eachSlot(batch, async (slot) => {
      const out = images.subarray(slot * pixels, (slot + 1) * pixels);
      chosen[slot] = await fillSlot(step, slot, draws[slot], out, bad);
    });
    const used = new Set(chosen.filter((index) => index !== undefined));
    refuseBadSource(bad, used.size + bad.size, source.length);
    const names = chosen.map((index, slot) => {
      if (index !== undefined) return source.name(index);
      const found = `${MAX_ATTEMPTS} bad images in a row`;
      throw new InputError({ where: source.name(draws[slot].index), expected: "an image or a replacement", found });
    });
    const skipped = [...bad].sort(([a], [b]) => a - b).map(([, file]) => file);
    return { images, names, skipped, release: once(() => free.push(images)) };
  }

  function start(step: number): Promise<Batch> {
    let batchOfStep = pending.get(step);
    if (!batchOfStep) {
      batchOfStep = build(step);
      batchOfStep.catch(() => {}); // reported to whoever loads this step, if anyone does
      pending.set(step, batchOfStep);
    }
    return batchOfStep;
  }

  return {
    async load(step) {
      if (disposed) throw new Error("load: the loader was disposed of");
      for (const [other, unused] of pending) {
        if (other >= step && other <= step + prefetch) continue;
        pending.delete(other);
        unused.then((b) => b.release()).catch(() => {});
      }
      const ready = await start(step).finally(() => pending.delete(step));
      for (let ahead = 1; ahead <= prefetch && !disposed; ahead++) start(step + ahead);
      return ready;
    },
    async dispose() {
      disposed = true;
      await Promise.allSettled(pending.values());
      pending.clear();
      free.length = 0;
    },
  };
}

function once(action: () => void): () => void {
  let done = false;
  return () => {
    if (!done) action();
    done = true;
  };
}
