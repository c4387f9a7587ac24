import { spawnSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { runDoctor } from "../../src/cli/doctor.js";
import { runMain } from "../support/in-process.js";

const folder = mkdtempSync(join(tmpdir(), "cli-"));
afterAll(() => rmSync(folder, { recursive: true }));

describe("help", () => {
  test("--version prints the package's version", async () => {
    const { version } = JSON.parse(readFileSync("package.json", "utf8")) as { version: string };
    expect(await runMain("--version")).toEqual({ code: 0, out: `${version}\n`, err: "" });
  });

  test.each(["pretrain", "predict", "sample-data", "visualize", "quickstart", "doctor"])(
    "%s --help shows an example",
    async (name) => {
      expect((await runMain("--help")).out).toContain(`  ${name} `);
      const { code, out } = await runMain(name, "--help");
      expect(code).toBe(0);
      expect(out).toMatch(new RegExp(`Examples?:\n  mask-jepa ${name}`));
    },
  );
});

describe("a command line that is not understood ends with 2 and the nearest name", () => {
  test.each([
    [["pretrian"], "unknown command 'pretrian'\n(Did you mean pretrain?)"],
    [["evaluate", "--dta", "coco"], "unknown option '--dta'\n(Did you mean --data?)"], // which it requires
    [["pretrain", "--stesp", "3"], "unknown option '--stesp'\n(Did you mean --steps?)"],
    [["sample-data"], "missing required argument 'dir'"],
    [["sample-data", "x", "--images", "0"], "Expected a whole number, at least 1."],
    [["sample-data", "x", "--seed", "1.5"], "Expected a whole number, at least 0."],
    [["visualize", "--images", "x", "--out", "y"], "required option '--checkpoint <run>' not specified"],
    [["probe", "--short-edge", "100000"], "Expected a whole number, from 32 to 4096."],
    [["doctor", "--device", "tpu"], "Devices are cpu, webgpu, cuda."],
    [["predict", "--device", "gpu"], "For a GPU of any maker write webgpu; cuda is an NVIDIA GPU with CUDA installed."],
    [["pretrain", "--resume", "x", "--overwrite"], "cannot be used with option '--overwrite'"],
    [["pretrain", "photos"], "too many arguments"],
    [[], "Usage: mask-jepa"],
  ])("%j", async (argv, message) => {
    const { code, err } = await runMain(...argv);
    expect(err).toContain(message);
    expect(code).toBe(2);
  });
});

describe("bad input ends with 1 and one message", () => {
  test.each([
    [["--preset", "r5"], `error: --preset r5: expected the name of a preset, found "r5". Did you mean "r50"?`],
    [["--set", "model.dpeth=3"], `error: --set model.dpeth=3: expected a known setting, found "model.dpeth".`],
    [["--steps", "x"], `error: --steps x: expected a whole number from 1 to 1,000,000,000, or null, found "x".`],
    [["--steps", "1", "--epochs", "1"], "expected either run.steps or run.epochs"],
    [["--device", "gpu"], `expected one of "cpu", "webgpu", "cuda", found "gpu". For a GPU of any maker write webgpu;`],
    [["--size", "100"], "error: --size 100: expected a multiple of 32 from 32 to 2,048, found 100."],
    [["--preset", "paper-r50"], "expected backbone.weights"],
    [["--config", "missing.yaml"], "error: missing.yaml: expected a readable settings file"],
    [[], "error: pretrain: expected a folder of images, found none."],
    [["--resume", "nowhere"], "error: --resume nowhere: expected the folder of a pretraining run"],
    [
      ["--images", "photos", "--part", "model_ema"],
      "error: --part: expected weights to begin with, found random ones.",
    ],
  ])("pretrain %j", async (argv, message) => {
    const { code, err } = await runMain("pretrain", ...argv);
    expect(err).toContain(message);
    expect(err).not.toContain("\n    at ");
    expect(code).toBe(1);
  });

  test.each([
    ["--from-parts", "backbone"],
    ["--classes", "same-names"],
    ["--part", "model_ema"],
  ])("finetune %s without weights", async (flag, value) => {
    const { code, err } = await runMain("finetune", "--data", "scenes", flag, value);
    expect(err).toContain(`error: ${flag}: expected weights to begin with, found random ones. Give them with --from,`);
    expect(code).toBe(1);
  });

  test.each([
    [
      "finetune",
      "pretrain: { maskRatio: 0.5 }",
      "a pretraining run",
      "mask-jepa pretrain --resume RUN, or start from its weights with --from RUN.",
    ],
    ["pretrain", "criterion: { points: 64 }", "a fine-tuning run", "mask-jepa finetune --resume RUN."],
  ])("%s --resume of the other kind of run", async (command, settings, found, fix) => {
    const other = join(folder, `other-than-${command}`);
    mkdirSync(other);
    writeFileSync(join(other, "config.yaml"), settings);
    const { code, err } = await runMain(command, "--resume", other);
    expect(err).toContain(`found ${found}. Go on with it by ${fix.replaceAll("RUN", other)}`);
    expect(code).toBe(1);
  });

  test("--debug adds the stack", async () => {
    const { code, err } = await runMain("pretrain", "--preset", "r5", "--debug");
    expect(code).toBe(1);
    expect(err).toContain("\n    at ");
  });
});

describe("doctor", () => {
  test("prints a line for each check and fails by name", async () => {
    const lines: string[] = [];
    const checks = [
      { name: "one", run: () => ({ level: "ok", found: "fine" }) as const },
      { name: "three", run: () => ({ level: "warn", found: "slow", advice: "Wait." }) as const },
      { name: "two", run: () => Promise.reject(new Error("broken")) },
    ];
    await expect(runDoctor(checks, (line) => lines.push(line))).rejects.toThrow("found FAIL for two.");
    expect(lines.slice(0, 4)).toEqual([
      "ok    one    fine",
      "warn  three  slow",
      "             Wait.",
      "FAIL  two    broken",
    ]);
    await expect(runDoctor(checks.slice(0, 2), () => {})).resolves.toBeUndefined();
  });
});

describe("bin/mask-jepa.js", () => {
  // A checkout in small: the launcher, the compiler and one source file.
  const checkout = join(folder, "checkout");
  const source = join(checkout, "src", "cli", "main.ts");
  const launch = (env: NodeJS.ProcessEnv = {}, as: { uid?: number; gid?: number } = {}) => {
    const { UV_THREADPOOL_SIZE: _, ...inherited } = process.env;
    return spawnSync(process.execPath, [join(checkout, "bin", "mask-jepa.js"), "argument"], {
      encoding: "utf8",
      env: { ...inherited, ...env },
      ...as,
    });
  };
  const write = (text: string, age = 0) => {
    writeFileSync(source, text);
    const time = new Date(Date.now() - 1000 * age);
    utimesSync(source, time, time);
  };
  const program = (code: string) => `export async function main(argv: string[]) { ${code} }`;

  mkdirSync(join(checkout, "src", "cli"), { recursive: true });
  for (const name of ["bin", "tsconfig.json", "tsconfig.build.json", "package.json"]) {
    cpSync(name, join(checkout, name), { recursive: true });
  }
  symlinkSync(resolve("node_modules"), join(checkout, "node_modules"), "dir");

  test("compiles when there is no build or an old one, and only then", () => {
    write(program(`console.log(argv[0]); return 3;`), 60);
    const first = launch();
    expect(first.stderr).toContain("compiling");
    expect([first.stdout, first.status]).toEqual(["argument\n", 3]);
    expect(launch().stderr).toBe("");

    const later = new Date(Date.now() + 60_000);
    write(program(`return argv.length + 3;`));
    utimesSync(source, later, later);
    const changed = launch();
    expect(changed.stderr).toContain("compiling");
    expect(changed.status).toBe(4);
  });

  test("says so when the sources do not compile", () => {
    write("const x: number = 'text';", -120);
    const { status, stderr } = launch();
    expect(status).toBe(1);
    expect(stderr).toContain("the sources do not compile");
  });

  test.skipIf(process.platform === "win32")("says so when the build is old and somebody else's", () => {
    for (const place of [folder, checkout, join(checkout, "dist")]) chmodSync(place, 0o555);
    const stranger = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {};
    const { status, stderr } = launch({}, stranger);
    for (const place of [folder, checkout, join(checkout, "dist")]) chmodSync(place, 0o755);
    expect(stderr).toMatch(
      /^error: [^\n]*dist is older than the sources and cannot be written\. Let the owner of [^\n]*\n$/,
    );
    expect(status).toBe(1);
  });

  test("gives the thread pool its size before the pool starts, and an installed package needs no sources", () => {
    rmSync(join(checkout, "src"), { recursive: true });
    writeFileSync(
      join(checkout, "dist", "cli", "main.js"),
      `import { pbkdf2 } from "node:crypto";
       import { readdirSync } from "node:fs";
       export async function main() {
         const job = new Promise((done) => pbkdf2("a", "b", 1, 9, "sha1", done)); // the pool's threads start all at once
         const threads = process.platform === "linux" ? readdirSync("/proc/self/task").length : NaN;
         console.log(process.env.UV_THREADPOOL_SIZE, threads);
         await job;
         return 0;
       }`,
    );
    const [size, threads] = launch().stdout.split(" ").map(Number);
    const [chosenSize, chosenThreads] = launch({ UV_THREADPOOL_SIZE: "5" }).stdout.split(" ").map(Number);
    expect(size).toBeGreaterThanOrEqual(8);
    expect(chosenSize).toBe(5);
    if (process.platform === "linux") expect(threads - chosenThreads).toBe(size - chosenSize);
  });
});

test.skipIf(process.platform !== "linux")(
  "output that nobody reads is no fault, output that cannot be kept is one",
  () => {
    const shell = (line: string) => spawnSync("bash", ["-c", line], { encoding: "utf8" });
    const version = `"${process.execPath}" bin/mask-jepa.js --version`;
    shell(version); // compiles, if need be
    const unread = shell(`${version} | true; echo "\${PIPESTATUS[0]}"`);
    expect([unread.stdout, unread.stderr]).toEqual(["0\n", ""]);
    const full = shell(`${version} > /dev/full`);
    expect([full.status, full.stderr]).toEqual([
      1,
      expect.stringMatching(/^error: standard output: .*ENOSPC[^\n]*\n$/),
    ]);
  },
);
