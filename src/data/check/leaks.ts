/** @file Images of the training split that are also in another one. */

import { parse } from "node:path";

/** What identifies an image: its file, and the hash of its bytes where it could be read. */
export interface Fingerprint {
  readonly file: string;
  readonly hash?: string;
}

export interface Leak {
  readonly splits: readonly [string, string];
  readonly files: readonly [string, string];
  /** The same bytes, or a name so long that it is hardly shared by chance. */
  readonly by: "content" | "name";
}

const stemOf = (file: string) => parse(file).name;

/** Names that tell one image from all others: long, and with more in them than a word and a counter. */
const isTelling = (stem: string) => stem.length >= 14 && /\d\D+\d/.test(stem);

/** Images of `train` by a property; undefined ones have none. */
function indexBy(images: readonly Fingerprint[], key: (image: Fingerprint) => string | undefined): Map<string, string> {
  return new Map(images.flatMap((image) => (key(image) === undefined ? [] : [[key(image)!, image.file] as const])));
}

/** Whether a split is for training, by its name. */
export const isTraining = (split: string) => /^train/i.test(split);

/** Leaks from the first split called train... into each other split. */
export function findLeaks(splits: ReadonlyMap<string, readonly Fingerprint[]>): Leak[] {
  const train = [...splits.keys()].find(isTraining);
  if (train === undefined) return [];
  const byHash = indexBy(splits.get(train)!, ({ hash }) => hash);
  const tellingName = ({ file }: Fingerprint) => (isTelling(stemOf(file)) ? stemOf(file) : undefined);
  const byName = indexBy(splits.get(train)!, tellingName);
  return [...splits].flatMap(([other, images]) => {
    if (other === train) return [];
    return images.flatMap((image): Leak[] => {
      const same = image.hash && byHash.get(image.hash);
      if (same) return [{ splits: [train, other], files: [same, image.file], by: "content" }];
      const name = tellingName(image);
      const alike = name && byName.get(name);
      return alike ? [{ splits: [train, other], files: [alike, image.file], by: "name" }] : [];
    });
  });
}

/** Groups of files with the same bytes within a split. */
export function findRepeats(images: readonly Fingerprint[]): string[][] {
  const groups = new Map<string, string[]>();
  for (const { file, hash } of images) if (hash) groups.set(hash, [...(groups.get(hash) ?? []), file]);
  return [...groups.values()].filter((files) => files.length > 1);
}
