import { afterEach, expect, test, vi } from "vitest";
import { heedNohup, INTERRUPTED, listenForStop } from "../../src/run/stop-request.js";

afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

test.each(["SIGINT", "SIGTERM", "SIGHUP"])("%s asks to stop once, and quits the second time", (signal) => {
  vi.stubEnv("_", "/usr/bin/node");
  const exit = vi.spyOn(process, "exit").mockReturnValue(undefined as never);
  const announce = vi.fn();
  const before = process.listenerCount(signal);
  const stop = listenForStop(announce);
  expect(stop.requested).toBe(false);
  process.emit(signal as NodeJS.Signals, signal as NodeJS.Signals);
  expect(stop.requested).toBe(true);
  expect(announce.mock.calls).toEqual([[signal]]);
  expect(exit).not.toHaveBeenCalled();
  process.emit(signal as NodeJS.Signals, signal as NodeJS.Signals);
  expect(exit.mock.calls[0]).toEqual([INTERRUPTED]);
  stop.dispose();
  expect(process.listenerCount(signal)).toBe(before);
});

test("a process that nohup started outlives its terminal", () => {
  vi.stubEnv("_", "/usr/bin/nohup");
  const before = process.listeners("SIGHUP");
  heedNohup();
  const stop = listenForStop(() => {});
  process.emit("SIGHUP", "SIGHUP");
  expect(stop.requested).toBe(false);
  stop.dispose();
  for (const listener of process.listeners("SIGHUP")) {
    if (!before.includes(listener)) process.off("SIGHUP", listener);
  }
});
