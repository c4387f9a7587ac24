import { describe, expect, test } from "vitest";
import { type AlarmThresholds, alarmText, CollapseWatch } from "../../src/pretrain/alarms.js";
import { PRESETS } from "../../src/pretrain/presets.js";
import type { MetricRecord } from "../../src/run/metrics-log.js";

const thresholds = PRESETS.tiny.run.collapse;

type Course = Readonly<Record<"std" | "rank" | "mean" | "last" | "error", readonly [from: number, to: number]>>;

/** What a run logs every 25 steps while everything moves evenly from its start to its end, at step `steps`. */
function logged(course: Course, steps: number): MetricRecord[] {
  return Array.from({ length: steps / 25 + 1 }, (_, i) => {
    const at = ([from, to]: readonly [number, number]) => from + ((to - from) * 25 * i) / steps;
    const [mean, error] = [at(course.mean), at(course.error)];
    return {
      step: Math.max(1, 25 * i),
      "target-std": at(course.std),
      "effective-rank": at(course.rank),
      "mean-error": mean,
      "last-rank": at(course.last),
      reconstruction: error,
      "explained-variance": 1 - error / mean,
    };
  });
}

const alarmsOf = (records: readonly MetricRecord[], own: AlarmThresholds = thresholds) =>
  new CollapseWatch(own, records).alarms;
const namesOf = (records: readonly MetricRecord[], own?: AlarmThresholds) =>
  alarmsOf(records, own).map(({ name }) => name);

const HEALTHY: Course = { std: [0.65, 0.6], rank: [26, 11], mean: [0.43, 0.37], last: [22, 21], error: [0.45, 0.1] };
const COLLAPSE: Course = { std: [0.71, 0.22], rank: [40, 14], mean: [0.51, 0.05], last: [39, 30], error: [0.45, 0.03] };

describe("runs that were recorded", () => {
  test("a frozen backbone: the rank falls to less than half, the deviation stays, nothing is wrong", () => {
    expect(alarmsOf(logged(HEALTHY, 3000))).toEqual([]);
  });

  test("denoising towards the image leaves F_last two directions: one alarm, about that", () => {
    const alarms = alarmsOf(logged({ ...HEALTHY, rank: [26, 8], last: [22, 2.2] }, 3000));
    expect(alarms).toHaveLength(1);
    expect(alarmText(alarms[0], 3000)).toMatch(
      /^Since step \d+: the effective rank of F_last fell from 22 to 5\.\d, below 25 % .*denoising.*denoiseTarget=noise/,
    );
  });

  test("a partial collapse within 600 steps is told within 100 steps of the deviation's fall to half", () => {
    const alarms = alarmsOf(logged(COLLAPSE, 600));
    const half = (600 * (0.71 - 0.355)) / (0.71 - 0.22);
    const [deviation] = alarms.filter(({ name }) => name === "falling deviation");
    expect(deviation.from).toBeGreaterThan(half);
    expect(deviation.from).toBeLessThan(half + 100);
    expect(deviation.to).toBe(600);
    expect(alarmText(deviation)).toMatch(
      /^At step \d+: the deviation of the target features fell from 0\.71 to 0\.3\d, below 50 % of its start \(run\.collapse\.stdOfStart\)\. Usual cause: .*nothing is frozen.*\. Try pretrain\.targetNorm=positions/,
    );
    const [shrunk] = alarms.filter(({ name }) => name === "shrinking target");
    expect(shrunk.seen).toMatch(/the error of predicting its mean fell from 0\.51 to 0\.1\d/);
    expect(alarms).toHaveLength(2);
  });

  test("an alarm is told once, and again when it had been over", () => {
    const down = logged(COLLAPSE, 600);
    const up = logged({ ...COLLAPSE, std: [0.22, 0.6], rank: [14, 30], mean: [0.05, 0.4], error: [0.03, 0.2] }, 600);
    const records = [...down, ...up, ...down].map((record, i) => ({ ...record, step: 25 * i }));
    const found = alarmsOf(records).filter(({ name }) => name === "falling deviation");
    expect(found).toHaveLength(2);
    expect(found[0].to).toBeLessThan(found[1].from - 500);
    expect(alarmText(found[0], records.at(-1)?.step)).toMatch(/^From step \d+ to \d+: /);
    expect(alarmText(found[1], records.at(-1)?.step)).toMatch(/^Since step \d+: /);
  });
});

describe("each alarm", () => {
  const steady: Course = { std: [0.7, 0.7], rank: [40, 40], mean: [0.5, 0.5], last: [40, 40], error: [0.2, 0.2] };

  test.each([
    { name: "deviation", course: { ...steady, std: [0.04, 0.04] as const } },
    { name: "rank", course: { ...steady, rank: [3, 3] as const } },
    { name: "falling deviation", course: { ...steady, std: [0.7, 0.3] as const } },
    { name: "falling rank", course: { ...steady, rank: [40, 9] as const } },
    { name: "falling rank of F_last", course: { ...steady, last: [40, 9] as const } },
    { name: "shrinking target", course: { ...steady, mean: [0.5, 0.1] as const, error: [0.48, 0.06] as const } },
    { name: "nothing predicted", course: { ...steady, error: [0.6, 0.55] as const } },
  ])("$name goes off alone, and not where its setting is 0", ({ name, course }) => {
    expect(namesOf(logged(course, 1000))).toEqual([name]);
    const off = Object.fromEntries(Object.keys(thresholds).map((key) => [key, 0])) as unknown as AlarmThresholds;
    expect(namesOf(logged(course, 1000), off)).toEqual([]);
  });

  test("a target that shrinks while the prediction explains more than that is no alarm", () => {
    expect(namesOf(logged({ ...steady, mean: [0.5, 0.15], error: [0.48, 0.02] }, 1000))).toEqual([]);
  });

  test("one batch out of line is no alarm", () => {
    const records = logged(steady, 1000);
    records[20] = { ...records[20], "target-std": 0.1, "last-rank": 1 };
    expect(alarmsOf(records)).toEqual([]);
  });

  test("what a run does not measure is not missed: no reconstruction, and metrics of before F_last was measured", () => {
    const records = logged(COLLAPSE, 600).map(
      ({ reconstruction, "explained-variance": _, "last-rank": __, ...rest }) => rest,
    );
    expect(namesOf(records as MetricRecord[])).toEqual(["falling deviation"]);
    expect(alarmsOf([{ step: 1, loss: 2 }])).toEqual([]);
  });

  test("a run that goes on from what it logged raises what an unbroken one does", () => {
    const records = logged(COLLAPSE, 600);
    const whole = new CollapseWatch(thresholds, []);
    const told = records.flatMap((record) => whole.add(record));
    for (let cut = 0; cut <= records.length; cut++) {
      const resumed = new CollapseWatch(thresholds, records.slice(0, cut));
      const before = [...resumed.alarms].map(({ name }) => name);
      const after = records.slice(cut).flatMap((record) => resumed.add(record));
      expect([...before, ...after.map(({ name }) => name)]).toEqual(told.map(({ name }) => name));
      expect(resumed.alarms).toEqual(whole.alarms);
    }
  });
});
