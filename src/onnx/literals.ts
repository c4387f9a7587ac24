/** @file Constants that come up while a model is written: each value once. */

import { floats, type Shape, sizeOf, type TensorData, viewAs } from "../core/tensor-data.js";
import type { OnnxInitializer } from "./protobuf.js";

/** Numbers of a constant that its name tells. */
const LONGEST_IN_NAME = 16;

export class Literals {
  readonly initializers: OnnxInitializer[] = [];
  private readonly known = new Set<string>();
  private readonly long = new Map<string, string>();

  /** int64 of a shape, by default a list. */
  integers(values: ArrayLike<number>, shape: Shape = [values.length]): string {
    return this.put(this.nameOf("int64", values, shape), () => {
      const data = viewAs("int64", BigInt64Array.from(Array.from(values), BigInt).buffer);
      return { dtype: "int64", shape, data };
    });
  }

  /** float32 of a shape, by default a list. */
  floats(values: ArrayLike<number>, shape: Shape = [values.length]): string {
    return this.put(this.nameOf("float32", values, shape), () => floats(shape, values));
  }

  /** float32 without axes. */
  scalar(value: number): string {
    return this.floats([value], []);
  }

  /** A tensor under its own name. */
  put(name: string, make: () => TensorData): string {
    if (!this.known.has(name)) {
      this.known.add(name);
      this.initializers.push({ name, tensor: make() });
    }
    return name;
  }

  /** int64[2,3] for a list, int64(1x2)[2,3] for another shape, and a number for what is long. */
  private nameOf(dtype: string, values: ArrayLike<number>, shape: Shape): string {
    if (values.length !== sizeOf(shape))
      throw new RangeError(`literal: ${values.length} values for the shape [${shape}]`);
    const form = shape.length === 1 ? dtype : `${dtype}(${shape.join("x")})`;
    const content = `${form}[${Array.from(values).join()}]`;
    if (values.length <= LONGEST_IN_NAME) return content;
    const name = this.long.get(content) ?? `${form}#${this.long.size}`;
    this.long.set(content, name);
    return name;
  }
}
