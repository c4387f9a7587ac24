import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { explain } from "../../src/cli/faults.js";
import { InputError } from "../../src/core/errors.js";
import { type Call, plan } from "../support/file-faults.js";
import { writeImages } from "../support/image-folder.js";
import { type Printed, runMain } from "../support/in-process.js";
import { SMALLEST_FINETUNING, SMALLEST_TRAINING } from "../support/tiny-finetuning.js";
import { saveTinyModel, tinyModel } from "../support/tiny-model.js";
import { SMALLEST } from "../support/tiny-pretraining.js";

vi.mock("node:fs", async (original) => (await import("../support/file-faults.js")).withFaults(await original()));
vi.mock("node:fs/promises", async (original) =>
  (await import("../support/file-faults.js")).withFaults(await original()),
);

const folder = mkdtempSync(join(tmpdir(), "mask-jepa-faults-"));
const at = (...names: string[]) => join(folder, ...names);
const sets = (all: readonly string[]) => all.flatMap((set) => ["--set", set]);

const RUN = ["--cores", "1"];
const PRETRAIN = [...RUN, "--preset", "tiny", ...sets([...SMALLEST, "run.steps=1"])];
const finetuning = (settings: readonly string[]) => [
  ...["--data", at("scenes"), "--task", "semantic", ...RUN],
  ...sets([...settings, "data.valSplit=null", "run.steps=1"]),
];

beforeAll(async () => {
  await writeImages(at("photos"), 2);
  await saveTinyModel(at("model"), tinyModel("panoptic"));
  const made = [
    await runMain("sample-data", at("scenes"), "--images", "5", "--size", "64"),
    await runMain("pretrain", "--images", at("photos"), "--out", at("pretrained"), ...PRETRAIN),
    await runMain("finetune", "--out", at("tuned"), ...finetuning(SMALLEST_FINETUNING)),
  ];
  for (const { code, err } of made) expect(code, err).toBe(0);
});
const cleared = () => {
  plan.faultOf = () => undefined;
  const left = readdirSync(folder).filter((name) => name.includes("out"));
  for (const name of left) rmSync(at(name), { recursive: true, force: true });
  return left;
};
afterEach(cleared);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A command that writes `out`, and how many of its uses of the file system a test lets fail. */
interface Case {
  readonly command: string;
  readonly args: (out: string) => string[];
  readonly most: number;
}

const CHEAP = Number.POSITIVE_INFINITY;
const SLOW = 5;
const CASES: Record<string, Case> = {
  "sample-data": { command: "sample-data", args: (out) => [out, "--images", "2", "--size", "16"], most: CHEAP },
  "data check": { command: "data", args: (out) => ["check", "--data", at("scenes"), "--report", out], most: CHEAP },
  export: {
    command: "export",
    args: (out) => ["--checkpoint", at("tuned"), "--to", "canonical", "--out", `${out}.safetensors`],
    most: CHEAP,
  },
  convert: {
    command: "convert",
    args: (out) => [at("tuned", "checkpoints", "step-00000001", "model.safetensors"), `${out}.pth`],
    most: CHEAP,
  },
  predict: {
    command: "predict",
    args: (out) => ["--checkpoint", at("model"), "--images", at("photos"), "--out", out],
    most: SLOW,
  },
  evaluate: {
    command: "evaluate",
    args: (out) => ["--data", at("scenes"), "--checkpoint", at("tuned"), "--out", out],
    most: SLOW,
  },
  visualize: {
    command: "visualize",
    args: (out) => ["--checkpoint", at("pretrained"), "--images", at("photos"), "--out", out, "--count", "1"],
    most: SLOW,
  },
  pretrain: {
    command: "pretrain",
    args: (out) => ["--images", at("photos"), "--out", out, ...PRETRAIN],
    most: SLOW,
  },
  "pretrain --resume": { command: "pretrain", args: () => ["--resume", at("pretrained")], most: SLOW },
  finetune: {
    command: "finetune",
    args: (out) => ["--out", out, "--from", at("pretrained"), ...finetuning(SMALLEST_TRAINING)],
    most: SLOW,
  },
  "finetune --resume": { command: "finetune", args: () => ["--resume", at("tuned")], most: SLOW },
};

/** One line for a person, or work that went on without what could not be read. */
function expectTyped({ code, err }: Printed, what: string): void {
  expect(err, what).not.toMatch(/unexpected error|\n {4}at /);
  expect([0, 1], what).toContain(code);
  if (code === 1) expect(err, what).toMatch(/^error: .+: expected .+, found /m);
}

describe("each use of the file system fails once, and no command calls it unexpected", () => {
  const CODES = ["EACCES", "EROFS", "ENOSPC", "EDQUOT", "EIO"];
  const nameOf = ({ name, path }: Call) => `${name} ${path.replace(/\d+-\d+\.tmp$|tfevents.*/g, "*")}`;

  test.each(Object.keys(CASES))("%s", async (name) => {
    const { command, args, most } = CASES[name];
    const calls = new Set<string>();
    plan.faultOf = (call) => {
      if (call.path.startsWith(folder)) calls.add(nameOf(call));
      return undefined;
    };
    expect((await runMain(command, ...args(at("out")))).code).toBe(0);
    cleared();
    const every = Math.ceil(calls.size / most) || 1;
    const chosen = [...calls].filter((_, i) => i % every === every - 1 || every === 1);
    expect(chosen.length).toBeGreaterThan(3);
    for (const [i, failing] of chosen.entries()) {
      const code = CODES[i % CODES.length];
      plan.faultOf = (call) => (nameOf(call) === failing ? code : undefined);
      const printed = await runMain(command, ...args(at("out")));
      expectTyped(printed, `${code} of ${failing}`);
      const left = cleared();
      if (name === "sample-data" && printed.code === 1) expect(left, `${code} of ${failing}`).toEqual([]);
    }
  });
});

describe("places that cannot be written are named", () => {
  const places: [string, () => string, RegExp][] = [
    [
      "below a file",
      () => at("file", "out"),
      /a file where a folder should be|in the way, which is a file|file: expected a folder that can be written, found a file/,
    ],
    ["in /proc", () => "/proc/mask-jepa/out", /nothing of that name \(ENOENT\)|\(EACCES\)|\(EPERM\)/],
    ["with a name that is too long", () => at("x".repeat(300), "out"), /a name that is too long/],
    ["below a link that leads to itself", () => at("loop", "out"), /a link that leads to itself/],
    [
      "below /dev/full",
      () => "/dev/full/out",
      /a file where a folder should be|in the way, which is a file|full: expected a folder that can be written, found/,
    ],
  ];
  beforeAll(() => {
    writeFileSync(at("file"), "");
    symlinkSync(at("loop"), at("loop"));
  });
  const writing = Object.keys(CASES).filter((name) => !name.includes("--resume"));

  test.each(writing)("%s", async (name) => {
    const { command, args } = CASES[name];
    for (const [what, place, reason] of places) {
      const printed = await runMain(command, ...args(place()));
      expectTyped(printed, what);
      expect([printed.code, printed.err], what).toEqual([1, expect.stringMatching(reason)]);
    }
  });
});

describe("memory that runs out", () => {
  const errors: [string, Error][] = [
    ["V8", new RangeError("Array buffer allocation failed")],
    ["a size that no array can have", new RangeError("Invalid typed array length: 9007199254740991")],
    [
      "a worker",
      Object.assign(new Error("Worker terminated due to reaching memory limit"), { code: "ERR_WORKER_OUT_OF_MEMORY" }),
    ],
    ["the compute library", new Error("Non-zero status code returned: std::bad_alloc")],
    ["the system", Object.assign(new Error("ENOMEM: not enough memory, read"), { code: "ENOMEM", syscall: "read" })],
    ["below another error", new Error("the step failed", { cause: new RangeError("Array buffer allocation failed") })],
  ];
  test.each(errors)("of %s is an error that says what to do", (_, error) => {
    expect(explain(error)?.message).toMatch(
      /^memory: expected memory for this command, found too little of it.*smaller batch/,
    );
  });

  test("a fault of the program stays one, and an error with words of its own keeps them", () => {
    expect(explain(new TypeError("x is not a function"))).toBeUndefined();
    expect(explain(new RangeError("toFixed() digits argument must be between 0 and 100"))).toBeUndefined();
    const typed = new InputError({ where: "a", expected: "b", found: "c" });
    expect(explain(typed)).toBe(typed);
  });
});

test("a folder that is read-only or full says so, and not that it is missing", async () => {
  mkdirSync(at("readonly"));
  for (const [code, reason] of [
    ["EROFS", "a read-only file system"],
    ["ENOSPC", "no space left on the disk"],
  ]) {
    plan.faultOf = ({ name, path }) => (name === "mkdir" && path.startsWith(at("readonly")) ? code : undefined);
    const printed = await runMain("sample-data", at("readonly", "deep", "out"), "--images", "1", "--size", "16");
    expect(printed.err).toContain(`found ${reason} (${code})`);
  }
});
