import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { inOrder } from "../../src/train/lanes.js";

const nothing = async () => {};

test("pieces are folded in their order, whatever ends first, and answers come in it", async () => {
  const folded: number[] = [];
  const answers = await inOrder(
    6,
    3,
    async (piece) => {
      await sleep([30, 1, 10, 1, 20, 1][piece]);
      return piece * piece;
    },
    async (piece) => void folded.push(piece),
  );
  expect(folded).toEqual([0, 1, 2, 3, 4, 5]);
  expect(answers).toEqual([0, 1, 4, 9, 16, 25]);
});

test("a lane holds one piece at a time, until it is folded", async () => {
  const busy = new Set<number>();
  const take = async (_: number, lane: number) => {
    expect(busy).not.toContain(lane);
    busy.add(lane);
    await sleep(1);
  };
  await inOrder(9, 2, take, async (_, lane) => void busy.delete(lane));
  expect(busy.size).toBe(0);
});

test("as many pieces as lanes get a lane each, however fast they are", async () => {
  const lanes: number[] = [];
  await inOrder(4, 4, async (_, lane) => void lanes.push(lane), nothing);
  expect(lanes).toEqual([0, 1, 2, 3]);
});

test("the first failure is thrown when nothing is in flight any more, and nothing after it is folded", async () => {
  let running = 0;
  const folded: number[] = [];
  const compute = async (piece: number) => {
    running++;
    await sleep(piece === 1 ? 1 : 20);
    running--;
    if (piece === 1) throw new Error("piece 1");
  };
  await expect(inOrder(3, 3, compute, async (piece) => void folded.push(piece))).rejects.toThrow("piece 1");
  expect(running).toBe(0);
  expect(folded).toEqual([0]);
});
