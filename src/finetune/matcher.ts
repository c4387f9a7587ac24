/** @file HungarianMatcher of Mask2Former (matcher.py): which query predicts which object. */

import { Graph } from "../graph/graph.js";
import { type Assignment, assignObjects } from "../losses/assignment.js";
import { matchingCost } from "../losses/matching-cost.js";
import { sampleCells, sampleMask } from "../losses/points.js";
import type { Target } from "../masks/segmentation.js";
import { toTokens } from "../nn/layers.js";
import { samplePoints } from "../nn/sampling.js";
import type { DeviceTensor, Program, Runtime } from "../runtime/contract.js";
import { NonFiniteImage } from "../train/non-finite.js";
import type { CriterionFrame, CriterionOptions } from "./criterion-options.js";
import { hostMemory, hostValues, upload } from "./host-memory.js";

/** Objects whose costs one run computes. */
export const OBJECTS = 32;

/** Places at which an image's masks are compared. */
const placesOf = ({ comparison, maskSize: [height, width] }: CriterionFrame, { points }: CriterionOptions) =>
  comparison.at === "points" ? points : height * width;

/**
 * Logits and masks of an output, points where masks are compared at such, masks there and one-hot classes of OBJECTS
 * objects -> cost [N, Q, OBJECTS].
 */
export function buildMatching(frame: CriterionFrame, options: CriterionOptions): Graph {
  const { images: n, queries: q, classes, maskSize, comparison } = frame;
  const places = placesOf(frame, options);
  const graph = new Graph("matching");
  const logits = graph.input("logits", "float32", [n, q, classes + 1]);
  const masks = graph.input("masks", "float32", [n, q, ...maskSize]);
  const inputs = {
    logits,
    masks:
      comparison.at === "points"
        ? samplePoints(masks, graph.input("points", "float32", [n, places, 2]))
        : toTokens(masks),
    objects: graph.input("objects", "float32", [n, places, OBJECTS]),
    classes: graph.input("classes", "float32", [n, classes + 1, OBJECTS]),
  };
  graph.output("cost", matchingCost(inputs, options.weights, comparison.cost));
  return graph;
}

export class Matcher {
  private readonly points: DeviceTensor<"float32"> | undefined;
  private readonly objects: DeviceTensor<"float32">;
  private readonly classes: DeviceTensor<"float32">;
  private readonly cost: DeviceTensor<"float32">;

  constructor(
    runtime: Runtime,
    private readonly program: Program,
    private readonly frame: CriterionFrame,
    options: CriterionOptions,
  ) {
    const { images: n, queries, classes, comparison } = frame;
    const places = placesOf(frame, options);
    this.points = comparison.at === "points" ? runtime.allocate("float32", [n, places, 2]) : undefined;
    this.objects = runtime.allocate("float32", [n, places, OBJECTS]);
    this.classes = runtime.allocate("float32", [n, classes + 1, OBJECTS]);
    this.cost = runtime.allocate("float32", [n, queries, OBJECTS]);
  }

  /**
   * The assignment of each image. `draw` fills in the points (x, y) in [0, 1) at which an image's masks are compared.
   * @throws NonFiniteImage
   */
  async match(...asked: Parameters<Matcher["costs"]>): Promise<Assignment[]> {
    return (await this.costs(...asked)).map(assigned);
  }

  /** The same before the assignment: of each image, of each query, the cost of each object. */
  async costs(
    { logits, masks }: { logits: DeviceTensor; masks: DeviceTensor },
    targets: readonly (readonly Target[])[],
    draw: (image: number, out: Float32Array) => void,
  ): Promise<Float64Array[][]> {
    const { queries } = this.frame;
    const read = await this.reader(targets.length, draw);
    const costs = targets.map(({ length }) => Array.from({ length: queries }, () => new Float64Array(length)));
    const most = Math.max(0, ...targets.map(({ length }) => length));
    for (let start = 0; start < most; start += OBJECTS) {
      await this.describe(targets, start, read);
      const { points, objects, classes, cost } = this;
      await this.program.run({ logits, masks, objects, classes, ...(points && { points }) }, { cost });
      const values = await hostValues(cost);
      costs.forEach((rows, image) => {
        const width = Math.min(OBJECTS, targets[image].length - start);
        rows.forEach((row, q) => {
          for (let i = 0; i < width; i++) row[start + i] = values[(image * queries + q) * OBJECTS + i];
        });
      });
    }
    return costs;
  }

  dispose(): void {
    for (const tensor of [this.points, this.objects, this.classes, this.cost]) tensor?.dispose();
  }

  /**
   * How the masks of an image's objects are read at the places where they are compared, which it draws and uploads
   * where random.
   */
  private async reader(images: number, draw: (image: number, out: Float32Array) => void): Promise<ReadMask> {
    const { size, maskSize } = this.frame;
    const bytes = (data: Uint8Array) => ({ width: size[1], height: size[0], data });
    const { points } = this;
    if (!points) return (mask, _, out, start) => sampleCells(bytes(mask), maskSize, out, start, OBJECTS);
    const drawn = hostMemory(points);
    const each = drawn.length / this.frame.images;
    const pointsOf = (image: number) => drawn.subarray(each * image, each * (image + 1));
    for (let image = 0; image < images; image++) draw(image, pointsOf(image));
    await upload(points, drawn);
    return (mask, image, out, start) => sampleMask(bytes(mask), pointsOf(image), each / 2, out, start, OBJECTS);
  }

  /** Writes the masks, at the places, and the classes of each image's objects from `start` on. */
  private async describe(targets: readonly (readonly Target[])[], start: number, read: ReadMask): Promise<void> {
    const { classes } = this.frame;
    const objects = hostMemory(this.objects).fill(0);
    const labels = hostMemory(this.classes).fill(0);
    const [, places] = this.objects.shape;
    targets.forEach((objectsOfImage, image) => {
      objectsOfImage.slice(start, start + OBJECTS).forEach(({ label, mask }, i) => {
        read(mask, image, objects, image * places * OBJECTS + i);
        labels[(image * (classes + 1) + label) * OBJECTS + i] = 1;
      });
    });
    await upload(this.objects, objects);
    await upload(this.classes, labels);
  }
}

/** Writes a mask at the places of an image to every OBJECTS-th number of `out` from `start` on. */
type ReadMask = (mask: Uint8Array, image: number, out: Float32Array, start: number) => void;

function assigned(costs: readonly Float64Array[], image: number): Assignment {
  try {
    return assignObjects(costs);
  } catch (error) {
    throw new NonFiniteImage(image, (error as Error).message);
  }
}
