import { describe, expect, test } from "vitest";
import { TASK_LENGTH, taskInput } from "../../src/families/oneformer.js";
import { TASKS } from "../../src/masks/segmentation.js";
import { textValues } from "../../src/models/text-inputs.js";
import { clipVocabulary, endOf, tokensOf } from "../../src/models/text-tokens.js";
import { loadCase } from "../golden/case.js";

const vocabulary = await clipVocabulary();
const tokens = (text: string, length = 77) => tokensOf(text, length, vocabulary);

describe("tokens of a text", async () => {
  const golden = await loadCase("10_oneformer_tokenizer");
  const length = golden.setting("max_seq_len");
  const strings = golden.explicit<string[]>("strings");
  const stored = Array.from(golden.stored("tokens"), Number);

  test.each(strings.map((text, i) => [text.slice(0, 60), i] as const))("%j", (_, i) => {
    expect([...tokens(strings[i], length)]).toEqual(stored.slice(i * length, (i + 1) * length));
  });

  test("are the same in a list", () => {
    const found = ["a photo with a car", "a photo with a dog"].flatMap((text) => [...tokens(text, length)]);
    expect(found).toEqual(Array.from(golden.stored("tokens_from_list"), Number));
  });

  test("end with the mark of the end, whatever the room", () => {
    expect([...tokens("a photo with a car", 4)]).toEqual([49406, 320, 1125, 49407]);
    expect(endOf(tokens("a photo with a car", 16))).toBe(6);
    expect([...tokens("", 3)]).toEqual([49406, 49407, 0]);
  });
});

test("the tasks' tokens, which predictions have without a vocabulary, are those of their texts", () => {
  const found = taskInput(TASKS);
  TASKS.forEach((task, i) => {
    const expected = Array.from(tokens(`The task is ${task}`, TASK_LENGTH));
    expect([...found.subarray(i * TASK_LENGTH, (i + 1) * TASK_LENGTH)]).toEqual(expected);
  });
});

test("texts of a micro-batch are inputs once each, and every row says which is its own", () => {
  const texts = [
    ["a tree", "a car", "a car"],
    ["a car", "a dog", "a dog"],
  ];
  const sizes = { images: 2, rows: 3, different: 5, length: 8 };
  const [numbers, ends, rows] = [...textValues(texts, sizes, vocabulary).values()];
  expect(numbers).toHaveLength(5 * 8);
  const text = (i: number) => Array.from((numbers as BigInt64Array).subarray(i * 8, (i + 1) * 8), Number);
  expect([0, 1, 2].map(text)).toEqual(["a tree", "a car", "a dog"].map((words) => [...tokens(words, 8)]));
  expect(Array.from(ends, Number).flatMap((end, i) => (end === 1 ? [i] : []))).toEqual([3, 11, 19]);
  const chosen = Array.from({ length: 6 }, (_, row) =>
    Array.from(rows, Number)
      .slice(row * 5, row * 5 + 5)
      .indexOf(1),
  );
  expect(chosen).toEqual([0, 1, 1, 1, 2, 2]);
});
