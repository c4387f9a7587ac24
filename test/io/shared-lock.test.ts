import { setImmediate as turn } from "node:timers/promises";
import { expect, it } from "vitest";
import { createSharedLock } from "../../src/io/shared-lock.js";

/** Runs jobs through a lock and notes which were under way together. */
function overlapping() {
  const lock = createSharedLock();
  const running = new Set<string>();
  const together: string[][] = [];
  const job = (name: string) => async () => {
    running.add(name);
    together.push([...running].sort());
    for (let i = 0; i < 3; i++) await turn();
    running.delete(name);
    if (name.includes("!")) throw new Error(name);
    return name;
  };
  return { lock, job, together };
}

it("jobs run side by side, but none beside one that is alone", async () => {
  const { lock, job, together } = overlapping();
  const started = ["a", "b"].map((name) => lock.shared(job(name)));
  const alone = ["A", "B"].map((name) => lock.alone(job(name)));
  const late = ["c", "d"].map((name) => lock.shared(job(name)));
  expect(await Promise.all([...started, ...alone, ...late])).toEqual(["a", "b", "A", "B", "c", "d"]);
  expect(together).toEqual([["a"], ["a", "b"], ["A"], ["B"], ["c"], ["c", "d"]]);
});

it("a job that fails, alone or not, holds nobody up", async () => {
  const { lock, job, together } = overlapping();
  const jobs = [lock.shared(job("a!")), lock.alone(job("A!")), lock.shared(job("b")), lock.alone(job("B"))];
  const outcomes = await Promise.allSettled(jobs);
  expect(outcomes.map(({ status }) => status)).toEqual(["rejected", "rejected", "fulfilled", "fulfilled"]);
  expect(await lock.shared(job("c"))).toBe("c");
  expect(together.every((names) => names.length === 1)).toBe(true);
});
