/** @file Counter-based random numbers (Philox 4x32-10, Salmon et al., SC 2011): a draw depends only on its key. */

const MUL0 = 0xd2511f53;
const MUL1 = 0xcd9e8d57;
const WEYL0 = 0x9e3779b9;
const WEYL1 = 0xbb67ae85;

/** High 32 bits of the product of two unsigned 32-bit integers. */
function mulHigh(a: number, b: number): number {
  const [ah, al, bh, bl] = [a >>> 16, a & 0xffff, b >>> 16, b & 0xffff];
  const middle = ah * bl + ((al * bl) >>> 16);
  const low = al * bh + (middle & 0xffff);
  return (ah * bh + Math.floor(middle / 65536) + Math.floor(low / 65536)) >>> 0;
}

/** One Philox block: writes four 32-bit words for a 128-bit counter and a 64-bit key into `out`. */
export function philox(c0: number, c1: number, c2: number, c3: number, k0: number, k1: number, out: Uint32Array): void {
  for (let round = 0; round < 10; round++) {
    const h0 = mulHigh(MUL0, c0);
    const l0 = Math.imul(MUL0, c0) >>> 0;
    const h1 = mulHigh(MUL1, c2);
    const l1 = Math.imul(MUL1, c2) >>> 0;
    c0 = (h1 ^ c1 ^ k0) >>> 0;
    c1 = l1;
    c2 = (h0 ^ c3 ^ k1) >>> 0;
    c3 = l0;
    k0 = (k0 + WEYL0) >>> 0;
    k1 = (k1 + WEYL1) >>> 0;
  }
  out[0] = c0;
  out[1] = c1;
  out[2] = c2;
  out[3] = c3;
}

/** FNV-1a, 32 bit, over UTF-8. */
export function fnv1a(text: string): number {
  let h = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) h = Math.imul(h ^ byte, 0x01000193) >>> 0;
  return h;
}

export interface RandomKey {
  seed: number;
  /** What the numbers are for, e.g. "mask", "noise", "crop". Streams of different purposes are independent. */
  purpose: string;
  /** Optimiser step or epoch. */
  step?: number;
  /** Index of the sample within the step or epoch. */
  sample?: number;
}

/** An endless stream of random numbers that is a pure function of its key. */
export class RandomStream {
  private readonly words = new Uint32Array(4);
  private used = 4;
  private block = 0;
  private spare: number | undefined;
  private readonly counter: readonly [number, number, number];
  private readonly key: readonly [number, number];

  constructor({ seed, purpose, step = 0, sample = 0 }: RandomKey) {
    this.key = [seed >>> 0, Math.floor(seed / 2 ** 32) >>> 0];
    this.counter = [step >>> 0, sample >>> 0, fnv1a(purpose)];
  }

  uint32(): number {
    if (this.used === 4) {
      philox(this.block++, ...this.counter, ...this.key, this.words);
      this.used = 0;
    }
    return this.words[this.used++];
  }

  /** Uniform in [low, high), 32 random bits. */
  uniform(low = 0, high = 1): number {
    return low + (high - low) * (this.uint32() / 2 ** 32);
  }

  /** Uniform integer in [0, n), unbiased by rejection. */
  integer(n: number): number {
    const limit = 2 ** 32 - (2 ** 32 % n);
    for (;;) {
      const word = this.uint32();
      if (word < limit) return word % n;
    }
  }

  /** N(0, 1) by Box-Muller. */
  normal(): number {
    if (this.spare !== undefined) {
      const value = this.spare;
      this.spare = undefined;
      return value;
    }
    const radius = Math.sqrt(-2 * Math.log((this.uint32() + 1) / 2 ** 32));
    const angle = 2 * Math.PI * this.uniform();
    this.spare = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  }

  fillNormal(out: Float32Array, std = 1): Float32Array {
    for (let i = 0; i < out.length; i++) out[i] = std * this.normal();
    return out;
  }

  /**
   * Uniform in [0, 1), 24 random bits each, for many numbers at once: xorshift128 (Marsaglia 2003) from 128 bits of
   * this stream, which is twenty times as fast as a Philox block a number.
   */
  fillUniform(out: Float32Array): Float32Array {
    let [x, y, z, w] = [this.uint32() | 1, this.uint32(), this.uint32(), this.uint32()];
    for (let i = 0; i < out.length; i++) {
      const t = x ^ (x << 11);
      x = y;
      y = z;
      z = w;
      w = w ^ (w >>> 19) ^ t ^ (t >>> 8);
      out[i] = (w >>> 8) / 2 ** 24;
    }
    return out;
  }

  /** A uniformly random order of 0..n-1 (Fisher-Yates). */
  permutation(n: number): Uint32Array {
    const order = Uint32Array.from({ length: n }, (_, i) => i);
    for (let i = n - 1; i > 0; i--) {
      const j = this.integer(i + 1);
      [order[i], order[j]] = [order[j], order[i]];
    }
    return order;
  }
}
