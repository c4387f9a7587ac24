import { expect, test } from "vitest";
import { SILENT } from "../../src/core/reporter.js";
import { continued, type Rate } from "../../src/run/run-length.js";
import type { Schedule } from "../../src/train/schedule.js";

function goOn(schedule: Schedule["kind"], length: { step: number; was: number; steps: number }, others: Rate[] = []) {
  const optim = { schedule, warmup: 0.1, polyPower: 0.9, milestones: [0.5, 0.9], gamma: 0.1 };
  const before = { step: length.step, steps: length.was };
  const options = { out: "runs/a", command: "finetune", before, steps: length.steps, others, reporter: SILENT };
  return continued({ optim }, options).optim.warmup;
}

test("a constant rate goes on with the warm-up steps that it had, during the warm-up too", () => {
  expect(goOn("constant", { step: 50, was: 100, steps: 400 })).toBe(0.025);
  expect(goOn("constant", { step: 5, was: 100, steps: 1000 })).toBe(0.01);
  expect(goOn("constant", { step: 20, was: 100, steps: 30 })).toBeCloseTo(1 / 3, 12);
  expect(goOn("constant", { step: 50, was: 100, steps: 100 })).toBe(0.1);
});

test("a rate in steps of its own goes on as long as none was taken that would come at another time", () => {
  expect(goOn("multistep", { step: 50, was: 100, steps: 200 })).toBe(0.05);
  expect(() => goOn("multistep", { step: 51, was: 100, steps: 200 })).toThrow(
    "the learning rate (optim.schedule multistep) depends on them, and step 51 is taken",
  );
});

test.each(["poly", "cosine"] as const)("%s has other rates in a longer run", (schedule) => {
  expect(() => goOn(schedule, { step: 10, was: 100, steps: 200 })).toThrow(
    "--resume runs/a: expected the 100 steps that it began with",
  );
  expect(() => goOn(schedule, { step: 10, was: 100, steps: 200 })).toThrow(
    "finetune --from runs/a --steps N --out NEW",
  );
});

test("any other rate counts too", () => {
  const tau = { name: "tau", at: (step: number, steps: number) => step / steps };
  expect(() => goOn("constant", { step: 10, was: 100, steps: 200 }, [tau])).toThrow("tau depends on them");
});

test("a run is not made shorter than what it has taken or than its warm-up", () => {
  expect(() => goOn("constant", { step: 50, was: 100, steps: 49 })).toThrow("at least the 50 steps");
  expect(() => goOn("constant", { step: 5, was: 100, steps: 10 })).toThrow("more than the 10 steps of its warm-up");
});
