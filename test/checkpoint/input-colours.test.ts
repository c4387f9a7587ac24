import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import {
  areImageNets,
  coloursBeside,
  type InputColours,
  withImageNetColours,
} from "../../src/checkpoint/input-colours.js";
import { IMAGENET_MEAN, IMAGENET_STD } from "../../src/core/colour-statistics.js";
import { floats, type TensorData } from "../../src/core/tensor-data.js";

function beside(files: Readonly<Record<string, unknown>>) {
  const place = mkdtempSync(join(tmpdir(), "mask-jepa-colours-"));
  for (const [name, content] of Object.entries(files))
    writeFileSync(join(place, name), typeof content === "string" ? content : JSON.stringify(content));
  return coloursBeside(join(place, "model_final.pth")).finally(() => rmSync(place, { recursive: true }));
}

const PREPROCESSOR = "preprocessor_config.json";
const HALF = [0.5, 0.5, 0.5];

describe("what files say of the colours that weights were trained on", () => {
  test("transformers, whose numbers are of colours from 0 to 1 unless nothing is rescaled", async () => {
    const usual = { do_normalize: true, image_mean: [0.485, 0.456, 0.406], image_std: [0.229, 0.224, 0.225] };
    expect(areImageNets((await beside({ [PREPROCESSOR]: usual }))!)).toBe(true);
    const half = { image_mean: HALF, image_std: HALF };
    const found = await beside({ [PREPROCESSOR]: half });
    expect(found).toMatchObject({ from: PREPROCESSOR, mean: [127.5, 127.5, 127.5], deviation: [127.5, 127.5, 127.5] });
    const raw = await beside({ [PREPROCESSOR]: { ...half, do_rescale: false } });
    expect(raw).toMatchObject({ mean: HALF, deviation: HALF });
    const bare = await beside({ [PREPROCESSOR]: { ...half, do_normalize: false } });
    expect(bare).toMatchObject({ mean: [0, 0, 0], deviation: [255, 255, 255] });
    expect(await beside({ [PREPROCESSOR]: { size: 3 } })).toBeUndefined();
  });

  test("timm, and detectron2, whose own order is blue first", async () => {
    const timm = { architecture: "resnet50", pretrained_cfg: { mean: HALF, std: [1, 1, 1] } };
    expect(await beside({ "config.json": timm })).toMatchObject({
      mean: [127.5, 127.5, 127.5],
      deviation: [255, 255, 255],
    });
    const config = "MODEL:\n  PIXEL_MEAN: [103.53, 116.28, 123.675]\n";
    expect(await beside({ "config.yaml": config })).toMatchObject({ blueFirst: true, deviation: [1, 1, 1] });
    const rgb =
      "MODEL: {PIXEL_MEAN: [123.675, 116.28, 103.53], PIXEL_STD: [58.395, 57.12, 57.375]}\nINPUT: {FORMAT: RGB}";
    expect(areImageNets((await beside({ "any.yaml": rgb }))!)).toBe(true);
    expect(await beside({ "data.yaml": "classes: [a, b]" })).toBeUndefined();
    expect(await beside({})).toBeUndefined();
  });

  test("impossible numbers are refused with their place", async () => {
    const zero = { image_mean: HALF, image_std: [0.5, 0, 0.5] };
    await expect(beside({ [PREPROCESSOR]: zero })).rejects.toThrow(
      /preprocessor_config\.json image_std\.1: expected a mean/,
    );
    const two = { image_mean: [1, 2] };
    await expect(beside({ [PREPROCESSOR]: two })).rejects.toThrow(/image_mean/);
    await expect(beside({ "config.yaml": "MODEL: {PIXEL_MEAN: red}" })).rejects.toThrow(
      /config\.yaml MODEL\.PIXEL_MEAN/,
    );
  });
});

describe("the same weights for ImageNet's colours", () => {
  const colours: InputColours = {
    from: "a file",
    path: "place/file",
    blueFirst: true,
    mean: [10, 127, 200],
    deviation: [3, 50, 127],
  };
  const [outputs, taps] = [2, 4];
  const kernel = floats(
    [outputs, 3, 2, 2],
    Float32Array.from({ length: 24 }, (_, i) => Math.sin(7 * i)),
  );
  /** Red, green and blue of each pixel under the kernel. */
  const pixels = [
    [255, 0, 3],
    [12, 200, 77],
    [0, 0, 0],
    [140, 141, 142],
  ];

  /** What the convolution gives for pixels whose channel c is (colour[order c] - mean[c]) / deviation[c]. */
  function answers(
    { data }: TensorData,
    order: readonly number[],
    mean: ArrayLike<number>,
    deviation: ArrayLike<number>,
  ) {
    return Array.from({ length: outputs }, (_, o) => {
      let sum = 0;
      for (let c = 0; c < 3; c++)
        for (const [tap, pixel] of pixels.entries())
          sum += Number(data[(3 * o + c) * taps + tap]) * ((pixel[order[c]] - mean[c]) / deviation[c]);
      return sum;
    });
  }
  const wanted = answers(kernel, [2, 1, 0], colours.mean, colours.deviation);

  test.each([
    ["a Swin Transformer's bias", "backbone.patch_embed.proj.weight", "backbone.patch_embed.proj.bias", 1],
    ["a ResNet's batch norm", "backbone.stem.conv1.weight", "backbone.stem.conv1.norm.running_mean", -1],
  ])("give the same answers: %s takes up what is to be added", (_, weight, taker, sign) => {
    const before = floats([outputs], [0.5, -0.25]);
    const adapted = withImageNetColours(
      new Map([
        [weight, kernel],
        [taker, before],
      ]),
      colours,
    );
    const found = answers(adapted.get(weight)!, [0, 1, 2], IMAGENET_MEAN, IMAGENET_STD);
    for (let o = 0; o < outputs; o++) {
      const added = sign * (Number(adapted.get(taker)?.data[o]) - before.data[o]);
      expect(found[o] + added).toBeCloseTo(wanted[o], 3);
    }
  });

  test("where nothing can take it up, they are refused, and need not be where only the order differs", () => {
    const resnet = new Map([["backbone.stem.conv1.weight", kernel]]);
    expect(() => withImageNetColours(resnet, colours)).toThrow(
      /place\/file: expected .* a first layer with a bias or a/,
    );
    const turned = { ...colours, mean: [103.53, 116.28, 123.675], deviation: [1, 1, 1] } as const;
    const adapted = withImageNetColours(resnet, turned).get("backbone.stem.conv1.weight")!;
    const found = answers(adapted, [0, 1, 2], IMAGENET_MEAN, IMAGENET_STD);
    answers(kernel, [2, 1, 0], turned.mean, turned.deviation).forEach((value, o) => {
      expect(Math.abs(found[o] - value)).toBeLessThan(1e-4 * Math.abs(value));
    });
  });

  test("tensors of another kind stay as they are", () => {
    const others = new Map([["class_embed.weight", kernel]]);
    expect(withImageNetColours(others, colours)).toEqual(others);
  });
});
