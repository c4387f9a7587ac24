/** @file The machinery of every loader: draws by step, replacement of bad images, batches made ahead of their use. */
import { eachOf } from "../core/concurrency.js";
import { InputError } from "../core/errors.js";
import { range } from "../core/range.js";
import { createSampler, type Draw } from "./sampler.js";
import type { BadFile, ImageSource } from "./source.js";

/** What every batch has besides its content. */
export interface BatchRecord {
  /** Name of the image in each slot. */
  readonly names: readonly string[];
  /** Images that had to be replaced, each once; empty when all went well. */
  readonly skipped: readonly BadFile[];
  /**
   * Gives the batch's memory back for a later one; do not touch it afterwards. Without it, memory waits for the garbage
   * collector.
   */
  release(): void;
}

export interface Loader<B> {
  /**
   * The batch of a step: a pure function of (seed, step) and the files, in whatever order steps are asked for.
   * @throws InputError when more than half of the images tried are bad; `Error` after `dispose`.
   */
  load(step: number): Promise<B>;
  /** Stops prefetching and waits for what is in flight. */
  dispose(): Promise<void>;
}

/** The memory of one batch while it is being filled. */
export interface Assembly<C> {
  readonly content: C;
  /**
   * Puts an image of the source into a slot; called again for the same slot after a failure.
   * @throws InputError when the image is bad and another must take its place
   */
  fill(slot: number, index: number): Promise<void>;
  /** Makes the memory available to later batches; called at most once. */
  release(): void;
}

export interface BatchesOptions<C> {
  source: ImageSource;
  seed: number;
  /** Images a batch. */
  batch: number;
  /** Batches to make ahead. */
  prefetch: number;
  /** Takes memory for the batch of a step. */
  assemble(step: number): Assembly<C>;
  /** Drops the memory that waits for later batches. */
  dispose(): void;
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

/** Why an image is bad; names the file at fault where that is another one, its labels'. */
function reasonOf({ problem: { where, expected, found } }: InputError, name: string): string {
  return where === name ? found : `${where}: ${found} in place of ${expected}`;
}

/**
 * A loader over any source and content. An image that cannot be used is replaced by the next usable one in its epoch's
 * order (`Sampler.replacement`) and listed in `skipped`: what a slot gets depends only on (seed, step, slot) and on
 * which files are bad, so a resumed run sees the same batches.
 * @throws InputError when the source is empty
 */
export function createBatches<C>(options: BatchesOptions<C>): Loader<C & BatchRecord> {
  type B = C & BatchRecord;
  const { source, seed, batch, prefetch, assemble } = options;
  if (source.length === 0) throw new InputError({ where: "the images", expected: "at least one", found: "none" });
  const sampler = createSampler({ seed, batchSize: batch, length: source.length });
  const pending = new Map<number, Promise<B>>();
  let disposed = false;

  async function fillSlot(assembly: Assembly<C>, slot: number, first: Draw, bad: Map<number, BadFile>) {
    for (let attempt = 0; attempt < Math.min(source.length, MAX_ATTEMPTS); attempt++) {
      const { index } = attempt === 0 ? first : sampler.replacement(first, attempt);
      try {
        await assembly.fill(slot, index);
        return index;
      } catch (error) {
        if (!(error instanceof InputError)) throw error;
        const name = source.name(index);
        bad.set(index, { file: name, reason: reasonOf(error, name) });
      }
    }
    return undefined;
  }

  async function build(step: number): Promise<B> {
    const assembly = assemble(step);
    const bad = new Map<number, BadFile>();
    const draws = sampler.batch(step);
    const chosen: (number | undefined)[] = [];
    await eachOf(range(batch), PARALLEL, async (slot) => {
      chosen[slot] = await fillSlot(assembly, slot, draws[slot], bad);
    });
    const used = new Set(chosen.filter((index) => index !== undefined));
    refuseBadSource(bad, used.size + bad.size, source.length);
    const names = chosen.map((index, slot) => {
      if (index !== undefined) return source.name(index);
      const found = `${MAX_ATTEMPTS} bad images in a row`;
      throw new InputError({ where: source.name(draws[slot].index), expected: "an image or a replacement", found });
    });
    const skipped = [...bad].sort(([a], [b]) => a - b).map(([, file]) => file);
    return { ...assembly.content, names, skipped, release: once(() => assembly.release()) };
  }

  function start(step: number): Promise<B> {
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
      options.dispose();
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
