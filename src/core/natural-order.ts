/** @file The order of names. */

const isDigit = (code: number) => code >= 48 && code <= 57;

/**
 * Orders names as a person does: runs of digits by value, all else by UTF-16 code unit, so that the order is the same
 * on every machine and locale. "img2" < "img10".
 */
export function compareNatural(a: string, b: string): number {
  let [i, j] = [0, 0];
  while (i < a.length && j < b.length) {
    const [x, y] = [a.charCodeAt(i), b.charCodeAt(j)];
    if (isDigit(x) && isDigit(y)) {
      const [first, second] = [/^\d+/.exec(a.slice(i))![0], /^\d+/.exec(b.slice(j))![0]];
      const [m, n] = [first.replace(/^0+/, ""), second.replace(/^0+/, "")];
      if (m.length !== n.length) return m.length - n.length;
      if (m !== n) return m < n ? -1 : 1;
      i += first.length;
      j += second.length;
    } else {
      if (x !== y) return x - y;
      i++;
      j++;
    }
  }
  return a.length - i - (b.length - j) || (a < b ? -1 : Number(a > b));
}
