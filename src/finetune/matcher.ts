/** @file HungarianMatcher of Mask2Former (mask-classification reference, 4.2): which query predicts which object. */

import type { Target } from "../data/targets.js";
import { Graph } from "../graph/graph.js";
import { type Assignment, assignObjects } from "../losses/assignment.js";
import { matchingCost } from "../losses/matching-cost.js";
import { sampleMask } from "../losses/points.js";
import type { DeviceTensor, Program, Runtime } from "../runtime/contract.js";
import { NonFiniteImage } from "../train/non-finite.js";
import type { CriterionOptions, CriterionShape } from "./criterion-options.js";
import { hostMemory, hostValues, upload } from "./host-memory.js";

/** Objects whose costs one run computes. */
export const OBJECTS = 32;

/** Logits and masks of an output, points, masks and one-hot classes of OBJECTS objects -> cost [N, Q, OBJECTS]. */
export function buildMatching(shape: CriterionShape, { points, weights }: CriterionOptions): Graph {
  const { images: n, queries: q, classes, maskSize } = shape;
  const graph = new Graph("matching");
  const inputs = {
    logits: graph.input("logits", "float32", [n, q, classes + 1]),
    masks: graph.input("masks", "float32", [n, q, ...maskSize]),
    points: graph.input("points", "float32", [n, points, 2]),
    objects: graph.input("objects", "float32", [n, points, OBJECTS]),
    classes: graph.input("classes", "float32", [n, classes + 1, OBJECTS]),
  };
  graph.output("cost", matchingCost(inputs, weights));
  return graph;
}

export class Matcher {
  private readonly points: DeviceTensor<"float32">;
  private readonly objects: DeviceTensor<"float32">;
  private readonly classes: DeviceTensor<"float32">;
  private readonly cost: DeviceTensor<"float32">;

  constructor(
    runtime: Runtime,
    private readonly program: Program,
    private readonly shape: CriterionShape,
    options: CriterionOptions,
  ) {
    const { images: n, queries, classes } = shape;
    this.points = runtime.allocate("float32", [n, options.points, 2]);
    this.objects = runtime.allocate("float32", [n, options.points, OBJECTS]);
    this.classes = runtime.allocate("float32", [n, classes + 1, OBJECTS]);
    this.cost = runtime.allocate("float32", [n, queries, OBJECTS]);
  }

  /**
   * The assignment of each image. `draw` fills in the points (x, y) in [0, 1) at which an image's masks are compared.
   * @throws NonFiniteImage
   */
  async match(
    { logits, masks }: { logits: DeviceTensor; masks: DeviceTensor },
    targets: readonly (readonly Target[])[],
    draw: (image: number, out: Float32Array) => void,
  ): Promise<Assignment[]> {
    const { queries } = this.shape;
    const drawn = hostMemory(this.points);
    const each = drawn.length / this.shape.images;
    const pointsOf = (image: number) => drawn.subarray(each * image, each * (image + 1));
    targets.forEach((_, image) => {
      draw(image, pointsOf(image));
    });
    await upload(this.points, drawn);
    const costs = targets.map(({ length }) => Array.from({ length: queries }, () => new Float64Array(length)));
    const most = Math.max(0, ...targets.map(({ length }) => length));
    for (let start = 0; start < most; start += OBJECTS) {
      await this.describe(targets, start, pointsOf);
      const { points, objects, classes, cost } = this;
      await this.program.run({ logits, masks, points, objects, classes }, { cost });
      const values = await hostValues(cost);
      costs.forEach((rows, image) => {
        const width = Math.min(OBJECTS, targets[image].length - start);
        rows.forEach((row, q) => {
          for (let i = 0; i < width; i++) row[start + i] = values[(image * queries + q) * OBJECTS + i];
        });
      });
    }
    return costs.map(assigned);
  }

  dispose(): void {
    for (const tensor of [this.points, this.objects, this.classes, this.cost]) tensor.dispose();
  }

  /** Writes the masks, at the points, and the classes of each image's objects from `start` on. */
  private async describe(
    targets: readonly (readonly Target[])[],
    start: number,
    pointsOf: (image: number) => Float32Array,
  ): Promise<void> {
    const { classes, size } = this.shape;
    const objects = hostMemory(this.objects).fill(0);
    const labels = hostMemory(this.classes).fill(0);
    const points = objects.length / this.shape.images / OBJECTS;
    targets.forEach((objectsOfImage, image) => {
      objectsOfImage.slice(start, start + OBJECTS).forEach(({ label, mask }, i) => {
        const bytes = { width: size[1], height: size[0], data: mask };
        sampleMask(bytes, pointsOf(image), points, objects, image * points * OBJECTS + i, OBJECTS);
        labels[(image * (classes + 1) + label) * OBJECTS + i] = 1;
      });
    });
    await upload(this.objects, objects);
    await upload(this.classes, labels);
  }
}

function assigned(costs: readonly Float64Array[], image: number): Assignment {
  try {
    return assignObjects(costs);
  } catch (error) {
    throw new NonFiniteImage(image, (error as Error).message);
  }
}
