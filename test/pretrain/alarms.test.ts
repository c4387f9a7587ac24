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
      denoising: 0.4,
      reconstruction: error,
      "explained-variance": 1 - error / mean,
    };
  });
}

/** What tiny decoders over a small supervised backbone logged: step, deviation, rank, error of the mean, error. */
type Row = readonly [step: number, std: number, rank: number, mean: number, error: number];
const recorded = (rows: readonly Row[]): MetricRecord[] =>
  rows.map(([step, std, rank, mean, error]) => ({
    step,
    "target-std": std,
    "effective-rank": rank,
    "mean-error": mean,
    denoising: 0.4,
    reconstruction: error,
    "explained-variance": 1 - error / mean,
  }));

/** The backbone frozen, denoising the noise, lr 1e-3: the target shrinks for 300 steps, and recovers. */
const FROZEN = recorded([
  [1, 0.78, 44, 0.624, 1.25],
  [25, 0.753, 42.2, 0.584, 0.593],
  [50, 0.74, 42, 0.563, 0.567],
  [75, 0.7, 40.8, 0.503, 0.506],
  [100, 0.625, 37.8, 0.404, 0.371],
  [125, 0.581, 36.4, 0.347, 0.301],
  [150, 0.544, 35, 0.304, 0.259],
  [175, 0.495, 32.8, 0.252, 0.214],
  [200, 0.5, 32.7, 0.258, 0.212],
  [225, 0.47, 31.6, 0.227, 0.183],
  [250, 0.455, 30.3, 0.214, 0.167],
  [275, 0.419, 28.4, 0.181, 0.131],
  [300, 0.409, 27.8, 0.174, 0.127],
  [325, 0.432, 27.4, 0.195, 0.117],
  [350, 0.423, 26.9, 0.187, 0.123],
  [375, 0.461, 28, 0.223, 0.134],
  [400, 0.452, 28.1, 0.214, 0.137],
  [425, 0.451, 28, 0.215, 0.132],
  [450, 0.448, 27.4, 0.212, 0.117],
  [475, 0.473, 28.1, 0.238, 0.138],
  [500, 0.472, 28.1, 0.236, 0.132],
  [750, 0.569, 28.3, 0.348, 0.156],
  [1000, 0.593, 29.5, 0.375, 0.151],
  [1250, 0.66, 30.6, 0.464, 0.167],
  [1500, 0.677, 29.5, 0.49, 0.151],
  [1750, 0.664, 28.9, 0.469, 0.146],
  [2000, 0.695, 31.3, 0.518, 0.18],
  [2250, 0.704, 29.9, 0.531, 0.147],
  [2500, 0.714, 30.4, 0.549, 0.141],
  [2750, 0.686, 30.3, 0.503, 0.13],
  [3000, 0.727, 30.4, 0.57, 0.134],
]);

/** Nothing frozen, group norm, random weights, denoising the noise, lr 1e-3: a third of the target is left. */
const UNFROZEN = recorded([
  [1, 0.676, 37.9, 0.476, 1.27],
  [25, 0.664, 37, 0.458, 0.527],
  [50, 0.644, 36.5, 0.435, 0.437],
  [75, 0.587, 33.9, 0.361, 0.354],
  [100, 0.522, 30.9, 0.288, 0.234],
  [125, 0.468, 28.2, 0.23, 0.186],
  [150, 0.416, 25.7, 0.183, 0.138],
  [175, 0.384, 23.2, 0.155, 0.112],
  [200, 0.342, 20.9, 0.123, 0.0864],
  [225, 0.32, 19.7, 0.107, 0.0742],
  [250, 0.289, 17.5, 0.0882, 0.0558],
  [275, 0.274, 16.5, 0.0788, 0.0519],
  [300, 0.255, 15, 0.0694, 0.0381],
  [325, 0.247, 14.6, 0.0647, 0.0357],
  [350, 0.237, 13.7, 0.0602, 0.0309],
  [375, 0.231, 13.7, 0.0566, 0.0322],
  [400, 0.222, 13.6, 0.0516, 0.0313],
  [425, 0.222, 13.5, 0.0523, 0.0304],
  [450, 0.217, 13.2, 0.0498, 0.0288],
  [475, 0.22, 13.2, 0.0518, 0.03],
  [500, 0.217, 12.9, 0.05, 0.0278],
  [525, 0.224, 13.3, 0.0533, 0.0354],
  [550, 0.222, 13.1, 0.0529, 0.0281],
  [575, 0.247, 13.9, 0.0653, 0.0356],
  [600, 0.249, 13.8, 0.0668, 0.0324],
]);

/** The same regime for 400 steps in all, on 248 photographs of 96x96: tau is at 1 before more than half is lost. */
const UNFROZEN_SHORT = recorded([
  [1, 0.698, 39, 0.499, 1.27],
  [25, 0.674, 38, 0.469, 0.478],
  [50, 0.627, 36.2, 0.41, 0.416],
  [75, 0.578, 34.4, 0.348, 0.352],
  [100, 0.524, 32.8, 0.284, 0.286],
  [125, 0.473, 30.7, 0.232, 0.234],
  [150, 0.436, 28.7, 0.198, 0.199],
  [175, 0.407, 27.6, 0.171, 0.173],
  [200, 0.387, 26.1, 0.156, 0.152],
  [225, 0.361, 25, 0.135, 0.127],
  [250, 0.342, 24.1, 0.122, 0.116],
  [275, 0.336, 23.5, 0.116, 0.107],
  [300, 0.327, 22.7, 0.111, 0.102],
  [325, 0.325, 23.2, 0.109, 0.0983],
  [350, 0.319, 22.5, 0.106, 0.0951],
  [375, 0.313, 22.3, 0.102, 0.0911],
  [400, 0.311, 22, 0.1, 0.0889],
]);

const alarmsOf = (records: readonly MetricRecord[], own: AlarmThresholds = thresholds) =>
  new CollapseWatch(own, records).alarms;
const namesOf = (records: readonly MetricRecord[], own?: AlarmThresholds) =>
  alarmsOf(records, own).map(({ name }) => name);

const HEALTHY: Course = { std: [0.65, 0.6], rank: [26, 11], mean: [0.43, 0.37], last: [22, 21], error: [0.45, 0.1] };
const COLLAPSE: Course = { std: [0.71, 0.22], rank: [40, 14], mean: [0.51, 0.05], last: [39, 30], error: [0.45, 0.03] };

describe("runs that were recorded", () => {
  test("a frozen backbone: the target shrinks to half and recovers, its rank falls to two thirds: nothing is wrong", () => {
    expect(alarmsOf(FROZEN)).toEqual([]);
    expect(alarmsOf(logged(HEALTHY, 3000))).toEqual([]);
  });

  test("denoising towards the image leaves F_last a few directions within 20 steps: one alarm, about that", () => {
    const ranks = [30.9, 3.49, 3.22, 3.56, 3.11, 3.65];
    const rows = ranks.map((last, i) => ({ ...FROZEN[i], "last-rank": last }));
    expect(namesOf(rows)).toEqual(["falling rank of F_last"]);
    // The same towards the noise.
    const noise = [30.9, 19.1, 19.6, 20.8, 20.6, 20.8];
    expect(namesOf(noise.map((last, i) => ({ ...FROZEN[i], "last-rank": last })))).toEqual([]);
    const alarms = alarmsOf(logged({ ...HEALTHY, rank: [26, 8], last: [22, 2.2] }, 3000));
    expect(alarms).toHaveLength(1);
    expect(alarmText(alarms[0], 3000)).toMatch(
      /^Since step \d+: the effective rank of F_last fell from 22 to 6\.\d, below 30 % .*denoising.*denoiseTarget=noise/,
    );
  });

  test("a partial collapse: the deviation falls to a third within 400 steps, which is told before", () => {
    const alarms = alarmsOf(UNFROZEN);
    expect(alarms.map(({ name }) => name)).toEqual(["shrinking target", "falling deviation"]);
    const [shrunk, deviation] = alarms;
    expect(shrunk.from).toBe(250);
    expect(deviation).toMatchObject({ from: 325, to: 600 });
    expect(alarmText(deviation)).toMatch(
      /^At step 325: the deviation of the target features fell from 0\.68 to 0\.2\d, below 40 % of its start \(run\.collapse\.stdOfStart\)\. Usual cause: .*nothing is frozen.*\. Try pretrain\.denoising=false, pretrain\.targetNorm=positions/,
    );
    expect(shrunk.seen).toMatch(/the error of predicting its mean fell from 0\.48 to 0\.0\d/);
  });

  test("a short run that loses a little more than half of its deviation is told of while that happens", () => {
    expect(alarmsOf(UNFROZEN_SHORT)).toMatchObject([{ name: "shrinking target", from: 300, to: 400 }]);
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
    { name: "falling deviation", course: { ...steady, std: [0.7, 0.2] as const } },
    { name: "falling rank", course: { ...steady, rank: [40, 9] as const } },
    { name: "falling rank of F_last", course: { ...steady, last: [40, 9] as const } },
    { name: "shrinking target", course: { ...steady, mean: [0.5, 0.06] as const, error: [0.48, 0.04] as const } },
    { name: "nothing predicted", course: { ...steady, error: [0.6, 0.55] as const } },
  ])("$name goes off alone, and not where its setting is 0", ({ name, course }) => {
    expect(namesOf(logged(course, 1000))).toEqual([name]);
    const off = Object.fromEntries(Object.keys(thresholds).map((key) => [key, 0])) as unknown as AlarmThresholds;
    expect(namesOf(logged(course, 1000), off)).toEqual([]);
  });

  test("of F_last names denoising where there is some, else what the encoder has learned", () => {
    const records = logged({ ...steady, last: [40, 9] }, 1000);
    const without = records.map(({ denoising: _, ...rest }) => rest as MetricRecord);
    expect(alarmsOf(records).map((alarm) => alarmText(alarm))).toEqual([
      expect.stringMatching(/learns from denoising/),
    ]);
    const [alarm, ...others] = alarmsOf(without);
    expect(others).toEqual([]);
    expect(alarm.seen).toBe(alarmsOf(records)[0].seen);
    expect(alarmText(alarm)).not.toContain("denois");
  });

  test("a target that shrinks while the prediction explains more than that is no alarm", () => {
    expect(namesOf(logged({ ...steady, mean: [0.5, 0.1], error: [0.2, 0.01] }, 1000))).toEqual([]);
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
