/** @file A graph compiled for a device, and its concurrent runs on libuv threads. */

import koffi from "koffi";
import type { LimitFunction } from "p-limit";
import { InputError } from "../core/errors.js";
import { memoryFault } from "../core/out-of-memory.js";
import { encodeModel, type OnnxModel, type OnnxNode, type OnnxValue } from "../onnx/protobuf.js";
import { aliasChecker } from "./alias.js";
import type { Bindings, CompileOptions, Device, Program } from "./contract.js";
import { releaseFreedMemory } from "./native-heap.js";
import { ort } from "./ort-library.js";
import { hostOperators } from "./ort-placement.js";
import { openSession, type SessionSettings } from "./ort-session.js";
import { describe, type OrtTensor } from "./ort-tensor.js";

/** On the CPU, threads inside ScatterND race on duplicate indices and lose updates; one thread is exact. */
function refuseRacingScatter(name: string, nodes: readonly OnnxNode[], { device, threads }: SessionSettings): void {
  const racing = nodes.find((node) => node.opType === "ScatterND" && node.attributes?.reduction === "add");
  if (device === "cpu" && threads > 1 && racing) {
    throw new RangeError(
      `${name}: expected threads = 1 for a graph with ScatterND reduction=add (${racing.outputs[0]}), found ` +
        `${threads}: ` +
        "on several threads ONNX Runtime loses updates of duplicate indices",
    );
  }
}

/** Zero-terminated UTF-8 strings in memory that does not move, and their addresses. */
function cStrings(names: readonly string[]): { bytes: Uint8Array; address: Map<string, bigint> } {
  const encoded = names.map((name) => Buffer.from(`${name}\0`));
  const bytes = new Uint8Array(new SharedArrayBuffer(encoded.reduce((sum, { length }) => sum + length, 1)));
  const start = koffi.address(bytes);
  const address = new Map<string, bigint>();
  let offset = 0;
  for (const [i, name] of names.entries()) {
    bytes.set(encoded[i], offset);
    address.set(name, start + BigInt(offset));
    offset += encoded[i].length;
  }
  return { bytes, address };
}

type Declared = ReadonlyMap<string, OnnxValue>;

function declare(values: readonly OnnxValue[]): Declared {
  return new Map(values.map((value) => [value.name, value]));
}

/** The OrtValues bound to `names`, after checking that each is declared, bound, and of the declared type and shape. */
function valuesOf(where: string, declared: Declared, names: Iterable<string>, bindings: Bindings): BigUint64Array {
  return BigUint64Array.from(names, (name) => {
    const [wanted, tensor] = [declared.get(name), bindings[name] as OrtTensor | undefined];
    if (!wanted) throw new RangeError(`${where}: expected one of ${[...declared.keys()].join(", ")}, found ${name}`);
    if (!tensor) throw new RangeError(`${where}: expected a tensor for ${name}, found none`);
    if (describe(wanted) !== describe(tensor)) {
      throw new RangeError(`${where} ${name}: expected ${describe(wanted)}, found ${describe(tensor)}`);
    }
    return tensor.value;
  });
}

/**
 * A function that throws RangeError when a fetch shares memory with a feed and must not. Each pair is examined once.
 */
function sharingGuard(where: string, nodes: readonly OnnxNode[]): (feeds: Bindings, fetches: Bindings) => void {
  const faultOf = aliasChecker(nodes);
  const safe = new Set<string>();
  return (feeds, fetches) => {
    const feedOf = new Map(Object.entries(feeds).map(([feed, tensor]) => [tensor, feed]));
    for (const [fetch, tensor] of Object.entries(fetches)) {
      const feed = feedOf.get(tensor);
      if (feed === undefined || safe.has(`${feed}\0${fetch}`)) continue;
      const fault = faultOf(feed, fetch);
      if (fault) {
        throw new RangeError(`${where}: expected "${fetch}" in memory of its own, found that of "${feed}": ${fault}`);
      }
      safe.add(`${feed}\0${fetch}`);
    }
  };
}

/** Compiles `model` for `device`; its runs take turns in `gate`. Throws as `Runtime.compile` and `Program.run` say. */
export async function compileProgram(
  model: OnnxModel,
  { name = "graph", frozenWeights = false, threads = 1 }: CompileOptions,
  { device, gate }: { readonly device: Device; readonly gate: LimitFunction },
): Promise<Program> {
  const named = (error: Error) => {
    const fault = memoryFault(error, `the graph "${name}"`);
    return fault instanceof InputError ? fault : new Error(`${name}: ${error.message}`, { cause: error });
  };
  const settings = { device, frozenWeights, threads };
  refuseRacingScatter(name, model.nodes, settings);
  const session = await openSession(encodeModel(model), settings).catch((error: Error) => {
    throw named(error);
  });

  const [declaredInputs, declaredOutputs] = [declare(model.inputs), declare(model.outputs)];
  const [inputs, outputs] = [[...declaredInputs.keys()], [...declaredOutputs.keys()]];
  const checkSharing = sharingGuard(name, model.nodes);
  const { bytes, address } = cStrings([...inputs, ...outputs]);
  const addresses = (names: readonly string[]) => BigUint64Array.from(names, (key) => address.get(key)!);
  const inputNames = addresses(inputs);
  /** What native code reads and writes behind the garbage collector's back, held until the run ends. */
  const inFlight = new Set<readonly [Uint8Array, Bindings, Bindings]>();

  async function run(feeds: Bindings, fetches: Bindings): Promise<void> {
    const feedNames = new Set([...inputs, ...Object.keys(feeds)]);
    const fetchNames = Object.keys(fetches);
    const feedValues = valuesOf(`${name} input`, declaredInputs, feedNames, feeds);
    const fetchValues = valuesOf(`${name} output`, declaredOutputs, fetchNames, fetches);
    checkSharing(feeds, fetches);
    const [n, m, outputNames] = [inputs.length, fetchNames.length, addresses(fetchNames)];
    const held = [bytes, feeds, fetches] as const;
    inFlight.add(held);
    try {
      await gate(() => ort().callAsync("Run", session, null, inputNames, feedValues, n, outputNames, m, fetchValues));
    } catch (error) {
      throw named(error as Error);
    } finally {
      inFlight.delete(held);
    }
  }

  function dispose(): void {
    if (inFlight.size > 0) throw new Error(`${name}: disposed of while ${inFlight.size} runs are in flight`);
    ort().release("ReleaseSession", session);
    releaseFreedMemory();
  }

  return { inputs, outputs, hostOperators: hostOperators(session), run, dispose };
}
