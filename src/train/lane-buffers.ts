/** @file The buffers of one micro-batch in flight: whatever its graphs read and write beside weights and gradients. */

import type { TensorData } from "../core/tensor-data.js";
import { type Graph, inputName, type Tensor } from "../graph/graph.js";
import type { Bindings, DeviceTensor, Runtime } from "../runtime/contract.js";

/** The inputs and outputs of `graphs` by name, each once; `elsewhere` tells the names that lie in other memory. */
export function laneTensors(graphs: readonly Graph[], elsewhere: (name: string) => boolean): Map<string, Tensor> {
  const tensors = new Map<string, Tensor>();
  for (const { inputs, outputs } of graphs) {
    const named = [...inputs.map((tensor) => [inputName(tensor), tensor] as const), ...outputs];
    for (const [name, tensor] of named) if (!elsewhere(name) && !tensors.has(name)) tensors.set(name, tensor);
  }
  return tensors;
}

export class LaneBuffers {
  private readonly tensors: Map<string, DeviceTensor>;

  /**
   * One buffer for each name among the inputs and outputs of `graphs`: an output of one is the input of that name of
   * the next. `elsewhere` tells the names of weights and gradients. Buffers of `lender`, which is disposed of later and
   * never in use at the same time, serve again where they have the name, type and shape.
   */
  constructor(
    private readonly runtime: Runtime,
    graphs: readonly Graph[],
    elsewhere: (name: string) => boolean,
    private readonly lender?: LaneBuffers,
  ) {
    const needed = [...laneTensors(graphs, elsewhere)];
    this.tensors = new Map(
      needed.map(([name, { dtype, shape }]) => {
        const lent = lender?.tensors.get(name);
        const serves = lent?.dtype === dtype && lent.shape.join() === shape.join();
        return [name, serves ? lent : runtime.allocate(dtype, shape)];
      }),
    );
  }

  has(name: string): boolean {
    return this.tensors.has(name);
  }

  /** @throws RangeError when no graph has that name */
  get(name: string): DeviceTensor<"float32"> {
    const tensor = this.tensors.get(name);
    if (!tensor) throw new RangeError(`lane: no buffer named ${name}`);
    return tensor as DeviceTensor<"float32">;
  }

  /** The buffer `name`; where no graph reads it, one as large as that of `like`, for what is written all the same. */
  orLike(name: string, like: string): DeviceTensor<"float32"> {
    if (!this.has(name)) this.tensors.set(name, this.runtime.allocate("float32", this.get(like).shape));
    return this.get(name);
  }

  async write(name: string, data: TensorData["data"]): Promise<void> {
    const { dtype, shape } = this.get(name) as DeviceTensor;
    await (this.tensors.get(name) as DeviceTensor).write({ dtype, shape, data } as TensorData);
  }

  async read(name: string): Promise<Float32Array> {
    return (await this.get(name).read()).data;
  }

  /** What a program is bound to: the lane's own buffers, and for all other names what `weightOf` finds. */
  bind(names: readonly string[], weightOf: (name: string) => DeviceTensor | undefined = () => undefined): Bindings {
    return Object.fromEntries(
      names.map((name) => {
        const tensor = this.tensors.get(name) ?? weightOf(name);
        if (!tensor) throw new RangeError(`lane: nothing to bind to ${name}`);
        return [name, tensor];
      }),
    );
  }

  dispose(): void {
    const lent = new Set(this.lender?.tensors.values());
    for (const tensor of this.tensors.values()) if (!lent.has(tensor)) tensor.dispose();
  }
}
