/**
 * @file The reporter of the command line: lines on standard output, and one line redrawn in place while work is under
 * way.
 */

import { formatDuration } from "../core/duration.js";
import type { FinishedStep, Reporter, Steps, Task } from "../core/reporter.js";
import { formatProgress, type Progress, trackSteps } from "./training-line.js";

/** The part of `process.stdout` that is used here. */
export interface LineStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): boolean;
  on(event: "error", listener: (error: Error) => void): unknown;
}

export interface TerminalOptions {
  stream?: LineStream;
  /** Seconds between lines of one piece of work where there is no terminal. */
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

/** The stream as lines, of which the last may be a live one. It never throws: a closed pipe or terminal silences it. */
function openScreen(stream: LineStream) {
  const live = stream.isTTY === true && process.env.TERM !== "dumb";
  let shown = "";
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
  return {
    live,
    /** Draws the live line in place of the last one, `text` of at most so many characters; elsewhere a line. */
    draw(text: (width?: number) => string) {
      // One column stays free: a full line would wrap.
      shown = text(live ? (stream.columns || 80) - 1 : undefined);
      write(live ? `${CLEAR_LINE}${shown}` : `${shown}\n`);
    },
    /** A line that stays, above the live one. */
    say: (text: string) => write(`${live && shown ? CLEAR_LINE : ""}${printable(text)}\n${live ? shown : ""}`),
    /** Removes the live line. */
    clear() {
      if (live && shown) write(CLEAR_LINE);
      shown = "";
    },
    /** Lets the live line stay as it is. */
    keep() {
      if (live && shown) write("\n");
      shown = "";
    },
  };
}

function remove<T>(list: T[], item: T): void {
  const at = list.indexOf(item);
  if (at >= 0) list.splice(at, 1);
}

/**
 * Opens the reporter. It never throws: a closed pipe or a terminal that went away silences it, and the work goes on.
 */
export function openTerminal({
  stream = process.stdout,
  plainEvery = 10,
  now = () => performance.now() / 1000,
}: TerminalOptions = {}): Reporter {
  const screen = openScreen(stream);
  const drawEvery = screen.live ? REDRAW_EVERY : plainEvery;
  /** Work that has begun and not ended: the last is shown. */
  const open: (Task | Steps)[] = [];
  const isShown = (work: Task | Steps) => open.at(-1) === work;

  const begin = (what: string, total: number): Task => {
    const started = now();
    let drawnAt = started + (screen.live ? UNSEEN - REDRAW_EVERY : 0);
    const task: Task = {
      update(done) {
        const time = now();
        if (!isShown(task) || time - drawnAt < drawEvery) return;
        drawnAt = time;
        const left = done > 0 ? `  ETA ${formatDuration(((time - started) / done) * (total - done))}` : "";
        const parts = total > 0 ? `${done}/${total}${left}` : String(done);
        screen.draw((width) => `${printable(what)}: ${parts}`.slice(0, width));
      },
      end() {
        if (isShown(task)) screen.clear();
        remove(open, task);
      },
    };
    open.push(task);
    return task;
  };

  const steps = (total: number): Steps => {
    const track = trackSteps(total, now);
    let pending: Progress | undefined;
    let drawnAt = Number.NEGATIVE_INFINITY;
    const draw = () => {
      const progress = pending;
      pending = undefined;
      drawnAt = now();
      if (progress) screen.draw((width) => formatProgress(progress, width));
    };
    const display: Steps = {
      update(finished: FinishedStep) {
        pending = track(finished);
        if (isShown(display) && now() - drawnAt >= drawEvery) draw();
      },
      end() {
        if (isShown(display)) {
          draw();
          screen.keep();
        }
        remove(open, display);
      },
    };
    open.push(display);
    return display;
  };

  return { say: screen.say, warn: (text) => screen.say(`Warning: ${text}`), begin, steps };
}
