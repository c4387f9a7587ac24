import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { Runs } from "../../study/runs.js";

const folder = mkdtempSync(join(tmpdir(), "mask-jepa-study-runs-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** In place of the product: writes what it was asked for beside the run, fails for seed 7, waits for a signal for 8. */
const program = join(folder, "program.mjs");
writeFileSync(
  program,
  `import { writeFileSync } from "node:fs";
const words = process.argv.slice(2);
const out = words[words.indexOf("--out") + 1];
if (words.includes("7")) { console.error("error: seven"); process.exit(1); }
if (words.includes("8")) {
  const waiting = setInterval(() => {}, 1000);
  process.on("SIGINT", () => { clearInterval(waiting); process.exitCode = 130; });
}
writeFileSync(out + ".asked", words.join(" "));`,
);
const runs = new Runs(2, program);
const run = (seed: string) => ({
  command: "finetune" as const,
  out: join(folder, `run-${seed}`),
  arguments: ["--seed", seed],
});

test("a run that has ended is not run again", async () => {
  await runs.take(run("1"));
  const asked = `${run("1").out}.asked`;
  expect(readFileSync(asked, "utf8")).toBe(`finetune --seed 1 --out ${run("1").out} --cores 2`);
  rmSync(asked);
  await runs.take(run("1"));
  expect(existsSync(asked)).toBe(false);
});

test("a run whose folder holds one of other settings is refused, by its command or what its --config says", async () => {
  const config = join(folder, "settings.yaml");
  writeFileSync(config, "run: { steps: 1 }");
  const configured = { ...run("2"), arguments: ["--config", config, "--seed", "2"] };
  await expect(runs.take({ ...configured, arguments: [...configured.arguments, "7"] })).rejects.toThrow("seven");
  await runs.take(configured); // what failed before it began is in nobody's way
  await runs.take(configured);
  const other = { ...configured, arguments: ["--config", config, "--seed", "3"] };
  await expect(runs.take(other)).rejects.toThrow(
    /begun with "finetune .*--seed 3", found .*--seed 2"\. Take another --out/,
  );
  writeFileSync(config, "run: { steps: 2 }");
  await expect(runs.take(configured)).rejects.toThrow("found one that was begun with what it said before");
});

test("a run that fails is told with what it printed, and is run again", async () => {
  for (let i = 0; i < 2; i++) await expect(runs.take(run("7"))).rejects.toThrow(/--seed 7 .*error: seven/s);
});

test("those at work are asked once to stop, and have not ended", async () => {
  const failed = expect(runs.take(run("8"))).rejects.toThrow("a run to its end");
  await expect.poll(() => existsSync(`${run("8").out}.asked`), { timeout: 30_000 }).toBe(true);
  runs.stop();
  await failed;
  expect(existsSync(`${run("8").out}.ended`)).toBe(false);
  await runs.take(run("9"));
  expect(existsSync(`${run("9").out}.asked`)).toBe(false);
});
