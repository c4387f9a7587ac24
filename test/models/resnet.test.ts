import { describe, expect, test } from "vitest";
import { RandomStream } from "../../src/core/random.js";
import { floats } from "../../src/core/tensor-data.js";
import { Graph } from "../../src/graph/graph.js";
import { type Feed, interpret } from "../../src/graph/interpret.js";
import { type ResNetOptions, resnet } from "../../src/models/resnet.js";
import { asInputs, initialValue, Parameters } from "../../src/nn/scope.js";

const SIZE = { stemChannels: 4, stageBlocks: [1, 1, 1, 1], stageChannels: [8, 16, 16, 16] };
const PIXELS = 3 * 32 * 32;

/** Unlike images, the second much darker than the first. */
const IMAGES = [1, 0.1].map((scale, sample) => {
  const random = new RandomStream({ seed: 5, purpose: "image", sample });
  return Float32Array.from({ length: PIXELS }, () => scale * random.uniform(-1, 1));
});

/** res2 of those images, [n, 8, 8, 8], and the names of the weights. */
function res2(norm: ResNetOptions["norm"], ...images: Float32Array[]) {
  const graph = new Graph("resnet");
  const parameters = new Parameters(asInputs(graph));
  const batch = graph.input("images", "float32", [images.length, 3, 32, 32]);
  const [map] = resnet(parameters.root, batch, { ...SIZE, norm });
  const feeds = new Map<string, Feed>(
    [...parameters.declarations].map(([name, declared]) => [name, initialValue(declared, 0)]),
  );
  feeds.set("images", floats(batch.shape, Float32Array.from(images.flatMap((image) => [...image]))));
  return { names: [...parameters.declarations.keys()], values: [...interpret([map], feeds)[0].data] };
}

describe("norms of a ResNet", () => {
  test("group norm gives an image what it gives it alone; batch norm mixes the images of a batch", () => {
    for (const [norm, alike] of [
      [{ groups: 2 }, true],
      ["frozen", true],
      ["batch", false],
    ] as const) {
      const together = res2(norm, ...IMAGES).values;
      const alone = IMAGES.flatMap((image) => res2(norm, image).values);
      const largest = Math.max(...together.map((value, i) => Math.abs(value - alone[i])));
      if (alike) expect(largest).toBeLessThan(1e-5);
      else expect(largest).toBeGreaterThan(0.1);
    }
  });

  test("group norm has an affine and no statistics", () => {
    const { names } = res2({ groups: 2 }, IMAGES[0]);
    expect(names.filter((name) => name.startsWith("stem."))).toEqual([
      "stem.conv1.weight",
      "stem.conv1.norm.weight",
      "stem.conv1.norm.bias",
    ]);
  });
});
