import { describe, expect, it } from "vitest";
import { InputError } from "../../src/core/errors.js";
import { RandomStream } from "../../src/core/random.js";
import { largeScaleJitterView, shortestEdgeSize, shortestEdgeView } from "../../src/data/labelled-view.js";

const random = (sample: number) => new RandomStream({ seed: 3, purpose: "view", sample });
const samples = (n: number) => Array.from({ length: n }, (_, i) => i);
/** Within 4 standard deviations of half of n. */
const isHalf = (count: number, n: number) => Math.abs(count - n / 2) < 2 * Math.sqrt(n);

describe("size by the shortest edge", () => {
  it("scales the shorter side, or the longer one to its limit, and rounds half up", () => {
    expect(shortestEdgeSize({ width: 683, height: 512 }, 460, 2048)).toEqual({ width: 614, height: 460 }); // 613.6
    expect(shortestEdgeSize({ width: 512, height: 683 }, 460, 2048)).toEqual({ width: 460, height: 614 });
    expect(shortestEdgeSize({ width: 100, height: 1000 }, 512, 2048)).toEqual({ width: 205, height: 2048 }); // 204.8
    expect(shortestEdgeSize({ width: 2, height: 5 }, 3, 100)).toEqual({ width: 3, height: 8 }); // 7.5
    expect(shortestEdgeSize({ width: 1, height: 5000 }, 512, 2048)).toEqual({ width: 1, height: 2048 });
  });
});

describe("views by the shortest edge", () => {
  const sizes = [256, 307, 512, 1024];
  const rule = shortestEdgeView({ sizes, maxSize: 2048, crop: { width: 512, height: 400 } });

  it("stay within the resized image and take every size, place, colour and side", () => {
    const views = samples(2000).map((i) => rule.choose({ width: 683, height: 512 }, random(i)));
    for (const { resized, crop } of views) {
      expect(crop.width).toBe(Math.min(512, resized.width));
      expect(crop.height).toBe(Math.min(400, resized.height));
      expect(crop.left >= 0 && crop.left + crop.width <= resized.width).toBe(true);
      expect(crop.top >= 0 && crop.top + crop.height <= resized.height).toBe(true);
    }
    for (const size of sizes) {
      const count = views.filter(({ resized }) => resized.height === size).length;
      expect(Math.abs(count - 500)).toBeLessThan(80);
    }
    const full = views.filter(({ resized }) => resized.height === 512).map(({ crop }) => crop.top);
    expect([Math.min(...full), Math.max(...full)]).toEqual([0, 112]); // both ends are drawn
    const mirrored = views.filter(({ mirror }) => mirror === "after").length;
    expect(isHalf(mirrored, 2000)).toBe(true);
    expect(views.every(({ mirror }) => mirror !== "before")).toBe(true);
    expect(isHalf(views.filter(({ color }) => color?.hue !== undefined).length, 2000)).toBe(true);
  });

  it("leave sides and colours alone on request, and choose the same size and place", () => {
    const plain = shortestEdgeView({
      sizes,
      maxSize: 2048,
      crop: { width: 512, height: 400 },
      flip: false,
      color: false,
    });
    for (const i of samples(20)) {
      const { resized, crop } = rule.choose({ width: 683, height: 512 }, random(i));
      expect(plain.choose({ width: 683, height: 512 }, random(i))).toEqual({ resized, crop });
    }
  });

  it("need a size to choose from", () => {
    expect(() => shortestEdgeView({ sizes: [], maxSize: 9, crop: { width: 8, height: 8 } })).toThrow(InputError);
  });

  it("treat a tall image as a wide one", () => {
    const { resized } = rule.choose({ width: 512, height: 683 }, random(0));
    const { resized: wide } = rule.choose({ width: 683, height: 512 }, random(0));
    expect(resized).toEqual({ width: wide.height, height: wide.width });
  });
});

describe("views by large-scale jitter", () => {
  it("resize by U(0.1, 2), keep the aspect, cut or leave room, and mirror first", () => {
    const rule = largeScaleJitterView({ width: 1024, height: 1024 });
    const views = samples(2000).map((i) => rule.choose({ width: 640, height: 480 }, random(i)));
    for (const { resized, crop, color } of views) {
      expect(Math.abs(resized.height - 0.75 * resized.width)).toBeLessThan(1);
      expect([crop.width, crop.height]).toEqual([Math.min(1024, resized.width), Math.min(1024, resized.height)]);
      expect(crop.left + crop.width <= resized.width && crop.top + crop.height <= resized.height).toBe(true);
      // One number places both: the shifts are the same share of what each axis can move.
      const [moveX, moveY] = [resized.width - crop.width, resized.height - crop.height];
      if (moveY > 0)
        expect(Math.abs(crop.left / moveX - crop.top / moveY)).toBeLessThanOrEqual(0.5 / moveX + 0.5 / moveY);
      expect(color).toBeUndefined();
    }
    const widths = views.map(({ resized }) => resized.width);
    expect(Math.min(...widths)).toBeGreaterThanOrEqual(102);
    expect(Math.min(...widths)).toBeLessThan(120);
    expect(Math.max(...widths)).toBeGreaterThan(2028);
    expect(isHalf(views.filter(({ mirror }) => mirror === "before").length, 2000)).toBe(true);
  });

  it("round halves to even", () => {
    const sideAt = (side: number) =>
      largeScaleJitterView({ width: side, height: side, scale: [0.5, 0.5], flip: false }).choose(
        { width: side, height: side },
        random(0),
      ).resized.width;
    expect([5, 7, 9, 1].map(sideAt)).toEqual([2, 4, 4, 1]); // 2.5, 3.5, 4.5, and 0.5, of which one pixel remains
  });

  it("show the whole image where nothing is left to chance", () => {
    const rule = largeScaleJitterView({ width: 64, height: 32, scale: [1, 1], flip: false });
    const view = rule.choose({ width: 100, height: 100 }, random(0));
    expect(view).toEqual({ resized: { width: 32, height: 32 }, crop: { left: 0, top: 0, width: 32, height: 32 } });
  });
});
