/** @file Equality of tensors bit for bit, with failures that name the tensors and not their bytes. */

import { createHash } from "node:crypto";
import type { TypedArray } from "../../src/core/tensor-data.js";

/** A short hash of the bytes of each tensor; NaN and -0 count as they are stored. */
export function bitsOf(
  tensors: ReadonlyMap<string, TypedArray | { readonly data: TypedArray }>,
): Record<string, string> {
  const hashed = [...tensors].map(([name, tensor]) => {
    const { buffer, byteOffset, byteLength } = "data" in tensor ? tensor.data : tensor;
    const bytes = new Uint8Array(buffer, byteOffset, byteLength);
    return [name, createHash("sha256").update(bytes).digest("hex").slice(0, 16)];
  });
  return Object.fromEntries(hashed);
}
