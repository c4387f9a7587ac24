/** @file Compiled networks by padded size: as many as memory allows, the least recently used one goes first. */

import type { Size } from "../core/image.js";
import type { OwnInput } from "../families/training.js";
import type { DeviceTensor, Program, Runtime } from "../runtime/contract.js";

/** The tensors of one image on its way through a program. */
export interface Slot {
  readonly image: DeviceTensor<"float32">;
  readonly logits: DeviceTensor<"float32">;
  readonly masks: DeviceTensor<"float32">;
  /** Inputs of the family's own by name. */
  readonly own: ReadonlyMap<string, DeviceTensor>;
}

export interface OpenProgram {
  readonly program: Program;
  readonly slot: Slot;
}

interface Entry {
  readonly program: Promise<Program>;
  readonly slots: Slot[];
  users: number;
}

export interface ProgramCache {
  /** Lends the program of a size and a slot of it to `use`, compiling it where it is not there. */
  with<T>(size: Size, use: (open: OpenProgram) => Promise<T>): Promise<T>;
  /** Nothing may be lent out. */
  dispose(): void;
}

export interface CacheOptions {
  /** Programs that are kept while nobody uses them; those in use may be more. */
  readonly capacity: number;
  readonly queries: number;
  /** Classes and "no object". */
  readonly logits: number;
  /** Inputs of the family's own by name. */
  readonly own: ReadonlyMap<string, OwnInput>;
  compile(size: Size): Promise<Program>;
}

export function createProgramCache(
  runtime: Runtime,
  { capacity, queries, logits, own, compile }: CacheOptions,
): ProgramCache {
  /** The most recently used last. */
  const entries = new Map<string, Entry>();

  const allocateSlot = ({ width, height }: Size): Slot => ({
    image: runtime.allocate("float32", [1, 3, height, width]),
    logits: runtime.allocate("float32", [1, queries, logits]),
    masks: runtime.allocate("float32", [1, queries, height / 4, width / 4]),
    own: new Map([...own].map(([name, { dtype, shape }]) => [name, runtime.allocate(dtype, shape)])),
  });

  async function drop(key: string): Promise<void> {
    const entry = entries.get(key)!;
    entries.delete(key);
    for (const { image, logits, masks, own } of entry.slots) {
      for (const tensor of [image, logits, masks, ...own.values()]) tensor.dispose();
    }
    (await entry.program).dispose();
  }

  async function makeRoom(): Promise<void> {
    for (const [key, { users }] of [...entries]) {
      if (entries.size <= capacity) return;
      if (users === 0) await drop(key);
    }
  }

  return {
    async with(size, use) {
      const key = `${size.width}x${size.height}`;
      const entry = entries.get(key) ?? { program: compile(size), slots: [], users: 0 };
      entries.delete(key);
      entries.set(key, entry);
      entry.users++;
      let slot: Slot | undefined;
      try {
        await makeRoom();
        const program = await entry.program;
        slot = entry.slots.pop() ?? allocateSlot(size);
        return await use({ program, slot });
      } catch (error) {
        // One that did not compile is not kept.
        if (!slot) entries.delete(key);
        throw error;
      } finally {
        entry.users--;
        if (slot) entry.slots.push(slot);
      }
    },
    dispose() {
      for (const key of [...entries.keys()]) void drop(key);
    },
  };
}
