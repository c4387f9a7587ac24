import { expect, it, test } from "vitest";
import { roughDuration, timeAfter } from "../../src/core/duration.js";
import { forecaster } from "../../src/run/forecast.js";

/** What is said after each of the first steps that take so many seconds. */
function said(seconds: readonly number[], { first = 0, steps = 1000, evaluates = false } = {}) {
  let time = 0;
  const forecast = forecaster({ first, steps, evaluates, now: () => time });
  return seconds.map((taken, i) => {
    time += taken;
    return forecast(first + 1 + i);
  });
}

test("after three steps a run says how long it will take; the first, which starts up, does not count", () => {
  const [one, two, three, four] = said([60, 1, 2, 30]);
  expect([one, two, four]).toEqual([undefined, undefined, undefined]);
  expect(three).toMatch(/^About 25 min to go, until .*\d\d:\d\d \(1\.5 s a step\)$/);
  expect(said([9, 1, 2], { first: 400, steps: 1003, evaluates: true })[2]).toMatch(
    /^About 15 min to go, .* \(1\.5 s a step, evaluations not counted\)$/,
  );
});

test("a run that is over soon says nothing", () => {
  expect(said([60, 1, 2], { steps: 3 })).toEqual([undefined, undefined, undefined]);
  expect(said([1, 0.1, 0.1], { steps: 100 })).toEqual([undefined, undefined, undefined]);
});

it.each([
  [0.2, "1 s"],
  [50.4, "50 s"],
  [100, "2 min"],
  [1500, "25 min"],
  [5300, "88 min"],
  [5400, "1 h 30 min"],
  [10_800, "3 h"],
  [12_100, "3 h 20 min"],
  [35.9 * 3600, "36 h"],
  [71.9 * 3600, "72 h"],
  [9.98 * 3600, "10 h"],
  [300_000, "3 days"],
])("%d seconds are about %s", (seconds, text) => expect(roughDuration(seconds)).toBe(text));

test("the time of the end names the day where it is another one", () => {
  const now = new Date(2026, 10, 26, 13, 40);
  expect(timeAfter(1500, now)).toBe("14:05");
  expect(timeAfter(86_400, now)).toBe("Fri 27 Nov 13:40");
});
