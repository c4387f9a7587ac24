/** @file 16-bit floating-point numbers, widened to float32 and narrowed from it. */

/** IEEE 754 binary16: sign 1, exponent 5 (bias 15), fraction 10. */
function halfValue(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0x1f) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  if (exponent === 0) return sign * fraction * 2 ** -24; // subnormal, and zero
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

let halfTable: Float32Array | undefined;

/** binary16 bit patterns to numbers. `out` has the length of `bits`. */
export function widenHalf(bits: Uint16Array, out: Float32Array): void {
  halfTable ??= Float32Array.from({ length: 2 ** 16 }, (_, pattern) => halfValue(pattern));
  for (let i = 0; i < bits.length; i++) out[i] = halfTable[bits[i]];
}

/** bfloat16 is the upper half of a float32. `out` has the length of `bits`. */
export function widenBfloat(bits: Uint16Array, out: Float32Array): void {
  const words = new Uint32Array(out.buffer, out.byteOffset, out.length);
  for (let i = 0; i < bits.length; i++) words[i] = bits[i] << 16;
}

/** The nearest binary16 bit patterns, of two equally near ones the even one; infinity beyond 65504. */
export function narrowHalf(values: Float32Array): Uint16Array {
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
  return Uint16Array.from(words, (word, i) => {
    const sign = (word >>> 16) & 0x8000;
    const size = word & 0x7fffffff;
    if (size > 0x7f800000) return 0x7e00; // not a number
    if (size >= 0x47800000) return sign | 0x7c00;
    if (size < 0x38800000) return sign | roundedToEven(Math.abs(values[i]) * 2 ** 24); // subnormal, and zero
    return sign | ((size - 0x38000000 + 0xfff + ((size >> 13) & 1)) >> 13);
  });
}

function roundedToEven(value: number): number {
  const below = Math.floor(value);
  const rest = value - below;
  return rest > 0.5 || (rest === 0.5 && below % 2 === 1) ? below + 1 : below;
}
