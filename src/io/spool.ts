/** @file Text that waits in a file, not in memory, until everything is known and it can be put in its place. */

import { open } from "node:fs/promises";
import { withTemporary } from "./atomic-file.js";
import { fileFault } from "./file-fault.js";

/** Where a text lies in the spool, in bytes. */
export interface Piece {
  readonly at: number;
  readonly length: number;
}

export interface Spool {
  /** Stores a text; several may be on their way at once. */
  add(text: string): Promise<Piece>;
  /** The UTF-8 bytes of a text. */
  read(piece: Piece): Promise<Uint8Array>;
}

/**
 * Runs `work` with a spool in a folder; its file is gone when `work` ends, or at the folder's next clean-up when the
 * process is killed.
 * @throws InputError naming `name` in the folder when the disk is full or refuses
 */
export function withSpool<T>(path: string, work: (spool: Spool) => Promise<T>): Promise<T> {
  const guarded = (error: unknown) => {
    throw fileFault(error, path, "a file that can be written");
  };
  return withTemporary(path, async (temporary) => {
    const file = await open(temporary, "wx+").catch(guarded);
    let end = 0;
    try {
      return await work({
        async add(text) {
          const bytes = new TextEncoder().encode(text);
          const piece = { at: end, length: bytes.length };
          end += bytes.length;
          for (let done = 0; done < bytes.length; ) {
            done += (await file.write(bytes, done, bytes.length - done, piece.at + done).catch(guarded)).bytesWritten;
          }
          return piece;
        },
        async read({ at, length }) {
          const bytes = new Uint8Array(length);
          for (let done = 0; done < length; ) {
            const { bytesRead } = await file.read(bytes, done, length - done, at + done).catch(guarded);
            if (bytesRead === 0) throw new RangeError(`spool: expected ${at + length} bytes, found ${at + done}`);
            done += bytesRead;
          }
          return bytes;
        },
      });
    } finally {
      await file.close();
    }
  });
}
