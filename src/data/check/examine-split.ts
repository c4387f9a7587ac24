/** @file Looks at every image and label of an opened split. */

import { createHash } from "node:crypto";
import { eachOf } from "../../core/concurrency.js";
import { InputError } from "../../core/errors.js";
import { range } from "../../core/range.js";
import { someOf } from "../../core/text.js";
import { decode, readHeader } from "../../io/image-file.js";
import type { LabelRemark, Task } from "../../masks/segmentation.js";
import { DataFault, type FaultKind } from "../datasets/data-fault.js";
import { oneClassRemark } from "../datasets/one-class.js";
import type { LabelledSplit } from "../datasets/split.js";
import { type OddImage, oddImage, oddWarnings } from "../files/sample-ranges.js";
import { RemarkCounter, type Remarks } from "./label-remarks.js";
import type { Fingerprint } from "./leaks.js";
import { addInstances, addPanoptic, addSemantic, createTally, type Tally } from "./tally.js";

/** Something that keeps an image from training. */
export interface Fault {
  readonly split: string;
  readonly kind: FaultKind;
  /** The image, or the file that has no image. */
  readonly file: string;
  /** Where, what was expected, what was found. */
  readonly message: string;
  /** What to do. */
  readonly fix?: string;
}

export interface SplitFindings {
  readonly name: string;
  readonly task: Task;
  readonly length: number;
  readonly tally: Tally;
  readonly faults: readonly Fault[];
  /** What is odd about labels that can be used. */
  readonly remarks: readonly Remarks[];
  /** What harms no run but may not be meant. */
  readonly warnings: readonly string[];
  readonly notes: readonly string[];
  readonly fingerprints: readonly Fingerprint[];
}

/** Images in memory at once. */
const PARALLEL = 4;

/** @throws what is no fault of a file */
function faultOf(error: unknown, split: string, file: string): Fault {
  if (!(error instanceof InputError)) throw error;
  const kind = error instanceof DataFault ? error.kind : "unreadable label";
  const { where, expected, found, fix } = error.problem;
  return { split, kind, file, message: `${where}: expected ${expected}, found ${found}`, fix };
}

/** Counts a label. Returns what is odd about it. */
async function addLabel(
  source: LabelledSplit,
  form: Task,
  index: number,
  tally: Tally,
): Promise<readonly LabelRemark[] | undefined> {
  const name = source.name(index);
  if (form === "semantic") {
    addSemantic(tally, name, await source.semantic(index));
    return undefined;
  }
  if (form === "instance") {
    const set = await source.instances(index);
    addInstances(tally, name, set);
    return set.remarks;
  }
  const map = await source.panoptic(index);
  addPanoptic(tally, name, map);
  return map.remarks;
}

/** The forms to read: the task's; of panoptic data, all that have files of their own. */
function formsOf({ task, ownForms }: LabelledSplit): Task[] {
  return task === "panoptic" ? ["panoptic", ...[...ownForms].filter((form) => form !== task)] : [task];
}

/** Images that can be read but may not be what is meant. */
interface Oddities {
  looked: number;
  /** Nearly black or white. */
  readonly ranges: OddImage[];
  /** Turned or mirrored by EXIF without a change of size, so that a label that is not would not be noticed. */
  readonly turned: string[];
}

/** Decodes an image. @throws InputError */
async function lookAt(bytes: Uint8Array, file: string, source: LabelledSplit, oddities: Oddities): Promise<void> {
  const image = await decode(bytes, file, { white: source.white });
  const odd = await oddImage(bytes, file, image, source.white);
  if (odd) oddities.ranges.push(odd);
  const { orientation, width, height } = await readHeader(bytes, file);
  const sameSize = orientation < 5 || width === height; // from 5 on the sides change places
  if (orientation > 1 && sameSize) oddities.turned.push(file);
  oddities.looked++;
}

function warningsOf(source: LabelledSplit, { counts, void: ignored }: Tally, oddities: Oddities): string[] {
  const { ranges, turned, looked } = oddities;
  const occurring = counts.flatMap(({ pixels }, label) => (pixels > 0 ? [label] : []));
  const oneClass = source.task === "semantic" && ignored > 0 ? oneClassRemark(source, occurring) : undefined;
  const exif =
    turned.length > 0
      ? `the EXIF orientation of ${someOf(turned, 3)} turns or mirrors the image, and labels are taken to be of ` +
        "the upright one: see that they are."
      : undefined;
  return [oneClass, ...oddWarnings(ranges, looked, source.white), exif].filter((text) => text !== undefined);
}

/**
 * Decodes every image and reads every label.
 * @param options.decoded images that were decoded before, by file; this split's are added
 */
export async function examineSplit(
  name: string,
  source: LabelledSplit,
  { decoded, onProgress }: { decoded: Map<string, Fingerprint>; onProgress?: (done: number) => void },
): Promise<SplitFindings> {
  const tally = createTally(source.classes);
  const faults = source.faults.map((fault) => faultOf(fault, name, fault.problem.where));
  const fingerprints: Fingerprint[] = [];
  const oddities: Oddities = { looked: 0, ranges: [], turned: [] };
  const remarks = new RemarkCounter();
  let forms = formsOf(source);
  try {
    await source.openForms();
  } catch (error) {
    faults.push(faultOf(error, name, error instanceof InputError ? error.problem.where : name));
    forms = [source.task];
  }

  /** What is wrong with the image, unless it was decoded before: in another split or for another task. */
  async function examineImage(file: string, index: number): Promise<Fault[]> {
    if (decoded.has(file)) return [];
    decoded.set(file, { file });
    try {
      const bytes = await source.read(index);
      decoded.set(file, { file, hash: createHash("sha256").update(bytes).digest("base64") });
      await lookAt(bytes, file, source, oddities);
      return [];
    } catch (error) {
      return [{ ...faultOf(error, name, file), kind: "unreadable image" }];
    }
  }

  async function examine(index: number): Promise<Fault[]> {
    const file = source.name(index);
    const found = await examineImage(file, index);
    fingerprints[index] = decoded.get(file)!;
    for (const form of forms) {
      try {
        // Only the task's labels are counted; the others are read to see that they can be.
        const counts = form === source.task ? tally : createTally(source.classes);
        remarks.add(await addLabel(source, form, index, counts));
      } catch (error) {
        const fault = faultOf(error, name, file);
        if (
          !found.some(
            ({ kind, message }) => kind === fault.kind && (kind === "unreadable image" || message === fault.message),
          )
        ) {
          found.push(fault);
        }
      }
    }
    return found;
  }

  const byImage: Fault[][] = [];
  let done = 0;
  await eachOf(range(source.length), PARALLEL, async (index) => {
    byImage[index] = await examine(index);
    onProgress?.(++done);
  });
  return {
    name,
    task: source.task,
    length: source.length,
    tally,
    faults: [...faults, ...byImage.flat()],
    remarks: remarks.result(),
    warnings: [...source.warnings, ...warningsOf(source, tally, oddities).map((text) => `${name}: ${text}`)],
    notes: source.notes,
    fingerprints,
  };
}
