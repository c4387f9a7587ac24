/** @file Many tensor names in few lines. */

/** Names that differ only in their numbers, as one line each: `backbone.res*.*.conv*.weight (48)`. Numbers in brackets
 * are shapes, and stay. Order of first sight. */
export function groupNames(names: Iterable<string>): string[] {
  const groups = new Map<string, { first: string; count: number }>();
  for (const name of names) {
    const shape = name.replace(/\d+(?![^[]*\])/g, "*");
    const group = groups.get(shape);
    if (group) group.count++;
    else groups.set(shape, { first: name, count: 1 });
  }
  return [...groups].map(([shape, { first, count }]) => (count === 1 ? first : `${shape} (${count})`));
}
