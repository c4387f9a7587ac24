/** @file Reading and writing safetensors files, one tensor at a time. */

import { createHash, type Hash } from "node:crypto";
import { type FileHandle, open, stat } from "node:fs/promises";
import { InputError, suggestion } from "../core/errors.js";
import type { Shape, TensorData } from "../core/tensor-data.js";
import { writeFileAtomic } from "../io/atomic-file.js";
import { fileFault } from "../io/file-fault.js";
import { denseStrides, readStrided } from "./formats/stored-tensor.js";
import {
  buildHeader,
  damaged,
  type Entry,
  type Header,
  inFileOrder,
  LENGTH_BYTES,
  parseHeader,
  parseLength,
  quote,
  STORED,
} from "./safetensors-header.js";

/** One system call reads less than 2 GiB. */
const CHUNK = 2 ** 28;

/** What tells a flipped byte: kept in the JSON state beside the file. */
export interface FileDigest {
  readonly bytes: number;
  /** Hexadecimal. */
  readonly sha256: string;
}

export interface SafetensorsFile {
  readonly path: string;
  /** What the header says, in its order. */
  readonly entries: ReadonlyMap<string, Entry>;
  /** Shapes by name, in the order of the header. */
  readonly shapes: ReadonlyMap<string, Shape>;
  readonly metadata: ReadonlyMap<string, string>;
  /** Reads one tensor into shared memory; other floating-point types become float32. Throws `InputError`. */
  tensor(name: string): Promise<TensorData>;
  /**
   * All tensors in the order of the header.
   * @param hash takes the bytes of the file, in their order
   * @throws InputError
   */
  readAll(hash?: Hash): Promise<Map<string, TensorData>>;
  close(): Promise<void>;
}

async function readExactly(file: FileHandle, target: Uint8Array, position: number, path: string): Promise<void> {
  for (let done = 0; done < target.length; ) {
    const { bytesRead } = await file.read(target, done, Math.min(CHUNK, target.length - done), position + done);
    if (bytesRead === 0) throw damaged(path, `its end at byte ${position + done}, after it was checked`);
    done += bytesRead;
  }
}

/** A header, and the bytes of the file that it is in. */
async function readHeader(file: FileHandle, path: string): Promise<{ header: Header; head: Uint8Array[] }> {
  const { size } = await file.stat();
  const prefix = new Uint8Array(Math.min(size, LENGTH_BYTES));
  await readExactly(file, prefix, 0, path);
  const json = new Uint8Array(parseLength(prefix, size, path));
  await readExactly(file, json, LENGTH_BYTES, path);
  return { header: parseHeader(json, size - LENGTH_BYTES - json.length, path), head: [prefix, json] };
}

async function readTensor(
  file: FileHandle,
  start: number,
  name: string,
  entry: Entry,
  path: string,
  seen: (bytes: Uint8Array) => void,
): Promise<TensorData> {
  const { stored, shape, begin, end } = entry;
  const type = STORED.get(stored)?.type;
  if (!type) {
    const readable = [...STORED].flatMap(([name, known]) => (known.type ? [name] : []));
    throw new InputError({ where: path, expected: `tensor ${quote(name)} as ${readable.join(", ")}`, found: stored });
  }
  const store = {
    length: end - begin,
    async read(target: Uint8Array, at: number) {
      await readExactly(file, target, start + begin + at, path);
      seen(target);
    },
  };
  return readStrided({ type, bigEndian: false, shape, strides: denseStrides(shape), offset: 0, store });
}

/**
 * Opens a safetensors file and checks its header against every rule of the format; tensors are read when asked for.
 * @throws InputError naming the file and the reason
 */
export async function openSafetensors(path: string): Promise<SafetensorsFile> {
  const guarded = async <T>(action: () => Promise<T>): Promise<T> => {
    try {
      return await action();
    } catch (error) {
      throw fileFault(error, path, "a safetensors file that can be read");
    }
  };
  const file = await guarded(async () => {
    if (!(await stat(path)).isFile()) throw damaged(path, "a folder or device"); // opening a pipe would wait for ever
    return open(path);
  });
  const { header, head } = await guarded(() => readHeader(file, path)).catch(async (error) => {
    await file.close();
    throw error;
  });
  const dataStart = LENGTH_BYTES + head[1].length;
  const tensor = async (name: string, seen: (bytes: Uint8Array) => void = () => {}) => {
    const entry = header.entries.get(name);
    if (entry) return guarded(() => readTensor(file, dataStart, name, entry, path, seen));
    const fix = suggestion(name, [...header.entries.keys()].slice(0, 1000));
    throw new InputError({ where: path, expected: `a tensor ${quote(name)}`, found: "no such tensor", fix });
  };
  return {
    path,
    entries: header.entries,
    shapes: new Map([...header.entries].map(([name, { shape }]) => [name, shape])),
    metadata: header.metadata,
    tensor: (name) => tensor(name),
    async readAll(hash) {
      const found = new Map<string, TensorData>();
      let read = head;
      const addRead = () => {
        for (const bytes of read) hash?.update(bytes);
      };
      for (const [name] of inFileOrder(header.entries)) {
        const next: Uint8Array[] = [];
        const reading = tensor(name, (bytes) => next.push(bytes)); // on another thread, while this one hashes
        addRead();
        found.set(name, await reading);
        read = next;
      }
      addRead();
      return new Map([...header.entries.keys()].map((name) => [name, found.get(name) as TensorData]));
    },
    close: () => file.close(),
  };
}

/**
 * Reads a whole file.
 * @param hash takes its bytes, in their order
 * @throws InputError
 */
export async function readSafetensors(path: string, hash?: Hash): Promise<Map<string, TensorData>> {
  const file = await openSafetensors(path);
  try {
    return await file.readAll(hash);
  } finally {
    await file.close();
  }
}

function bytesOf({ data }: TensorData): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/**
 * Writes tensors in the given order, straight from their memory, atomically. They must not change until the promise
 * settles.
 * @returns length and checksum of the file
 * @throws InputError when the file cannot be written; an earlier file then stays
 */
export async function writeSafetensors(
  path: string,
  tensors: ReadonlyMap<string, TensorData>,
  metadata: Record<string, string> = {},
): Promise<FileDigest> {
  const hash = createHash("sha256");
  let bytes = 0;
  await writeFileAtomic(path, async (write) => {
    const put = async (piece: Uint8Array) => {
      const written = write(piece); // on another thread, while this one hashes
      hash.update(piece);
      bytes += piece.length;
      await written;
    };
    await put(buildHeader(tensors, metadata));
    for (const tensor of tensors.values()) await put(bytesOf(tensor));
  });
  return { bytes, sha256: hash.digest("hex") };
}

/** Length and checksum of a file, read in pieces. Throws `InputError`. */
export async function digestFile(path: string): Promise<FileDigest> {
  const hash = createHash("sha256");
  let bytes = 0;
  try {
    const file = await open(path);
    try {
      const piece = new Uint8Array(2 ** 22);
      for (;;) {
        const { bytesRead } = await file.read(piece, 0, piece.length, null);
        if (bytesRead === 0) break;
        hash.update(piece.subarray(0, bytesRead));
        bytes += bytesRead;
      }
    } finally {
      await file.close();
    }
  } catch (error) {
    throw fileFault(error, path, "a file that can be read");
  }
  return { bytes, sha256: hash.digest("hex") };
}
