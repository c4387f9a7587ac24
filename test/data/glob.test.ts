import { describe, expect, it } from "vitest";
import { globMatcher } from "../../src/data/datasets/glob.js";

describe("patterns of paths", () => {
  it.each([
    ["Seq05VD_*", ["Seq05VD_f00.png", "Seq05VD_"], ["Seq06_f0.png", "a/Seq05VD_1.png", "Seq05VD_a/b.png"]],
    ["*.png", ["a.png", ".png"], ["a.jpg", "a/b.png"]],
    ["**", ["a.png", "a/b/c.png", ""], []],
    ["**/*.png", ["a.png", "a/b.png", "a/b/c.png"], ["a.jpg"]],
    ["a/**/b.png", ["a/b.png", "a/x/b.png", "a/x/y/b.png"], ["ab.png", "a/xb.png", "b.png"]],
    ["a**b", ["ab", "a/b", "axb"], ["a", "ba"]],
    ["img?.png", ["img1.png"], ["img.png", "img10.png", "img/.png"]],
    ["{a,bc}/*", ["a/x", "bc/y"], ["b/x", "a"]],
    ["{a,}x", ["ax", "x"], ["bx"]],
    ["a.b+c(1)", ["a.b+c(1)"], ["axb+c(1)", "a.bbc(1)"]],
    ["{a", ["{a"], ["a"]],
    ["", [""], ["a"]],
  ])("%s", (pattern, fitting, others) => {
    const fits = globMatcher(pattern);
    expect(fitting.filter((path) => !fits(path))).toEqual([]);
    expect(others.filter(fits)).toEqual([]);
  });

  it("take time by their length alone, where regular expressions take a power of it", () => {
    const path = `${"a".repeat(250)}c`;
    expect(globMatcher(`${"*a".repeat(40)}*b`)(path)).toBe(false);
    expect(globMatcher(`${"*a".repeat(40)}*c`)(path)).toBe(true);
    expect(globMatcher(`${"**/".repeat(40)}b`)("a/".repeat(250))).toBe(false);
  });

  it("are refused where they are too long to be meant", () => {
    expect(() => globMatcher("a".repeat(5000))).toThrow(/at most 4096 characters, found 5000/);
    expect(() => globMatcher("*a".repeat(60))).toThrow(/at most 100 parts, found 120/);
  });
});
