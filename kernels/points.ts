/**
 * @file The loops over points at which masks are compared (src/losses/point-kernels.ts says what they are for), in
 * AssemblyScript: `npm run kernels` makes WebAssembly of it, with SIMD, as src/losses/point-kernels-binary.ts.
 * Arguments besides sizes and counts are addresses of float32 values; a map has a border of zeros, a point is (x, y).
 */

/** out[0] = the bilinear value of the map at a point. */
function sampleOne(map: usize, width: i32, height: i32, point: usize, out: usize): void {
  const x = load<f32>(point) * <f32>width + 0.5;
  const y = load<f32>(point, 4) * <f32>height + 0.5;
  const left = <i32>x;
  const top = <i32>y;
  const fx = x - <f32>left;
  const fy = y - <f32>top;
  const stride = (<usize>width + 2) << 2;
  const upper = map + <usize>top * stride + ((<usize>left) << 2);
  const lower = upper + stride;
  const before = load<f32>(upper) + (load<f32>(lower) - load<f32>(upper)) * fy;
  const after = load<f32>(upper, 4) + (load<f32>(lower, 4) - load<f32>(upper, 4)) * fy;
  store<f32>(out, before + (after - before) * fx);
}

/** out[i] = the bilinear value of the map at point i, two points at a time. */
export function sample(map: usize, width: i32, height: i32, points: usize, count: i32, out: usize): void {
  const stride = (<usize>width + 2) << 2;
  const size = f32x4(<f32>width, <f32>height, <f32>width, <f32>height);
  const half = f32x4.splat(0.5);
  const end = out + ((<usize>count) << 2);
  for (; out + 4 < end; out += 8, points += 16) {
    const place = f32x4.add(f32x4.mul(v128.load(points), size), half); // x, y, x', y'
    const cell = i32x4.trunc_sat_f32x4_s(place);
    const fraction = f32x4.sub(place, f32x4.convert_i32x4_s(cell));
    const first = map + <usize>i32x4.extract_lane(cell, 1) * stride + ((<usize>i32x4.extract_lane(cell, 0)) << 2);
    const second = map + <usize>i32x4.extract_lane(cell, 3) * stride + ((<usize>i32x4.extract_lane(cell, 2)) << 2);
    // left and right cell of the one point, then of the other
    const upper = v128.load64_lane(second, v128.load64_zero(first), 1);
    const lower = v128.load64_lane(second + stride, v128.load64_zero(first + stride), 1);
    const fx = v128.shuffle<f32>(fraction, fraction, 0, 0, 2, 2);
    const fy = v128.shuffle<f32>(fraction, fraction, 1, 1, 3, 3);
    const between = f32x4.add(upper, f32x4.mul(f32x4.sub(lower, upper), fy));
    const right = v128.shuffle<f32>(between, between, 1, 1, 3, 3);
    const value = f32x4.add(between, f32x4.mul(f32x4.sub(right, between), fx));
    v128.store64_lane(out, v128.shuffle<f32>(value, value, 0, 2, 0, 2), 0);
  }
  if (out < end) sampleOne(map, width, height, points, out);
}

/** Adds gradient[i] to the four cells around point i, by their weights in its bilinear value. */
export function scatter(map: usize, width: i32, height: i32, points: usize, count: i32, gradient: usize): void {
  const stride = (<usize>width + 2) << 2;
  const end = gradient + ((<usize>count) << 2);
  for (; gradient < end; gradient += 4, points += 8) {
    const x = load<f32>(points) * <f32>width + 0.5;
    const y = load<f32>(points, 4) * <f32>height + 0.5;
    const left = <i32>x;
    const top = <i32>y;
    const at = map + <usize>top * stride + ((<usize>left) << 2);
    const both = load<f32>(gradient);
    const lower = both * (y - <f32>top);
    const upper = both - lower;
    const upperRight = upper * (x - <f32>left);
    const lowerRight = lower * (x - <f32>left);
    store<f32>(at, load<f32>(at) + (upper - upperRight));
    store<f32>(at, load<f32>(at, 4) + upperRight, 4);
    store<f32>(at + stride, load<f32>(at + stride) + (lower - lowerRight));
    store<f32>(at + stride, load<f32>(at + stride, 4) + lowerRight, 4);
  }
}

/** Bits of |x|: they are in the order of the magnitudes, those of NaN behind all others. */
function magnitude(value: usize): u32 {
  return load<u32>(value) & 0x7fffffff;
}

/** Bits by which magnitudes are counted at a time, and how many of them are new each time. */
const BUCKET_BITS: u32 = 11;
const STEP: u32 = 10;
const BUCKETS: u32 = 1 << BUCKET_BITS;

/**
 * The points of the `wanted` values nearest to zero, in their order, to `out`, which has room for one more; of equals at
 * the boundary the earlier ones. `scratch`: BUCKETS + count words.
 */
export function mostUncertain(values: usize, points: usize, count: i32, wanted: i32, scratch: usize, out: usize): void {
  // The wanted-th smallest magnitude: its upper bits by counting all, the next ones by counting those that share them.
  const list = scratch + ((<usize>BUCKETS) << 2);
  const last = values + ((<usize>count) << 2);
  let from = values;
  let end = last;
  let rank: u32 = wanted;
  let boundary: u32 = 0;
  for (let shift: u32 = 2 * STEP; ; shift -= STEP) {
    memory.fill(scratch, 0, (<usize>BUCKETS) << 2);
    for (let value = from; value < end; value += 4) {
      const bucket = scratch + ((<usize>((magnitude(value) >> shift) & (BUCKETS - 1))) << 2);
      store<u32>(bucket, load<u32>(bucket) + 1);
    }
    let bucket: u32 = 0;
    for (let size = load<u32>(scratch); size < rank; size = load<u32>(scratch + ((<usize>bucket) << 2))) {
      rank -= size;
      bucket++;
    }
    boundary |= bucket << shift;
    if (shift === 0) break;
    let next = list;
    for (let value = from; value < end; value += 4) {
      const bits = magnitude(value);
      store<u32>(next, bits);
      next += (<usize>(((bits >> shift) & (BUCKETS - 1)) === bucket)) << 2;
    }
    from = list;
    end = next;
  }
  for (let value = values; value < last; value += 4, points += 8) {
    const bits = magnitude(value);
    const equal = u32(bits === boundary) & u32(rank > 0);
    rank -= equal;
    store<u64>(out, load<u64>(points));
    out += (<usize>(u32(bits < boundary) | equal)) << 3;
  }
}
