/** @file The reporter of the command line: lines on standard output, and one line redrawn in place while work is under way. */

import type { Reporter, Task } from "../core/reporter.js";
import { formatDuration, type LineStream } from "../train/live-line.js";

export interface TerminalOptions {
  stream?: LineStream;
  /** Seconds between lines of one piece of work where there is no terminal; the first comes after as long. */
  plainEvery?: number;
  /** Seconds of a steady clock. */
  now?: () => number;
}

const REDRAW_EVERY = 0.1;
/** Work that is over before this many seconds is not shown. */
const UNSEEN = 0.5;
const CLEAR_LINE = "\r\x1b[K";

/** Text from a file name or a library, without what could move the cursor or colour the terminal. */
const printable = (text: string) => text.replace(/[^\P{Cc}\n]/gu, "?");

/** Opens the reporter. It never throws: a closed pipe or a terminal that went away silences it, and the work goes on. */
export function openTerminal({
  stream = process.stdout,
  plainEvery = 10,
  now = () => performance.now() / 1000,
}: TerminalOptions = {}): Reporter {
  const live = stream.isTTY === true && process.env.TERM !== "dumb";
  let shown = "";
  let current: Task | undefined;
  let silenced = false;
  stream.on("error", () => {
    silenced = true;
  });
  const write = (text: string) => {
    if (silenced) return;
    try {
      stream.write(text);
    } catch {
      silenced = true;
    }
  };
  const draw = (text: string) => {
    // One column stays free: a full line would wrap.
    shown = live ? text.slice(0, (stream.columns || 80) - 1) : text;
    write(live ? `${CLEAR_LINE}${shown}` : `${text}\n`);
  };
  const clear = () => {
    if (live && shown) write(CLEAR_LINE);
    shown = "";
  };
  const say = (text: string) => write(`${live && shown ? CLEAR_LINE : ""}${printable(text)}\n${live ? shown : ""}`);

  const begin = (what: string, total: number): Task => {
    current?.end();
    const started = now();
    let drawn = started + (live ? UNSEEN - REDRAW_EVERY : 0);
    const task: Task = {
      update(done) {
        const time = now();
        if (current !== task || time - drawn < (live ? REDRAW_EVERY : plainEvery)) return;
        drawn = time;
        const left = done > 0 ? `  ETA ${formatDuration(((time - started) / done) * (total - done))}` : "";
        draw(`${printable(what)}: ${done}/${total}${left}`);
      },
      end() {
        if (current !== task) return;
        current = undefined;
        clear();
      },
    };
    current = task;
    return task;
  };
  return { say, warn: (text) => say(`Warning: ${text}`), begin };
}
