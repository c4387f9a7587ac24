import { expect, test } from "vitest";
import { eachOf, inOrder } from "../../src/core/concurrency.js";
import { range } from "../../src/core/range.js";

/** Later items end first, so that order is not an accident. */
const wait = (item: number) => new Promise<void>((resolve) => setTimeout(resolve, 5 - item));

test("each item has its turn, so many at once", async () => {
  const done: number[] = [];
  let [underWay, most] = [0, 0];
  await eachOf(range(5), 2, async (item) => {
    most = Math.max(most, ++underWay);
    await wait(item);
    done.push(item);
    underWay--;
  });
  expect(done.sort()).toEqual(range(5));
  expect(most).toBe(2);
});

test("after a failure none is begun, and those under way end first", async () => {
  const log: string[] = [];
  const work = eachOf(range(6), 2, async (item) => {
    log.push(`begin ${item}`);
    if (item === 1) throw new Error("one");
    await wait(0);
    log.push(`end ${item}`);
  });
  await expect(work).rejects.toThrow("one");
  expect(log).toEqual(["begin 0", "begin 1", "end 0"]);
});

test("none is begun once it is to stop", async () => {
  const done: number[] = [];
  const work = async (item: number) => {
    done.push(item);
  };
  await eachOf(range(9), 1, work, () => done.length === 3);
  expect(done).toEqual([0, 1, 2]);
});

test("results come in order, and a consumer that leaves waits for what is under way", async () => {
  const ended: number[] = [];
  const work = async (item: number) => {
    await wait(item);
    ended.push(item);
    return 10 * item;
  };
  const results: number[] = [];
  for await (const { item, result } of inOrder(range(5), 3, work)) {
    expect(result).toBe(10 * item);
    results.push(item);
    if (item === 1) break;
  }
  expect(results).toEqual([0, 1]);
  expect(ended.sort()).toEqual([0, 1, 2, 3]);
});
