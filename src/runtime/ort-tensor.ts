/**
 * @file Tensors as ONNX Runtime sees them (OrtValue): over shared memory on the CPU, in buffers of the provider on a
 * GPU.
 */

import type { LimitFunction } from "p-limit";
import { memoryFault } from "../core/out-of-memory.js";
import {
  BYTES,
  type DType,
  isShared,
  type Shape,
  sizeOf,
  type TensorData,
  type TypedArray,
  viewAs,
  zeros,
} from "../core/tensor-data.js";
import { ELEMENT_TYPE } from "../onnx/protobuf.js";
import type { DeviceTensor } from "./contract.js";
import { ORT } from "./ort-api.js";
import { ort } from "./ort-library.js";

export interface OrtTensor<T extends DType = DType> extends DeviceTensor<T> {
  /** OrtValue*. */
  readonly value: bigint;
}

/** Where a runtime's tensors live. */
export interface Memory {
  allocate<T extends DType>(dtype: T, shape: Shape): OrtTensor<T>;
  upload<T extends DType>(values: TensorData<T>): Promise<OrtTensor<T>>;
  view<T extends DType>(tensor: DeviceTensor<T>, offset: number, shape: Shape): OrtTensor<T> | undefined;
  dispose(): void;
}

/** e.g. `float32[2,3]`. */
export function describe({ dtype, shape }: { readonly dtype: DType; readonly shape: Shape }): string {
  return `${dtype}[${shape}]`;
}

function requireSame(where: string, wanted: DeviceTensor, source: TensorData): void {
  if (describe(wanted) !== describe(source) || source.data.length !== sizeOf(wanted.shape)) {
    throw new RangeError(
      `${where}: expected ${describe(wanted)}, found ${describe(source)} of ${source.data.length} values`,
    );
  }
}

/**
 * Throws OutOfMemoryError in place of the error with which `job`, which wants memory for such a tensor, is refused it.
 */
function allocating<T>(tensor: Pick<TensorData, "dtype" | "shape">, job: () => T): T {
  try {
    return job();
  } catch (error) {
    throw memoryFault(error as Error, describe(tensor), sizeOf(tensor.shape) * BYTES[tensor.dtype]);
  }
}

/** Zeros in memory of their own. */
function zerosOf<T extends DType>(dtype: T, shape: Shape): TensorData<T> {
  return allocating({ dtype, shape }, () => zeros(dtype, shape));
}

let hostInfo: bigint | undefined;

/** An OrtValue over the memory of `tensor`, which must outlive it. */
function wrapHost({ dtype, shape, data }: TensorData): bigint {
  hostInfo ??= ort().create("CreateCpuMemoryInfo", ORT.DEVICE_ALLOCATOR, ORT.MEMORY_DEFAULT);
  const dims = BigInt64Array.from(shape, BigInt);
  const type = ELEMENT_TYPE[dtype];
  return ort().create("CreateTensorWithDataAsOrtValue", hostInfo, data, data.byteLength, dims, dims.length, type);
}

const bytesOf = ({ buffer, byteOffset, byteLength }: TypedArray) => new Uint8Array(buffer, byteOffset, byteLength);

/** A tensor whose memory is `tensor.data`, read and written in place by TypeScript and by the library alike. */
function hostTensor<T extends DType>(tensor: TensorData<T>): OrtTensor<T> {
  const value = wrapHost(tensor);
  return {
    ...tensor,
    value,
    async write(source) {
      requireSame("write", this, source);
      bytesOf(tensor.data).set(bytesOf(source.data));
    },
    async read() {
      const copy = zerosOf(tensor.dtype, tensor.shape);
      bytesOf(copy.data).set(bytesOf(tensor.data));
      return copy;
    },
    dispose: () => ort().release("ReleaseValue", value),
  };
}

/** A tensor of `values` in memory of its own. */
async function copied<T extends DType>({ allocate }: Pick<Memory, "allocate">, values: TensorData<T>) {
  const tensor = allocate(values.dtype, values.shape);
  await tensor.write(values);
  return tensor;
}

/** Tensors in SharedArrayBuffers. */
export function hostMemory(): Memory {
  const allocate: Memory["allocate"] = (dtype, shape) => hostTensor(zerosOf(dtype, shape));
  return {
    allocate,
    async upload(values) {
      return isShared(values.data.buffer) ? hostTensor(values) : copied({ allocate }, values);
    },
    view({ dtype, data }, offset, shape) {
      if (!data) throw new RangeError("view: expected a tensor of the CPU, found one of a GPU");
      const start = data.byteOffset + offset * BYTES[dtype];
      return hostTensor({ dtype, shape, data: viewAs(dtype, data.buffer, start, sizeOf(shape)) });
    },
    dispose() {},
  };
}

/**
 * Tensors in a GPU's memory. `session` is one of the provider's, `memoryName` the name of its memory; copies take their
 * turn in `gate`, with the runs. Allocate before the first run: neither provider promises to allocate beside one.
 */
export function deviceMemory(session: bigint, memoryName: string, gate: LimitFunction): Memory {
  const { call, create, release, env } = ort();
  const info = create("CreateMemoryInfo", memoryName, ORT.DEVICE_ALLOCATOR, 0, ORT.MEMORY_DEFAULT);
  const allocator = create("CreateAllocator", session, info);

  // On this thread: beside a copy on another one, the provider crashes when a tensor is allocated.
  const copy = (from: bigint, to: bigint) =>
    call("CopyTensors", env, BigUint64Array.of(from), BigUint64Array.of(to), null, 1);
  /** Memory that the library knows by address only: kept from the garbage collector meanwhile. */
  const pinned = new Set<TensorData>();
  const withHost = <T extends TensorData>(host: T, job: (value: bigint) => void): T => {
    pinned.add(host);
    const value = wrapHost(host);
    try {
      job(value);
      return host;
    } finally {
      release("ReleaseValue", value);
      pinned.delete(host);
    }
  };

  const allocate = <T extends DType>(dtype: T, shape: Shape): OrtTensor<T> => {
    const dims = BigInt64Array.from(shape, BigInt);
    const value = allocating({ dtype, shape }, () =>
      create("CreateTensorAsOrtValue", allocator, dims, dims.length, ELEMENT_TYPE[dtype]),
    );
    withHost(zerosOf(dtype, shape), (host) => copy(host, value)); // buffers are recycled
    return {
      dtype,
      shape,
      data: undefined,
      value,
      async write(source) {
        requireSame("write", this, source);
        await gate(async () => withHost(source, (host) => copy(host, value)));
      },
      async read() {
        return gate(async () => withHost(zerosOf(dtype, shape), (host) => copy(value, host)));
      },
      dispose: () => release("ReleaseValue", value),
    };
  };
  return {
    allocate,
    upload: (values) => copied({ allocate }, values),
    view: () => undefined,
    dispose() {
      release("ReleaseAllocator", allocator);
      release("ReleaseMemoryInfo", info);
    },
  };
}
