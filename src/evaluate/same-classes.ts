/** @file Whether a model and a data set speak of the same classes. */

import { InputError } from "../core/errors.js";
import type { SegmentationClass, Task } from "../masks/segmentation.js";

/** What has to agree: a class's place, its name, and for panoptic models whether it is counted. */
interface Classes {
  /** Where they come from, for the error. */
  readonly where: string;
  readonly classes: readonly SegmentationClass[];
}

const describe = (one: SegmentationClass | undefined, label: number) =>
  one ? `class ${label} ${JSON.stringify(one.name)}` : `no class ${label}`;

/**
 * Labels are places in a list, so two lists have to hold the same names in the same order.
 * @throws InputError that names the first difference
 */
export function requireSameClasses(task: Task, model: Classes, data: Classes): void {
  const count = Math.max(model.classes.length, data.classes.length);
  for (let label = 0; label < count; label++) {
    const [expected, found] = [model.classes[label], data.classes[label]];
    const kinds = task === "panoptic" && expected && found && expected.isThing !== found.isThing;
    if (expected?.name === found?.name && !kinds) continue;
    const kind = (one: SegmentationClass) => (kinds ? (one.isThing ? ", a thing" : ", stuff") : "");
    const counts = `(${model.classes.length} classes in the model, ${data.classes.length} in the data)`;
    throw new InputError({
      where: data.where,
      expected: `the classes of ${model.where}: ${describe(expected, label)}${expected ? kind(expected) : ""}`,
      found: `${describe(found, label)}${found ? kind(found) : ""} ${counts}`,
      fix: "Evaluate on the data set that the model was fine-tuned on, or list the same names in the same order.",
    });
  }
}
