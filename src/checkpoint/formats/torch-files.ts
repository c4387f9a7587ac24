/** @file What `torch.save` writes: a zip archive since version 1.6, a row of pickles and storages before. */

import { type ByteSource, damaged, section } from "./byte-source.js";
import { PickleInput } from "./pickle-input.js";
import { PickleDict, PickleList } from "./pickle-values.js";
import { readPickle } from "./read-pickle.js";
import { resolveTorch, type StorageBytes, storageOf } from "./torch-tensors.js";
import { readZipDirectory, recordSource, recordStore } from "./zip-reader.js";

/** A pickle's root object, and what its tensors need to be read. */
export interface PickleFile {
  readonly root: unknown;
  readonly bigEndian: boolean;
}

/** First pickle of the older format. */
export const LEGACY_MAGIC = 0x1950a86a20f9469cfc6cn;
const LEGACY_VERSION = 1001;

/** `NAME/data.pkl`, `NAME/data/0`, ..., perhaps `NAME/byteorder`. Throws `InputError`. */
export function readTorchZip(source: ByteSource): PickleFile {
  const records = readZipDirectory(source);
  const found = [...records.keys()].filter((name) => /^[^/]+\/data\.pkl$/.test(name));
  if (found.length !== 1) {
    throw damaged(source.path, `a zip archive of ${records.size} records`, "one that torch.save wrote (NAME/data.pkl)");
  }
  const folder = found[0].slice(0, -"data.pkl".length);
  const storages = new Map<string, StorageBytes>();
  const bytesOf = (key: string): StorageBytes => {
    const known = storages.get(key);
    if (known) return known;
    const record = records.get(`${folder}data/${key}`);
    const storage: StorageBytes = record
      ? { key, store: recordStore(source, record) }
      : { key, store: undefined, missing: `no record data/${key} in the archive` };
    storages.set(key, storage);
    return storage;
  };
  const order = records.get(`${folder}byteorder`);
  const orderText = order ? recordText(recordSource(source, order)) : "little";
  const input = new PickleInput(recordSource(source, records.get(found[0])!));
  const root = readPickle(input, { resolve: resolveTorch, persistent: (id) => storageOf(id, bytesOf) });
  return { root, bigEndian: orderText === "big" };
}

function recordText(source: ByteSource): string {
  const bytes = Buffer.alloc(Math.min(source.size, 16));
  source.readSync(bytes, 0);
  return bytes.toString("latin1").trim();
}

/**
 * The older format, behind its first pickle (the magic number): version, system, the object, the keys of the storages;
 * then for each of them its number of elements and its bytes. Throws `InputError`.
 */
export function readTorchLegacy(input: PickleInput): PickleFile {
  const { source } = input;
  const storages = new Map<string, { bytes: StorageBytes; unit: number }>();
  const bytesOf = (key: string) => storages.get(key)?.bytes ?? { key, store: undefined };
  const context = { resolve: resolveTorch };
  const version = readPickle(input, context);
  if (version !== LEGACY_VERSION) throw damaged(source.path, `version ${String(version)} of PyTorch's older format`);
  const system = readPickle(input, context);
  const root = readPickle(input, {
    ...context,
    persistent(id) {
      const storage = storageOf(id, bytesOf);
      const known = storage && storages.get(storage.bytes.key);
      if (storage && !known) storages.set(storage.bytes.key, { bytes: storage.bytes, unit: storage.type?.bytes ?? 1 });
      return storage;
    },
  });
  const keys = readPickle(input, context);
  for (const key of keys instanceof PickleList ? keys.items : []) {
    const storage = storages.get(String(key));
    const found = storage
      ? placeStorage(input, storage.bytes, storage.unit)
      : `a storage ${String(key)} without a tensor`;
    if (found) {
      if (!storage) throw damaged(source.path, found);
      break; // the file ends here; whichever tensor needs the rest says so
    }
  }
  for (const { bytes } of storages.values()) {
    if (!bytes.store) bytes.missing = `no bytes: the file ends at byte ${source.size}, before its storage ${bytes.key}`;
  }
  return { root, bigEndian: system instanceof PickleDict && system.get("little_endian") === false };
}

/** Finds the next storage in the file; returns what is wrong when the file ends before it does. */
function placeStorage(input: PickleInput, storage: StorageBytes, unit: number): string | undefined {
  const { source } = input;
  if (input.position + 8 > source.size) return "the end of the file";
  const bytes = input.u64() * unit;
  const begin = input.position;
  if (!(begin + bytes <= source.size)) return "the end of the file";
  input.skip(bytes);
  const part = section(source, begin, bytes);
  storage.store = { length: bytes, read: (target, at) => part.read(target, at) };
  return undefined;
}
