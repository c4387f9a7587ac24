/** @file JSON files of many images: written piece by piece, as they may be longer than memory or a string allow. */

import { type Write, writeFileAtomic } from "../../io/atomic-file.js";
import type { Piece, Spool } from "../../io/spool.js";

/** A list whose items, or runs of items with commas between them, lie in a spool. */
export class SpooledList {
  constructor(
    private readonly spool: Spool,
    private readonly pieces: readonly Piece[],
  ) {}

  async write(write: Write): Promise<void> {
    const text = (value: string) => write(new TextEncoder().encode(value));
    const items = this.pieces.filter(({ length }) => length > 0);
    await text("[");
    for (const [i, piece] of items.entries()) {
      await text(i > 0 ? ",\n" : "\n");
      await write(await this.spool.read(piece));
    }
    await text(items.length > 0 ? "\n]" : "]");
  }
}

/** Members of an object by name: lists in a spool, and plain values; undefined ones are left out. */
export type Members = Readonly<Record<string, unknown>>;

/** Writes a list, or an object one member a line. @throws InputError when the file cannot be written */
export async function writeJsonFile(path: string, content: SpooledList | Members): Promise<void> {
  await writeFileAtomic(path, async (write) => {
    const text = (value: string) => write(new TextEncoder().encode(value));
    if (content instanceof SpooledList) await content.write(write);
    else {
      const members = Object.entries(content).filter(([, value]) => value !== undefined);
      await text("{");
      for (const [i, [name, value]] of members.entries()) {
        await text(`${i > 0 ? "," : ""}\n${JSON.stringify(name)}: `);
        if (value instanceof SpooledList) await value.write(write);
        else await text(JSON.stringify(value));
      }
      await text("\n}");
    }
    await text("\n");
  });
}
