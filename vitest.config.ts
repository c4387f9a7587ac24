import { defineConfig } from "vitest/config";

/** Tests that compute and nothing else. They leave nothing behind, so many share a process, which starts once. */
const PURE = [
  ...["core", "eval", "losses", "masks", "models", "nn", "onnx", "study", "viz"].map(
    (room) => `test/${room}/**/*.test.ts`,
  ),
  "test/graph/!(operator-suite).test.ts",
  "test/train/{lanes,schedule}.test.ts",
];

// Native libraries do not survive worker threads: tests run in processes, as many at once as there are cores.
export default defineConfig({
  test: {
    pool: "forks",
    maxWorkers: "100%",
    testTimeout: 120_000,
    hookTimeout: 120_000,
    projects: [
      { extends: true, test: { name: "pure", isolate: false, include: PURE } },
      { extends: true, test: { name: "whole", include: ["test/**/*.test.ts"], exclude: PURE } },
    ],
  },
});
