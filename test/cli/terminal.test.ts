import { expect, test } from "vitest";
import { openTerminal } from "../../src/cli/terminal.js";

function screen({ isTTY, columns }: { isTTY: boolean; columns?: number }) {
  const text: string[] = [];
  let time = 0;
  const stream = { isTTY, columns, write: (part: string) => text.push(part) > 0, on: () => {} };
  const reporter = openTerminal({ stream, now: () => time });
  const wait = (seconds: number) => {
    time += seconds;
  };
  return { text, reporter, wait };
}

test("work on a terminal is one line with the time that is left, cut to the width and removed at the end", () => {
  const { text, reporter, wait } = screen({ isTTY: true, columns: 24 });
  const task = reporter.begin("Rendering", 200);
  wait(1);
  task.update(50);
  reporter.say("kept");
  task.end();
  expect(text).toEqual(["\r\x1b[KRendering: 50/200  ETA ", "\r\x1b[Kkept\nRendering: 50/200  ETA ", "\r\x1b[K"]);
});

test("short work is not shown; without a terminal a line comes every ten seconds", () => {
  const { text, reporter, wait } = screen({ isTTY: false });
  const task = reporter.begin("Rendering", 200);
  task.update(10);
  wait(10);
  task.update(50);
  wait(1);
  task.update(60);
  task.end();
  task.update(70);
  expect(text).toEqual(["Rendering: 50/200  ETA 30s\n"]);
});

test("what comes from a file name cannot move the cursor", () => {
  const { text, reporter } = screen({ isTTY: false });
  reporter.warn("a\x1b[2Jb");
  expect(text).toEqual(["Warning: a?[2Jb\n"]);
});

test("a stream that fails silences the reporter", () => {
  const reporter = openTerminal({
    stream: {
      on: () => {},
      write: () => {
        throw new Error("EPIPE");
      },
    },
  });
  expect(() => reporter.say("x")).not.toThrow();
});
