/**
 * @file The part of ONNX Runtime's C API that this project calls, as data.
 * `struct OrtApi` is a table of function pointers to which versions only append; a row gives a function's place in it.
 * https://onnxruntime.ai/docs/api/c/struct_ort_api.html
 */

/** The oldest version of the table that holds every row below. */
export const ORT_API_VERSION = 24;

const POINTER = "void *";
const TEXT = "const char *";

interface Signature {
  readonly index: number;
  readonly result: string;
  readonly parameters: readonly string[];
}

/** A function that reports failure by returning an OrtStatus; null is success. */
function fallible(index: number, ...parameters: string[]): Signature {
  return { index, result: POINTER, parameters };
}

function release(index: number): Signature {
  return { index, result: "void", parameters: [POINTER] };
}

/** Arrays and results that the library writes are plain pointers here: the caller passes a typed array. */
export const ORT_FUNCTIONS = {
  GetErrorMessage: { index: 2, result: TEXT, parameters: [POINTER] },
  GetBuildInfoString: { index: 254, result: TEXT, parameters: [] },
  CreateEnv: fallible(3, "int", TEXT, POINTER),
  DisableTelemetryEvents: fallible(6, POINTER),
  CreateSessionFromArray: fallible(8, POINTER, POINTER, "size_t", POINTER, POINTER),
  Run: fallible(9, POINTER, POINTER, POINTER, POINTER, "size_t", POINTER, "size_t", POINTER),
  CreateSessionOptions: fallible(10, POINTER),
  SetSessionExecutionMode: fallible(13, POINTER, "int"),
  DisableMemPattern: fallible(17, POINTER),
  SetSessionGraphOptimizationLevel: fallible(23, POINTER, "int"),
  SetIntraOpNumThreads: fallible(24, POINTER, "int"),
  SetInterOpNumThreads: fallible(25, POINTER, "int"),
  CreateTensorAsOrtValue: fallible(48, POINTER, POINTER, "size_t", "int", POINTER),
  CreateTensorWithDataAsOrtValue: fallible(49, POINTER, POINTER, "size_t", POINTER, "size_t", "int", POINTER),
  CreateMemoryInfo: fallible(68, TEXT, "int", "int", "int", POINTER),
  CreateCpuMemoryInfo: fallible(69, "int", "int", POINTER),
  ReleaseStatus: release(93),
  ReleaseMemoryInfo: release(94),
  ReleaseSession: release(95),
  ReleaseValue: release(96),
  ReleaseSessionOptions: release(100),
  AddSessionConfigEntry: fallible(130, POINTER, TEXT, TEXT),
  CreateAllocator: fallible(131, POINTER, POINTER, POINTER),
  ReleaseAllocator: release(132),
  CreateAndRegisterAllocator: fallible(144, POINTER, POINTER, POINTER),
  CreateArenaCfg: fallible(156, "size_t", "int", "int", "int", POINTER),
  ReleaseArenaCfg: release(157),
  SessionOptionsAppendExecutionProvider_CUDA_V2: fallible(204, POINTER, POINTER),
  CreateCUDAProviderOptions: fallible(205, POINTER),
  ReleaseCUDAProviderOptions: release(208),
  SessionOptionsAppendExecutionProvider: fallible(216, POINTER, TEXT, POINTER, POINTER, "size_t"),
  CopyTensors: fallible(386, POINTER, POINTER, POINTER, POINTER, "size_t"),
  Session_GetEpGraphAssignmentInfo: fallible(407, POINTER, POINTER, POINTER),
  EpAssignedSubgraph_GetEpName: fallible(408, POINTER, POINTER),
  EpAssignedSubgraph_GetNodes: fallible(409, POINTER, POINTER, POINTER),
  EpAssignedNode_GetOperatorType: fallible(412, POINTER, POINTER),
} as const satisfies Record<string, Signature>;

export type OrtFunction = keyof typeof ORT_FUNCTIONS;

/** Enumeration values of the C API. */
export const ORT = {
  LOG_FATAL: 4,
  EXECUTION_SEQUENTIAL: 0,
  OPTIMIZE_NONE: 0,
  OPTIMIZE_ALL: 99,
  DEVICE_ALLOCATOR: 0,
  ARENA_ALLOCATOR: 1,
  MEMORY_DEFAULT: 0,
  /** An arena grows by what is asked for, not to the next power of two. */
  EXTEND_AS_REQUESTED: 1,
  /** Leaves a number of the arena's to the library. */
  ARENA_DEFAULT: -1,
} as const;
