/** @file Which nodes of a compiled graph run on the CPU. */
import koffi from "koffi";
import type { OrtFunction } from "./ort-api.js";
import { ort } from "./ort-library.js";

/** Session setting without which nothing is recorded. */
export const RECORD_PLACEMENT = { "session.record_ep_graph_assignment_info": "1" };

/** The array of pointers that a function (object, out array, out length) points to. */
function listOf(name: OrtFunction, object: bigint): bigint[] {
  const [array, length] = [new BigUint64Array(1), new BigUint64Array(1)];
  ort().call(name, object, array, length);
  return length[0] === 0n ? [] : (koffi.decode(array[0], "void *", Number(length[0])) as bigint[]);
}

function textOf(name: OrtFunction, object: bigint): string {
  return koffi.decode.string(ort().create(name, object));
}

/** Operator types of the nodes that run on the CPU, with how often. */
export function hostOperators(session: bigint): Map<string, number> {
  const counts = new Map<string, number>();
  for (const part of listOf("Session_GetEpGraphAssignmentInfo", session)) {
    if (textOf("EpAssignedSubgraph_GetEpName", part) !== "CPUExecutionProvider") continue;
    for (const node of listOf("EpAssignedSubgraph_GetNodes", part)) {
      const type = textOf("EpAssignedNode_GetOperatorType", node);
      counts.set(type, (counts.get(type) ?? 0) + 1);
    }
  }
  return counts;
}
