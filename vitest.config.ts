import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";

/**
 * Tests that replace modules, variables of the process or the native library, and those of whole commands: each file has a
 * process of its own.
 */
const ALONE = [
  ...["cli", "io", "quickstart", "runtime", "scripts"].map((room) => `test/${room}/**/*.test.ts`),
  "test/checkpoint/{fuzz,hub,kill}.test.ts",
  "test/evaluate/evaluate.test.ts",
  "test/data/fuzz-labels.test.ts",
  "test/docs/pages.test.ts",
  "test/export/onnx/export-onnx.test.ts",
  "test/run/stop-request.test.ts",
];

/** Of a test and of a hook; a software adapter takes minutes for a single slow test. */
const TIMEOUT = process.env.SLOW_TESTS === "1" ? 1_200_000 : 120_000;

// Native libraries do not survive worker threads: tests run in processes, one more at once than there are cores, since
// some wait for commands that are killed or watched.
export default defineConfig({
  test: {
    pool: "forks",
    maxWorkers: availableParallelism() + 1,
    testTimeout: TIMEOUT,
    hookTimeout: TIMEOUT,
    projects: [
      { extends: true, test: { name: "alone", include: ALONE } },
      { extends: true, test: { name: "shared", isolate: false, include: ["test/**/*.test.ts"], exclude: ALONE } },
    ],
  },
});
