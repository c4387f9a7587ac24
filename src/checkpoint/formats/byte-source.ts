/** @file Bytes that are read where and when they are needed: a file, a part of one, or memory. */

import { readSync } from "node:fs";
import { open, stat } from "node:fs/promises";
import { InputError } from "../../core/errors.js";
import { fileFault } from "../../io/file-fault.js";

/** One system call reads less than 2 GiB. */
const CHUNK = 2 ** 28;
/** Less than this is read at once: handing it to another thread takes longer. */
const SMALL = 2 ** 16;

export interface ByteSource {
  /** Of the file, for messages. */
  readonly path: string;
  readonly size: number;
  /** Fills `target` from `position` on. Throws `InputError` when the source ends before. */
  readSync(target: Uint8Array, position: number): void;
  /** The same without blocking the event loop. */
  read(target: Uint8Array, position: number): Promise<void>;
}

export interface OpenFile extends ByteSource {
  close(): Promise<void>;
}

/** A weights file that cannot be read as what it should be. */
export function damaged(
  path: string,
  found: string,
  expected = "a whole weights file",
  options?: ErrorOptions,
): InputError {
  const fix = "The file is damaged or of another format: copy or download it again.";
  return new InputError({ where: path, expected, found, fix }, options);
}

function endsEarly(path: string, size: number, position: number, wanted: number): InputError {
  return damaged(path, `its end at byte ${size}, where ${wanted} bytes from byte ${position} on belong`);
}

/** Opens a file for reading at any place. Throws `InputError`. */
export async function openFile(path: string): Promise<OpenFile> {
  const explained = (error: unknown) => fileFault(error, path, "a weights file that can be read");
  try {
    if (!(await stat(path)).isFile()) throw damaged(path, "a folder or device"); // opening a pipe would wait for ever
    const file = await open(path);
    const { size } = await file.stat();
    const check = (target: Uint8Array, position: number) => {
      if (position + target.length > size) throw endsEarly(path, size, position, target.length);
    };
    const progress = (done: number, bytesRead: number, target: Uint8Array, position: number) => {
      if (bytesRead === 0) throw endsEarly(path, position + done, position, target.length); // it shrank meanwhile
      return done + bytesRead;
    };
    const readNow = (target: Uint8Array, position: number) => {
      check(target, position);
      for (let done = 0; done < target.length; ) {
        const length = Math.min(CHUNK, target.length - done);
        done = progress(done, readSync(file.fd, target, done, length, position + done), target, position);
      }
    };
    return {
      path,
      size,
      readSync: readNow,
      async read(target, position) {
        if (target.length < SMALL) return readNow(target, position);
        check(target, position);
        for (let done = 0; done < target.length; ) {
          const length = Math.min(CHUNK, target.length - done);
          const { bytesRead } = await file.read(target, done, length, position + done);
          done = progress(done, bytesRead, target, position);
        }
      },
      close: () => file.close(),
    };
  } catch (error) {
    throw explained(error);
  }
}

/** `length` bytes of `source` from `begin` on; both must lie within it. */
export function section(source: ByteSource, begin: number, length: number): ByteSource {
  const check = (target: Uint8Array, position: number) => {
    if (position + target.length > length) throw endsEarly(source.path, length, position, target.length);
  };
  return {
    path: source.path,
    size: length,
    readSync(target, position) {
      check(target, position);
      source.readSync(target, begin + position);
    },
    async read(target, position) {
      check(target, position);
      await source.read(target, begin + position);
    },
  };
}

export function memorySource(path: string, bytes: Uint8Array): ByteSource {
  const readSync = (target: Uint8Array, position: number) => {
    if (position + target.length > bytes.length) throw endsEarly(path, bytes.length, position, target.length);
    target.set(bytes.subarray(position, position + target.length));
  };
  return { path, size: bytes.length, readSync, read: async (target, position) => readSync(target, position) };
}
