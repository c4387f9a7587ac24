/**
 * @file What `torch.save` wrote before PyTorch 0.2: a tar archive of `storages` and `tensors`, each a row of pickles
 * and
 * raw numbers, and of `pickle`, the object, which names tensors by their keys. Format: `legacy_load` in
 * torch/serialization.py
 */

import { type ByteSource, damaged, section } from "./byte-source.js";
import { PickleInput } from "./pickle-input.js";
import { PickleGlobal, PickleList, PickleTuple } from "./pickle-values.js";
import { readPickle } from "./read-pickle.js";
import { readTar } from "./tar-reader.js";
import type { PickleFile } from "./torch-files.js";
import { elementOf, resolveTorch, type StorageBytes, TorchStorage, TorchTensor } from "./torch-tensors.js";

/** Archives hold some thousand. */
const MAX_COUNT = 1_000_000;
const MAX_AXES = 64;
const CONTEXT = { resolve: resolveTorch };

/** A row of pickles and numbers. */
class Row {
  readonly input: PickleInput;

  constructor(
    private readonly part: ByteSource,
    private readonly name: string,
  ) {
    this.input = new PickleInput(part);
  }

  fail(found: string) {
    return damaged(this.part.path, `${found} at byte ${this.input.position} of its record "${this.name}"`);
  }

  count(): number {
    const value = readPickle(this.input, CONTEXT);
    if (typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= MAX_COUNT) return value;
    throw this.fail("no number of what follows");
  }

  tuple(length: number): readonly unknown[] {
    const value = readPickle(this.input, CONTEXT);
    if (value instanceof PickleTuple && value.items.length === length) return value.items;
    throw this.fail(`no tuple of ${length}`);
  }

  numbers(count: number): number[] {
    return Array.from({ length: count }, () => this.input.u64());
  }

  /** The next bytes, which stay in the file. */
  bytes(length: number, key: string): StorageBytes {
    const begin = this.input.position;
    this.input.skip(length);
    const place = section(this.part, begin, length);
    return { key, store: { length, read: (target, at) => place.read(target, at) } };
  }
}

/** Keys are addresses in the memory of the program that wrote the file. */
const keyOf = (value: unknown) => String(value);

/** Number of storages; for each its key, place and class, its length, and its bytes; then the list of its views. */
function readStorages(row: Row): Map<string, TorchStorage> {
  const storages = new Map<string, TorchStorage>();
  for (let left = row.count(); left > 0; left--) {
    const [key, , type] = row.tuple(3);
    const element = type instanceof PickleGlobal ? elementOf(type) : undefined;
    if (!element) throw row.fail("a storage of an unknown class");
    const [elements] = row.numbers(1);
    const bytes = row.bytes(elements * element.bytes, keyOf(key));
    storages.set(keyOf(key), new TorchStorage(bytes, element, elements, 0));
  }
  const views = readPickle(row.input, CONTEXT);
  for (const view of views instanceof PickleList ? views.items : []) {
    if (!(view instanceof PickleTuple)) throw row.fail("a view that is no tuple");
    const [target, root, offset, size] = view.items;
    const whole = storages.get(keyOf(root));
    if (!whole || ![offset, size].every((n) => typeof n === "number" && n >= 0)) throw row.fail("a view of nothing");
    storages.set(keyOf(target), new TorchStorage(whole.bytes, whole.type, size as number, offset as number));
  }
  return storages;
}

/** Number of tensors; for each its key, storage and class, then axes, shape, strides and offset. */
function readTensors(row: Row, storages: ReadonlyMap<string, TorchStorage>): Map<string, TorchTensor> {
  const tensors = new Map<string, TorchTensor>();
  for (let left = row.count(); left > 0; left--) {
    const [key, storageKey] = row.tuple(3);
    const storage = storages.get(keyOf(storageKey));
    if (!storage) throw row.fail("a tensor without a storage");
    const axes = row.input.u32();
    row.input.skip(4);
    if (axes > MAX_AXES) throw row.fail(`a tensor of ${axes} axes`);
    const [shape, strides] = [row.numbers(axes), row.numbers(axes)];
    tensors.set(keyOf(key), new TorchTensor(storage, storage.type, row.numbers(1)[0], shape, strides));
  }
  return tensors;
}

/** The object of the archive, of which nothing is unpacked. @throws InputError */
export function readTorchTar(source: ByteSource): PickleFile {
  const records = readTar(source);
  const part = (name: string) => {
    const found = records.get(name);
    if (found) return found;
    throw damaged(source.path, `a tar archive without "${name}"`, "one that torch.save of before 0.2 wrote");
  };
  const tensors = readTensors(new Row(part("tensors"), "tensors"), readStorages(new Row(part("storages"), "storages")));
  const persistent = (id: unknown) => {
    // A module's class, with its source, in place of itself.
    if (id instanceof PickleTuple) return id.items[0];
    return tensors.get(keyOf(id));
  };
  const root = readPickle(new PickleInput(part("pickle")), { ...CONTEXT, persistent });
  return { root, bigEndian: false };
}
