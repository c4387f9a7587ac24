/** @file Model bytes to an ONNX Runtime session (OrtSession), with the settings that training needs. */
import type { Device } from "./contract.js";
import { ORT } from "./ort-api.js";
import { ort } from "./ort-library.js";
import { RECORD_PLACEMENT } from "./ort-placement.js";
import { appendProvider } from "./ort-provider.js";

export interface SessionSettings {
  readonly device: Device;
  readonly frozenWeights: boolean;
  readonly threads: number;
}

/**
 * - Spinning threads would steal the cores of the other runs.
 * - Common-subexpression elimination would undo the recomputation of activations, which trades time for memory.
 * - The fused addition and layer norm takes twice as long as the two nodes that it replaces.
 */
const CONFIG = {
  "session.intra_op.allow_spinning": "0",
  "session.inter_op.allow_spinning": "0",
  "optimization.disable_specified_optimizers": "CommonSubexpressionElimination;SkipLayerNormFusion",
  ...RECORD_PLACEMENT,
};

function sessionOptions({ device, frozenWeights, threads }: SessionSettings): bigint {
  const { call, create, release } = ort();
  const options = create("CreateSessionOptions");
  try {
    call("SetSessionExecutionMode", options, ORT.EXECUTION_SEQUENTIAL);
    call("SetIntraOpNumThreads", options, threads);
    call("SetInterOpNumThreads", options, 1);
    // Memory patterns double the arena when runs overlap.
    call("DisableMemPattern", options);
    // With frozen weights everything pays: folding, fusing, blocked layouts. A graph with gradients is left as it is:
    // fused nodes get new numbers, which undoes the order that frees activations early (a quarter more memory, no
    // faster).
    call("SetSessionGraphOptimizationLevel", options, frozenWeights ? ORT.OPTIMIZE_ALL : ORT.OPTIMIZE_NONE);
    for (const [key, value] of Object.entries(CONFIG)) call("AddSessionConfigEntry", options, key, value);
    // Networks for prediction come and go with the sizes of images: an arena of their own goes with them. The programs
    // of a training stay, run in turn and share one.
    call("AddSessionConfigEntry", options, "session.use_env_allocators", frozenWeights ? "0" : "1");
    appendProvider(device, options);
    return options;
  } catch (error) {
    release("ReleaseSessionOptions", options);
    throw error;
  }
}

/** Compiles the bytes of a model. Throws Error with the library's words; of the provider when the device is missing. */
export async function openSession(bytes: Uint8Array, settings: SessionSettings): Promise<bigint> {
  const options = sessionOptions(settings);
  try {
    const session = new BigUint64Array(1);
    await ort().callAsync("CreateSessionFromArray", ort().env, bytes, bytes.byteLength, options, session);
    return session[0];
  } finally {
    ort().release("ReleaseSessionOptions", options);
  }
}

/** The same on this thread: nothing else of it runs meanwhile. */
export function openSessionHere(bytes: Uint8Array, settings: SessionSettings): bigint {
  const options = sessionOptions(settings);
  try {
    return ort().create("CreateSessionFromArray", ort().env, bytes, bytes.byteLength, options);
  } finally {
    ort().release("ReleaseSessionOptions", options);
  }
}
