/** @file PyTorch tensors in pickles: views of storages, which the persistent ids of the pickle name. */

import { ELEMENT_TYPES, type ElementType } from "./element-type.js";
import { resolveNumpy } from "./numpy-arrays.js";
import { PickleGlobal, PickleTuple } from "./pickle-values.js";
import type { ByteStore, StridedTensor } from "./stored-tensor.js";

/** Where a storage's bytes lie. Shared by all views of it. */
export interface StorageBytes {
  /** As the file calls it. */
  readonly key: string;
  store: ByteStore | undefined;
  /** Why there is no store. */
  missing?: string;
}

/** A typed view of a storage, from a persistent id. */
export class TorchStorage {
  constructor(
    readonly bytes: StorageBytes,
    /** Undefined for untyped storages, which count bytes. */
    readonly type: ElementType | undefined,
    readonly elements: number,
    /** Of this view within the storage, in elements. */
    readonly begin: number,
  ) {}
}

export class TorchTensor {
  constructor(
    readonly storage: TorchStorage,
    readonly type: ElementType | undefined,
    private readonly offset: unknown,
    private readonly shape: readonly unknown[],
    private readonly strides: readonly unknown[],
  ) {}

  get axes(): number {
    return this.shape.length;
  }

  /** The tensor as strides over its storage, or what is wrong with it. */
  strided(bigEndian: boolean): StridedTensor | string {
    const { bytes, begin, elements } = this.storage;
    if (!this.type) return "elements of a type that is not read";
    if (!bytes.store) return bytes.missing ?? `no storage ${bytes.key}`;
    const unit = this.storage.type?.bytes ?? 1;
    const length = Math.min((begin + elements) * unit, bytes.store.length ?? 0);
    const offset = Number(this.offset) + (begin * unit) / this.type.bytes;
    const store = { length, read: bytes.store.read };
    const [shape, strides] = [this.shape.map(Number), this.strides.map(Number)];
    return { type: this.type, bigEndian, shape, strides, offset, store };
  }
}

const STORAGE_TYPES: Record<string, string | undefined> = {
  FloatStorage: "float32",
  DoubleStorage: "float64",
  HalfStorage: "float16",
  BFloat16Storage: "bfloat16",
  LongStorage: "int64",
  IntStorage: "int32",
  ShortStorage: "int16",
  CharStorage: "int8",
  ByteStorage: "uint8",
  BoolStorage: "bool",
};

const isTuple = (value: unknown): value is PickleTuple => value instanceof PickleTuple;

/** (storage, offset, shape, strides, ...) */
function rebuild([storage, offset, shape, strides]: readonly unknown[]): unknown {
  if (!(storage instanceof TorchStorage) || !isTuple(shape) || !isTuple(strides)) return undefined;
  return new TorchTensor(storage, storage.type, offset, shape.items, strides.items);
}

/** (storage, offset, shape, strides, gradient, hooks, dtype, ...): untyped storages */
function rebuildTyped([storage, offset, shape, strides, , , dtype]: readonly unknown[]): unknown {
  if (!(storage instanceof TorchStorage) || !isTuple(shape) || !isTuple(strides)) return undefined;
  const type = dtype instanceof PickleGlobal ? ELEMENT_TYPES.get(dtype.name.replace(/^torch\./, "")) : undefined;
  return new TorchTensor(storage, type, offset, shape.items, strides.items);
}

const rebuildParameter = ([tensor]: readonly unknown[]) => (tensor instanceof TorchTensor ? tensor : undefined);

/** (function, class, arguments, state): subclasses of tensors, read as the tensor that they are. */
function rebuildFromType([make, , args]: readonly unknown[], spend: (objects: number) => void): unknown {
  if (!(make instanceof PickleGlobal) || !isTuple(args) || make.name === REBUILD_FROM_TYPE) return undefined;
  return make.call?.(args.items, spend);
}
const REBUILD_FROM_TYPE = "torch._tensor._rebuild_from_type_v2";

const CALLS: Record<string, PickleGlobal["call"]> = {
  "torch._utils._rebuild_tensor": rebuild,
  "torch._utils._rebuild_tensor_v2": rebuild,
  "torch._utils._rebuild_tensor_v3": rebuildTyped,
  "torch._utils._rebuild_parameter": rebuildParameter,
  "torch._utils._rebuild_parameter_with_state": rebuildParameter,
  [REBUILD_FROM_TYPE]: rebuildFromType,
  "torch.Size": (args) => (isTuple(args[0]) ? args[0] : new PickleTuple(args)),
  "torch.device": (args) => args.join(":"),
  "torch.Tensor": undefined,
  "torch.nn.parameter.Parameter": undefined,
  "torch.nn.parameter.Buffer": undefined,
  "torch.storage.UntypedStorage": undefined,
  "torch.storage.TypedStorage": undefined,
};
for (const storage of Object.keys(STORAGE_TYPES)) {
  for (const name of [storage, storage.replace("Storage", "Tensor")]) {
    CALLS[`torch.${name}`] = undefined;
    CALLS[`torch.cuda.${name}`] = undefined;
  }
}
for (const name of [...ELEMENT_TYPES.keys(), "complex64", "complex128"]) CALLS[`torch.${name}`] = undefined;

const GLOBALS = new Map(Object.entries(CALLS).map(([name, call]) => [name, new PickleGlobal(name, call)]));

/** The allow-list of PyTorch's files: tensors, and whatever else may lie beside them as plain data. */
export function resolveTorch(name: string): PickleGlobal | undefined {
  return GLOBALS.get(name) ?? resolveNumpy(name);
}

/**
 * What ("storage", class, key, device, elements[, (view, offset, elements)]) stands for; undefined when it is none.
 * @param bytesOf finds or makes the bytes of a key
 */
export function storageOf(id: unknown, bytesOf: (key: string) => StorageBytes): TorchStorage | undefined {
  if (!isTuple(id)) return undefined;
  const [kind, type, key, , elements, view] = id.items;
  const size = isTuple(view) ? view.items[2] : elements;
  const begin = isTuple(view) ? view.items[1] : 0;
  if (kind !== "storage" || !(type instanceof PickleGlobal) || typeof key !== "string") return undefined;
  if (![size, begin].every((n) => typeof n === "number" && Number.isSafeInteger(n) && n >= 0)) return undefined;
  return new TorchStorage(bytesOf(key), elementOf(type), size as number, begin as number);
}

/** The elements of a storage by its class; undefined for untyped storages, and for what is not read. */
export function elementOf({ name }: PickleGlobal): ElementType | undefined {
  return ELEMENT_TYPES.get(STORAGE_TYPES[name.split(".").at(-1) ?? ""] ?? "");
}
