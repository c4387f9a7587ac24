import { Matrix, QrDecomposition } from "ml-matrix";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { RandomStream } from "../../src/core/random.js";
import type { LabelledSplit } from "../../src/data/datasets/split.js";
import { cellAxis } from "../../src/features/cell-axis.js";
import { describeMaps, MAP_NAMES, type MapName, stridesOf } from "../../src/features/encoder-maps.js";
import { gatherSums, type ProbeSetup, scoreClassifiers } from "../../src/features/linear-probe.js";
import { probeImages } from "../../src/features/probe-images.js";
import { ridge } from "../../src/features/ridge.js";
import { encodePng, imageDecoder } from "../../src/io/image-file.js";
import { IGNORED } from "../../src/masks/segmentation.js";
import { weightsOptions } from "../../src/pretrain/composition.js";
import { startingWeights } from "../../src/pretrain/starting-weights.js";
import type { Runtime } from "../../src/runtime/contract.js";
import { createRuntime } from "../../src/runtime/create-runtime.js";
import { uploadTensors } from "../../src/runtime/upload.js";
import { isTooSlow, missingDevices, TOO_SLOW } from "../support/devices.js";
import { CLASSES } from "../support/labelled-images.js";
import { smallestSettings } from "../support/tiny-pretraining.js";
import { TOLERANCES } from "../support/tolerances.js";

const settings = smallestSettings();
const maps = { encoder: weightsOptions(settings).encoder, featureStride: 8 };
const LAMBDA = 1e-3;
/** Of the images: they are padded to 64 x 64. */
const [WIDTH, HEIGHT] = [60, 40];
const IMAGES = 3;

/** Images of noise, whose classes follow from place and colour; a tenth of the pixels is unlabelled. */
function split(broken = -1): LabelledSplit {
  const stream = (index: number) => new RandomStream({ seed: 1, purpose: "images", sample: index });
  const pixels = (index: number) =>
    Uint8Array.from(stream(index).fillNormal(new Float32Array(3 * WIDTH * HEIGHT)), (v) => 128 + 40 * v);
  const labels = (index: number) => {
    const random = stream(100 + index);
    return Uint16Array.from({ length: WIDTH * HEIGHT }, (_, i) =>
      random.integer(10) === 0 ? IGNORED : (Math.floor(i / WIDTH / 14) + Math.floor((i % WIDTH) / 25)) % CLASSES.length,
    );
  };
  const size = { width: WIDTH, height: HEIGHT };
  return {
    task: "semantic",
    classes: CLASSES,
    length: IMAGES,
    decoder: imageDecoder,
    name: (index: number) => `${index}.png`,
    size: async () => size,
    read: async (index: number) => (index === broken ? new Uint8Array(8) : encodePng({ ...size, data: pixels(index) })),
    semantic: async (index: number) => ({ ...size, labels: labels(index) }),
  } as unknown as LabelledSplit;
}

const missing = await missingDevices();
const all = [...Array(IMAGES).keys()];
const EDGES = { shortEdge: HEIGHT, longEdge: WIDTH };

let setup: ProbeSetup;
let one: Runtime;
let two: Runtime;
beforeAll(async () => {
  one = await createRuntime({ device: "cpu", cores: 1 });
  two = await createRuntime({ device: "cpu", cores: 2 });
  const weights = await startingWeights(weightsOptions(settings), describeMaps(maps).weights);
  setup = { maps, classes: CLASSES, variants: [{ wanted: MAP_NAMES, weights: await uploadTensors(one, weights) }] };
});
afterAll(() => {
  for (const tensor of setup.variants[0].weights.values()) tensor.dispose();
  one.dispose();
  two.dispose();
});

const images = () => probeImages(split(), all, EDGES);
const WHOLE = { names: ["all", "first"], of: (index: number) => (index === 0 ? [0, 1] : [0]) };

/** Raw features and labels of every labelled pixel, from the maps as they are: features interpolated one by one. */
async function pixelsOf(map: MapName) {
  const rows: number[][] = [];
  const labels: number[] = [];
  const sums = await gatherSums(one, setup, { images: await images() }, WHOLE);
  const zero = sums.map(
    (own) => new Map([...own].map(([name, subsets]) => [name, subsets.map((s) => ridge(s, LAMBDA))])),
  );
  await scoreClassifiers(one, setup, { images: await images() }, zero, {
    sampled: new Set(all),
    look: ({ image, map: mapOf }) => {
      const { data, width, height, channels } = mapOf(map);
      const stride = stridesOf(8)[map];
      const [down, right] = [cellAxis(HEIGHT, HEIGHT, stride), cellAxis(WIDTH, WIDTH, stride)];
      expect([height, width]).toEqual([down.cells, right.cells]);
      image.truth.labels.forEach((label, i) => {
        if (label === IGNORED) return;
        const [y, x] = [Math.floor(i / WIDTH), i % WIDTH];
        const [v, u] = [down.weight[y], right.weight[x]];
        const at = (c: number, dy: number, dx: number) =>
          data[
            (c * height + Math.min(height - 1, down.cell[y] + dy)) * width + Math.min(width - 1, right.cell[x] + dx)
          ];
        rows.push(
          Array.from({ length: channels }, (_, c) => {
            const upper = (1 - u) * at(c, 0, 0) + u * at(c, 0, 1);
            return (1 - v) * upper + v * ((1 - u) * at(c, 1, 0) + u * at(c, 1, 1));
          }),
        );
        labels.push(label);
      });
    },
  });
  return { rows, labels, found: ridge(sums[0].get(map)![0], LAMBDA) };
}

describe("ridge on sums gathered by graphs", () => {
  test.each(["F_last", "F_i1", "res4"] as const)(
    "equals least squares over all pixels of %s, by QR, to 1e-6",
    async (map) => {
      const { rows, labels, found } = await pixelsOf(map);
      const [n, c, k] = [rows.length, rows[0].length, CLASSES.length];
      const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / n;
      const columns = Array.from({ length: c }, (_, j) => rows.map((row) => row[j]));
      const means = columns.map(mean);
      const deviations = columns.map((column, j) => Math.sqrt(mean(column.map((value) => (value - means[j]) ** 2))));
      const z = rows.map((row) => row.map((value, j) => (value - means[j]) / deviations[j]));
      const shares = CLASSES.map((_, label) => labels.filter((own) => own === label).length / n);
      const root = Math.sqrt(LAMBDA * n);
      const ridgeRows = Array.from({ length: c }, (_, i) => Array.from({ length: c }, (_, j) => (i === j ? root : 0)));
      const right = [
        ...labels.map((own) => shares.map((s, label) => Number(own === label) - s)),
        ...ridgeRows.map(() => shares.map(() => 0)),
      ];
      const solved = new QrDecomposition(new Matrix([...z, ...ridgeRows])).solve(new Matrix(right));
      for (let j = 0; j < c; j++) {
        for (let label = 0; label < k; label++) {
          expect(found.weights[j * k + label] * deviations[j]).toBeCloseTo(solved.get(j, label), 6);
        }
      }
      const bias = shares.map((s, label) =>
        means.reduce((sum, m, j) => sum - (m / deviations[j]) * solved.get(j, label), s),
      );
      for (let label = 0; label < k; label++) expect(found.bias[label]).toBeCloseTo(bias[label], 6);
    },
  );

  test("no bit depends on the cores, and a subset has the sums of its own images", async () => {
    const found = await Promise.all(
      [one, two].map(async (runtime) => gatherSums(runtime, setup, { images: await images() }, WHOLE)),
    );
    const first = await probeImages(split(), [0], EDGES);
    const alone = await gatherSums(one, setup, { images: first }, { names: ["all"], of: () => [0] });
    for (const map of MAP_NAMES) {
      const [a, b] = found.map((sums) => sums[0].get(map)!);
      expect(a.map(({ gram, cross }) => [gram, cross])).toEqual(b.map(({ gram, cross }) => [gram, cross]));
      expect(a[1].gram).toEqual(alone[0].get(map)![0].gram);
      expect(a[0].weight).toBeGreaterThan(2 * a[1].weight);
    }
  });

  test("a GPU gathers the same sums, in float64 on the host", async ({ skip }) => {
    skip(missing.has("webgpu"), missing.get("webgpu"));
    skip(isTooSlow("webgpu"), TOO_SLOW);
    const gpu = await createRuntime({ device: "webgpu" });
    const [variant] = setup.variants;
    const read = await Promise.all(
      [...variant.weights].map(async ([name, tensor]) => [name, await tensor.read()] as const),
    );
    const weights = await uploadTensors(gpu, new Map(read));
    const own = { ...setup, variants: [{ wanted: ["res2"] as const, weights }] };
    const [sums] = await gatherSums(gpu, own, { images: await images() }, WHOLE);
    const [expected] = await gatherSums(one, setup, { images: await images() }, WHOLE);
    const [a, b] = [sums, expected].map((all) => all.get("res2")![0]);
    const scale = b.gram.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    a.gram.forEach((value, i) => {
      expect(Math.abs(value - b.gram[i]) / scale).toBeLessThan(TOLERANCES.webgpu.parity);
    });
    for (const tensor of weights.values()) tensor.dispose();
    gpu.dispose();
  });

  test("images that cannot be used are listed; without a labelled pixel in any subset these are refused by their names", async () => {
    const some = await probeImages(split(1), all, EDGES);
    const sums = await gatherSums(one, setup, { images: some }, { names: ["all"], of: () => [0] });
    expect(some.faults.map(({ file }) => file)).toEqual(["1.png"]);
    expect(sums[0].get("F_i1")![0].weight).toBeGreaterThan(0);
    const names = ["all", "10 %"];
    const half = await gatherSums(one, setup, { images: some }, { names, of: () => [0] });
    expect(half[0].get("F_i1")!.map(({ weight }) => weight > 0)).toEqual([true, false]);
    expect(ridge(half[0].get("F_i1")![1], 1e-3).bias.every((value) => value === 0)).toBe(true);
    await expect(gatherSums(one, setup, { images: some }, { names, of: () => [] })).rejects.toThrow("all; 10 %");
  });
});
