/** @file Labelled sources in memory, drawn as text: one letter a pixel. */

import type { LabelledSource } from "../../src/data/labelled-source.js";
import { encodePng, imageDecoder } from "../../src/io/image-file.js";
import { encodeId } from "../../src/masks/run-lengths.js";
import {
  IGNORED,
  type Instance,
  type InstanceSet,
  type PanopticMap,
  type ScoredInstance,
  type Segment,
  type SegmentationClass,
  type SemanticMap,
  type Task,
} from "../../src/masks/segmentation.js";

/** Two stuff classes and two things. */
export const CLASSES: readonly SegmentationClass[] = [
  { id: 7, name: "sky", isThing: false, color: [90, 150, 220] },
  { id: 8, name: "ground", isThing: false, color: [120, 100, 60] },
  { id: 11, name: "cat", isThing: true, color: [220, 60, 60] },
  { id: 12, name: "dog", isThing: true, color: [60, 170, 90] },
];

/** A drawing's letters: what the first letter of a segment says about it. `.` is void. */
const LABELS: Record<string, number> = { s: 0, g: 1, c: 2, C: 2, d: 3, D: 3 };

interface Drawn {
  readonly width: number;
  readonly height: number;
  readonly letters: string;
}

function drawn(text: string): Drawn {
  const rows = text.trim().split(/\s+/);
  return { width: rows[0].length, height: rows.length, letters: rows.join("") };
}

/** `s` sky, `g` ground, `c` and `C` two cats, `d` and `D` two dogs, `.` void; letters in `crowds` are crowds. */
export function panopticOf(text: string, crowds = ""): PanopticMap {
  const { width, height, letters } = drawn(text);
  const used = [...new Set(letters)].filter((letter) => letter !== ".");
  const segments = used.map(
    (letter, i): Segment => ({
      id: i + 1,
      label: LABELS[letter],
      area: letters.split(letter).length - 1,
      crowd: crowds.includes(letter),
    }),
  );
  return { width, height, ids: Uint32Array.from(letters, (letter) => used.indexOf(letter) + 1), segments };
}

export function semanticOf(text: string): SemanticMap {
  const { width, height, letters } = drawn(text);
  return { width, height, labels: Uint16Array.from(letters, (letter) => LABELS[letter] ?? IGNORED) };
}

/** The things of a drawing. */
export function instancesOf(text: string): InstanceSet {
  const { width, height, ids, segments } = panopticOf(text);
  const instances = segments.flatMap(({ id, ...segment }): Instance[] =>
    CLASSES[segment.label].isThing ? [{ ...segment, shape: encodeId(ids, id, width, height) }] : [],
  );
  return { width, height, instances };
}

/** The things of a drawing as predictions of these scores, in the order of their first pixels. */
export function scoredOf(text: string, ...scores: number[]): ScoredInstance[] {
  const { width, height, ids, segments } = panopticOf(text);
  const things = segments.filter(({ label }) => CLASSES[label].isThing);
  return things.map(({ id, label }, i) => ({ label, score: scores[i] ?? 1, mask: encodeId(ids, id, width, height) }));
}

export interface SourceParts {
  readonly task: Task;
  readonly drawings: readonly string[];
  readonly forms?: readonly Task[];
  readonly classes?: readonly SegmentationClass[];
  readonly crowds?: string;
  /** Replace what reading an image's bytes, or its labels, gives. */
  readonly read?: (index: number) => Promise<Uint8Array> | undefined;
  readonly labels?: (index: number) => Promise<never> | undefined;
}

/** Photographs are plain: the i-th has a red of 10 * i, by which a fake model can tell them apart. */
export function labelledImages(parts: SourceParts): LabelledSource {
  const { task, drawings, classes = CLASSES, forms = [task], crowds, read, labels } = parts;
  const photo = (index: number) => {
    const { width, height } = drawn(drawings[index]);
    const data = Uint8Array.from({ length: 3 * width * height }, (_, i) => (i % 3 === 0 ? 10 * index : 90));
    return encodePng({ width, height, data });
  };
  return {
    task,
    classes,
    forms: new Set(forms),
    length: drawings.length,
    decoder: imageDecoder,
    name: (index) => `photos/${index}.png`,
    imageId: (index) => index,
    read: (index) => read?.(index) ?? photo(index),
    semantic: async (index) => (await labels?.(index)) ?? semanticOf(drawings[index]),
    instances: async (index) => (await labels?.(index)) ?? instancesOf(drawings[index]),
    panoptic: async (index) => (await labels?.(index)) ?? panopticOf(drawings[index], crowds),
  };
}
