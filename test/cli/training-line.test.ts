import { PassThrough } from "node:stream";
import { describe, expect, it } from "vitest";
import { type LineStream, openTerminal } from "../../src/cli/terminal.js";
import { formatProgress, type Progress } from "../../src/cli/training-line.js";
import { formatDuration } from "../../src/core/duration.js";

const progress: Progress = {
  step: 40,
  total: 2000,
  losses: { loss: 0.81239, recon: 0.6 },
  imagesPerSecond: 3.204,
  dataWait: 0.041,
  secondsLeft: 3725.4,
  memoryBytes: 1.94 * 2 ** 30,
};

describe("the line", () => {
  it("shows what is known", () => {
    expect(formatProgress(progress)).toBe(
      "step   40/2000  ETA 1:02:05  loss 0.8124  recon 0.6000  3.20 images/s  data wait 4%  1.9 GiB",
    );
    expect(formatProgress({ step: 1, total: 9, losses: {} })).toBe("step 1/9");
    expect(formatProgress({ step: 1, total: 9, losses: { loss: Number.NaN } })).toBe("step 1/9  loss NaN");
  });

  it("leaves out its last figures where the width does not hold them, and never the time that is left", () => {
    const finetuning = { ...progress, losses: { loss: 41.239, class: 5.1112, mask: 0.42318, dice: 3.9991 } };
    expect(formatProgress(finetuning, 79)).toBe(
      "step   40/2000  ETA 1:02:05  loss 41.24  class 5.111  mask 0.4232  dice 3.999",
    );
    expect(formatProgress(finetuning, 59)).toBe("step   40/2000  ETA 1:02:05  loss 41.24  class 5.111");
    expect(formatProgress(progress, 79)).toBe("step   40/2000  ETA 1:02:05  loss 0.8124  recon 0.6000  3.20 images/s");
    expect(formatProgress(progress, 15)).toBe("step   40/2000");
    expect(formatProgress(progress, 6)).toBe("step  ");
    expect(formatProgress(progress, 0)).toBe("");
    expect(formatProgress(progress, -1)).toBe("");
  });

  it.each([
    [0.4, "0s"],
    [59.4, "59s"],
    [59.6, "1:00"],
    [3599.9, "1:00:00"],
    [360_000, "100:00:00"],
    [-3, "0s"],
  ])("%d seconds are %s", (seconds, text) => expect(formatDuration(seconds)).toBe(text));
});

/** Collects what is written; `screen` is what a terminal of one column per character would show. */
function fakeStream(isTTY: boolean, columns?: number): LineStream & { written: string[]; screen(): string[] } {
  const written: string[] = [];
  return {
    isTTY,
    columns,
    written,
    write: (text) => written.push(text) > 0,
    on: () => {},
    screen() {
      // What follows the last return to a line's start, which also clears it.
      return written
        .join("")
        .split("\n")
        .map((line) => line.split("\r\x1b[K").at(-1)!);
    },
  };
}

/** A display whose clock is set by the test, and a function that lets a step of some seconds pass. */
function display(stream: LineStream, total = 100) {
  const clock = { seconds: 0 };
  const reporter = openTerminal({ stream, plainEvery: 10, now: () => clock.seconds });
  const line = reporter.steps(total);
  const step = (number: number, seconds: number, waitSeconds = 0) => {
    clock.seconds += seconds;
    line.update({ step: number, losses: { loss: number }, images: 4, waitSeconds });
  };
  const wait = (seconds: number) => {
    clock.seconds += seconds;
  };
  return { reporter, line, step, wait };
}

describe("on a terminal", () => {
  it("one line, at most ten times a second, the last step at the end", () => {
    const stream = fakeStream(true, 30);
    const { line, step } = display(stream);
    for (let i = 1; i <= 100; i++) step(i, 0.01);
    expect(stream.written.length).toBeLessThanOrEqual(11);
    expect(stream.screen()).toHaveLength(1);
    line.end();
    expect(stream.screen()).toEqual(["step 100/100  ETA 0s", ""]);
  });

  it("messages stay above the line, whole and without control characters", () => {
    const stream = fakeStream(true, 20);
    const { reporter, line, step } = display(stream);
    reporter.say("before");
    step(1, 1);
    reporter.say("skipped \x1b[2Jevil\r.jpg: a message longer than the width\nof two lines");
    step(2, 1);
    const top = ["before", "skipped ?[2Jevil?.jpg: a message longer than the width", "of two lines"];
    expect(stream.screen()).toEqual([...top, "step   2/100"]);
    line.end();
    reporter.say("after");
    expect(stream.screen()).toEqual([...top, "step   2/100", "after", ""]);
  });

  it("work between two steps takes the line for as long as it lasts", () => {
    const stream = fakeStream(true, 40);
    const { reporter, line, step, wait } = display(stream);
    step(1, 1);
    const task = reporter.begin("Evaluating", 10);
    wait(1);
    task.update(5);
    expect(stream.screen()).toEqual(["Evaluating: 5/10  ETA 1s"]);
    task.end();
    step(2, 1);
    expect(stream.screen()[0]).toMatch(/^step {3}2\/100 {2}ETA/);
    line.end();
    expect(stream.screen()).toHaveLength(2);
  });
});

describe("in a pipe", () => {
  it("a plain line now and then, and the last step", () => {
    const stream = fakeStream(false);
    const { reporter, line, step } = display(stream);
    for (let i = 1; i <= 25; i++) step(i, 1);
    reporter.say("warning");
    line.end();
    const lines = stream.written.join("").split("\n");
    expect(lines.map((text) => text.slice(0, 12))).toEqual([
      "step   1/100",
      "step  11/100",
      "step  21/100",
      "warning",
      "step  25/100",
      "",
    ]);
    expect(stream.written.join("")).not.toContain("\r");
  });

  it("the pace is a moving average that forgets the start-up", () => {
    const stream = fakeStream(false);
    const { step } = display(stream, 1000);
    step(1, 60, 30);
    expect(stream.written.at(-1)).toMatch(/ETA 16:39:00 .* 0\.0667 images\/s {2}data wait 50%/);
    for (let i = 2; i <= 31; i++) step(i, 2, 0.5);
    expect(stream.written.at(-1)).toMatch(/ETA 32:18 .* 2\.00 images\/s {2}data wait 25%/);
    for (let i = 32; i <= 202; i++) step(i, 4);
    expect(stream.written.at(-1)).toMatch(/ETA 53:12 .* 1\.00 images\/s {2}data wait 0%/);
  });
});

describe("a closed pipe", () => {
  it("an error event silences the display", () => {
    const stream = new PassThrough();
    const { reporter, line, step } = display(stream);
    step(1, 1);
    stream.emit("error", Object.assign(new Error("write EPIPE"), { code: "EPIPE" }));
    stream.read();
    step(2, 100);
    reporter.say("x");
    line.end();
    expect(stream.read()).toBeNull();
  });

  it("so does a stream that throws", () => {
    let calls = 0;
    const write = () => {
      calls++;
      throw new Error("gone");
    };
    const { reporter, line, step } = display({ write, on: () => {} });
    step(1, 1);
    reporter.say("x");
    line.end();
    expect(calls).toBe(1);
  });
});
