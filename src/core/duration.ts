/** @file Times for a person. */

/** `59s`, `4:07` or `13:05:59`. */
export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (n: number) => String(n).padStart(2, "0");
  if (h > 0) return `${h}:${two(m)}:${two(s)}`;
  return m > 0 ? `${m}:${two(s)}` : `${s}s`;
}

/** `50 s`, `25 min`, `3 h 20 min`, `40 h` or `4 days`: for an estimate, which is no better known than that. */
export function roughDuration(seconds: number): string {
  const minutes = Math.round(seconds / 60);
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`;
  if (minutes < 90) return `${minutes} min`;
  const tens = 10 * Math.round(seconds / 600);
  if (tens < 10 * 60) return `${Math.floor(tens / 60)} h${tens % 60 > 0 ? ` ${tens % 60} min` : ""}`;
  if (tens < 72 * 60) return `${Math.round(tens / 60)} h`;
  return `${Math.round(seconds / 86_400)} days`;
}

/** The local time `seconds` after `now`: `14:05`, or on another day `Fri 27 Nov 14:05`. */
export function timeAfter(seconds: number, now: Date): string {
  const then = new Date(now.getTime() + 1000 * seconds);
  const time = `${String(then.getHours()).padStart(2, "0")}:${String(then.getMinutes()).padStart(2, "0")}`;
  if (then.toDateString() === now.toDateString()) return time;
  const [weekday, month, day] = then.toDateString().split(" ");
  return `${weekday} ${Number(day)} ${month} ${time}`;
}
