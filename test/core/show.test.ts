import { expect, it } from "vitest";
import { InputError, suggestion } from "../../src/core/errors.js";
import { show } from "../../src/core/show.js";

it.each([
  [undefined, "nothing"],
  [null, "null"],
  [Number.NaN, "NaN"],
  ["a\nb", '"a\\nb"'],
  [[1, "x", null, [true]], '[1,"x",null,[true]]'],
  [{ size: [3, 4], counts: "228" }, '{"size":[3,4],"counts":"228"}'],
  [{ toString: 5 }, '{"toString":5}'],
])("%j is shown as a file has it", (value, text) => {
  expect(show(value)).toBe(text);
});

it("shows the beginning of what is long or deep", () => {
  expect(show("x".repeat(1e6))).toBe(`"${"x".repeat(76)}...`);
  expect(show(Array(1e6).fill(1))).toBe(`[${"1,".repeat(38)}...`);
  const deep = JSON.parse(`${"[".repeat(1e5)}${"]".repeat(1e5)}`);
  expect(show(deep)).toBe(`${"[".repeat(77)}...`);
});

it("messages stay readable whatever names they hold", () => {
  const name = "n".repeat(1e5);
  const { message } = new InputError({ where: `${name}.yaml key`, expected: "a name", found: name });
  expect(message.length).toBeLessThan(2000);
  expect(message).toMatch(/^n{600} \.\.\. n{291}\.yaml key: expected a name, found n{600} \.\.\. n{300}\.$/);
  const choices = Array.from({ length: 1000 }, (_, i) => `class ${i}`);
  expect(suggestion(name, choices)).toMatch(/class 99 and 900 more\.$/);
});

it.each([
  ["step", 'Did you mean "steps"?'], // begins so, and the nearest of those
  ["maskformer-r50-coc", 'Did you mean "maskformer-r50-coco-panoptic"?'], // nearer by edits: oneformer-r50-coco
  ["mp-former-R50", "Valid choices that begin so: mp-former-r50-ade20k-panoptic, mp-former-r50-coco-instance."],
  ["onefromer-r50-coco", 'Did you mean "oneformer-r50-coco"?'],
  ["resnet", "Valid choices: steps, stepsPerEpoch, "],
  ["", "Valid choices: steps, "],
])("the name %j: %s", (name, said) => {
  const choices = [
    ...["steps", "stepsPerEpoch", "oneformer-r50-coco", "maskformer-r50-coco-panoptic"],
    ...["mp-former-r50-ade20k-panoptic", "mp-former-r50-coco-instance"],
  ];
  expect(suggestion(name, choices)).toContain(said);
});
