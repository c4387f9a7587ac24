/** @file Words for a person. */

/** `1 image`, `2 images`, `2 classes`. */
export function plural(count: number, noun: string): string {
  const ending = noun.endsWith("s") ? "es" : "s";
  return `${count} ${noun}${count === 1 ? "" : ending}`;
}

/** The first few of a list as text: `1, 2, 3 and 7 more`. */
export function someOf(items: readonly (string | number)[], most = 5): string {
  const rest = items.length - most;
  return rest > 0 ? `${items.slice(0, most).join(", ")} and ${rest} more` : items.join(", ");
}
