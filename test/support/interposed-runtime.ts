/** @file A runtime whose micro-batches a test can delay or make fail. */

import type { Runtime } from "../../src/runtime/contract.js";

/** The runtime with `before` done ahead of each run of the pretraining gradients; `index` counts them. */
export function interposed(runtime: Runtime, before: (index: number) => Promise<void>): Runtime {
  let index = 0;
  return {
    ...runtime,
    async compile(model, options) {
      const program = await runtime.compile(model, options);
      if (options?.name !== "gradients") return program;
      return {
        ...program,
        async run(feeds, fetches) {
          await before(index++);
          await program.run(feeds, fetches);
        },
      };
    },
  };
}
