/** @file Weights files as PyTorch's `torch.save` and NumPy's pickles write them. */

import { crc32 } from "node:zlib";
import { InputError } from "../../core/errors.js";
import { type DType, sizeOf, type TensorData } from "../../core/tensor-data.js";
import { type Write, writeFileAtomic } from "../../io/atomic-file.js";
import { type Picklable, type PickledDict, pickle } from "./pickle-writer.js";
import { denseStrides } from "./stored-tensor.js";

export interface SavedModel {
  readonly tensors: ReadonlyMap<string, TensorData>;
  /** `_metadata` of the state dict: versions of modules by their name. */
  readonly versions?: ReadonlyMap<string, number>;
  /** What lies beside the state dict, which is then called `model`; without it the state dict is the whole file. */
  readonly beside?: readonly (readonly [string, Picklable])[];
}

const STORAGES: Record<DType, string> = {
  float32: "FloatStorage",
  float64: "DoubleStorage",
  int64: "LongStorage",
  int32: "IntStorage",
  uint8: "ByteStorage",
  bool: "BoolStorage",
};
const NUMPY_CODES: Record<DType, string> = {
  float32: "f4",
  float64: "f8",
  int64: "i8",
  int32: "i4",
  uint8: "u1",
  bool: "b1",
};

function rawBytes({ data }: TensorData): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

function rootOf({ tensors, versions, beside }: SavedModel, tensor: (data: TensorData) => Picklable): PickledDict {
  const entries = function* () {
    for (const [name, data] of tensors) yield [name, tensor(data)] as const;
  };
  const metadata: PickledDict | undefined = versions && {
    ordered: true,
    dict: [...versions].map(([module, version]) => [module, { dict: [["version", version]] }] as const),
  };
  const model: PickledDict = {
    ordered: true,
    dict: entries(),
    ...(metadata && { attributes: { dict: [["_metadata", metadata]] } }),
  };
  return beside ? { dict: [["model", model], ...beside] } : model;
}

/** Records larger than this would need zip64. */
const MAX_BYTES = 0xffff_ffff;
/** PyTorch maps records into memory, which wants them aligned. */
const ALIGNMENT = 64;

/** Writes small pieces together, large ones as they are. */
class GatheredWrites {
  private pending: Uint8Array[] = [];

  constructor(private readonly write: Write) {}

  async put(piece: Uint8Array): Promise<void> {
    if (piece.length < SMALL && this.pending.length < SMALL) this.pending.push(piece);
    else {
      await this.flush();
      await this.write(piece);
    }
  }

  async flush(): Promise<void> {
    if (this.pending.length > 0) await this.write(Buffer.concat(this.pending));
    this.pending = [];
  }
}
const SMALL = 2 ** 12;

/** Writes the records of a zip archive, none of them packed, and its directory. */
class ZipWriter {
  private offset = 0;
  private readonly directory: Uint8Array[] = [];
  private readonly pieces: GatheredWrites;

  constructor(
    write: Write,
    private readonly path: string,
  ) {
    this.pieces = new GatheredWrites(write);
  }

  private async put(bytes: Uint8Array): Promise<void> {
    await this.pieces.put(bytes);
    this.offset += bytes.length;
    if (this.offset > MAX_BYTES) {
      throw new InputError({
        where: this.path,
        expected: "weights of less than 4 GiB in a PyTorch file",
        found: `more`,
        fix: "Write a safetensors file.",
      });
    }
  }

  async record(name: string, content: Uint8Array): Promise<void> {
    const nameBytes = new TextEncoder().encode(name);
    const begin = this.offset;
    const padding = (ALIGNMENT - ((begin + 30 + nameBytes.length + 4) % ALIGNMENT)) % ALIGNMENT;
    const fields = Buffer.alloc(26); // from "version needed" to "length of the extra field", as both headers share it
    fields.writeUInt16LE(20, 0);
    fields.writeUInt16LE(0x0800, 2); // names are UTF-8
    fields.writeUInt16LE(0x21, 8); // 1 January 1980: equal weights make equal files
    fields.writeUInt32LE(crc32(content), 10);
    fields.writeUInt32LE(content.length, 14);
    fields.writeUInt32LE(content.length, 18);
    fields.writeUInt16LE(nameBytes.length, 22);
    const extra = Buffer.alloc(4 + padding, "Z");
    extra.write("FB", "latin1");
    extra.writeUInt16LE(padding, 2);
    const local = Buffer.from(fields);
    local.writeUInt16LE(extra.length, 24);
    await this.put(Buffer.concat([Buffer.from("PK\x03\x04", "latin1"), local, nameBytes, extra]));
    await this.put(content);
    const rest = Buffer.alloc(14);
    rest.writeUInt32LE(begin, 10);
    const start = Buffer.from("PK\x01\x02\x14\x00", "latin1");
    this.directory.push(Buffer.concat([start, fields, rest, nameBytes]));
  }

  async finish(): Promise<void> {
    const [begin, records] = [this.offset, this.directory.length];
    const directory = Buffer.concat(this.directory);
    await this.put(directory);
    const end = Buffer.alloc(22);
    end.write("PK\x05\x06", "latin1");
    end.writeUInt16LE(records, 8);
    end.writeUInt16LE(records, 10);
    end.writeUInt32LE(directory.length, 12);
    end.writeUInt32LE(begin, 16);
    await this.put(end);
    await this.pieces.flush();
  }
}

/** Writes what `torch.load` reads, also with `weights_only=True`. Throws `InputError`. */
export async function writeTorch(path: string, model: SavedModel): Promise<void> {
  const storages: TensorData[] = [];
  const root = rootOf(model, (tensor) => {
    const { dtype, shape } = tensor;
    const key = String(storages.push(tensor) - 1);
    const storage = { module: "torch", name: STORAGES[dtype] };
    const strides = denseStrides(shape);
    const view: Picklable[] = [
      { persistent: { tuple: ["storage", storage, key, "cpu", sizeOf(shape)] } },
      0,
      { tuple: shape },
      { tuple: strides },
      false,
      { call: { module: "collections", name: "OrderedDict" }, args: [] },
    ];
    return { call: { module: "torch._utils", name: "_rebuild_tensor_v2" }, args: view };
  });
  const bytes = Buffer.concat([...pickle(root, 2)]);
  await writeFileAtomic(path, async (write) => {
    const zip = new ZipWriter(write, path);
    await zip.record("archive/data.pkl", bytes);
    await zip.record("archive/byteorder", new TextEncoder().encode("little"));
    for (const [key, storage] of storages.entries()) await zip.record(`archive/data/${key}`, rawBytes(storage));
    await zip.record("archive/version", new TextEncoder().encode("3\n"));
    await zip.finish();
  });
}

/** Writes a pickle of NumPy arrays, as detectron2's model zoo has them. Throws `InputError`. */
export async function writeNumpyPickle(path: string, model: SavedModel): Promise<void> {
  const root = rootOf(model, (tensor) => {
    const { dtype, shape } = tensor;
    const code = NUMPY_CODES[dtype];
    const order = code.endsWith("1") ? "|" : "<";
    const array = { module: "numpy", name: "ndarray" };
    const type: Picklable = {
      call: { module: "numpy", name: "dtype" },
      args: [code, false, true],
      state: { tuple: [3, order, null, null, null, -1, -1, 0] },
    };
    return {
      call: { module: "numpy.core.multiarray", name: "_reconstruct" },
      args: [array, { tuple: [0] }, new TextEncoder().encode("b")],
      state: { tuple: [1, { tuple: shape }, type, false, rawBytes(tensor)] },
    };
  });
  await writeFileAtomic(path, async (write) => {
    const pieces = new GatheredWrites(write);
    for (const piece of pickle(root, 4)) await pieces.put(piece);
    await pieces.flush();
  });
}
