import { expect, it } from "vitest";
import { runTrainingLoop } from "../../src/run/training-loop.js";
import { watchZeroLosses } from "../../src/run/zero-losses.js";
import { recordedReporter } from "../support/recorded-reporter.js";
import { temporaryDirectory } from "../support/temporary-directory.js";

/** Steps (from 1) at which a watch over `steps` steps says something. */
function told(steps: number, lossesOf: (step: number) => Record<string, number>): [step: number, text: string][] {
  const watch = watchZeroLosses(steps);
  return Array.from({ length: steps }, (_, i) => [i + 1, watch(lossesOf(i + 1)) ?? ""] as [number, string]).filter(
    ([, text]) => text !== "",
  );
}

it("losses that stay at 0 are told once, after 20 steps in a row", () => {
  const text = "the losses mask, dice were 0 in all of the last 20 steps";
  expect(told(60, () => ({ loss: 1, mask: 0, dice: 0 }))).toEqual([[20, expect.stringContaining(text)]]);
  expect(told(60, (step) => ({ loss: step < 31 ? 1 : 0 }))).toEqual([
    [50, expect.stringContaining("the loss loss was 0")],
  ]);
});

it("a loss that is 0 now and then is not told", () => {
  expect(told(100, (step) => ({ loss: step % 20 === 0 ? 1e-30 : 0 }))).toEqual([]);
});

it("a shorter run is told at its end, unless it says too little", () => {
  expect(told(8, () => ({ loss: 0 }))).toEqual([[8, expect.stringContaining("last 8 steps")]]);
  expect(told(2, () => ({ loss: 0 }))).toEqual([]);
});

it("a run says so", async () => {
  const reporter = recordedReporter();
  const batch = { names: ["a.png"], skipped: [], release: () => {} };
  await runTrainingLoop({
    out: temporaryDirectory(),
    command: "finetune",
    first: 0,
    steps: 30,
    logEvery: 50,
    checkpointEvery: 50,
    loader: { load: async () => batch, dispose: async () => {} },
    faults: [],
    step: async () => ({ losses: { loss: 1, mask: 0 }, metrics: {} }),
    measure: async () => undefined,
    save: async () => {},
    evaluates: false,
    reporter,
  });
  expect(reporter.lines.slice(1)).toEqual([
    expect.stringMatching(/^Warning: the loss mask was 0 in all of the last 20 steps/),
  ]);
});
