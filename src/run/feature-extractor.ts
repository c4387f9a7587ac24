/** @file F_last of images, the stride-4 map that masks are predicted from, under any weights of an encoder. */

import type { FeatureMap, Size } from "../core/image.js";
import { type EncoderArchitecture, familyOf } from "../families/families.js";
import { Graph } from "../graph/graph.js";
import { asInputs, type Declaration, Parameters } from "../nn/scope.js";
import { compileGraph } from "../runtime/compile-graph.js";
import type { DeviceTensor, Runtime } from "../runtime/contract.js";

const IMAGE = "image";
export const FEATURES = "mask-features";

export interface FeatureExtractor {
  /** @param planes a normalised image [3, H, W]; @param weights the encoder's at least, on the device */
  features(planes: Float32Array, weights: ReadonlyMap<string, DeviceTensor>): Promise<FeatureMap>;
  dispose(): void;
}

/** Images [N,3,H,W] -> F_last [N,C,H/4,W/4]; H and W are multiples of 32. `tileBytes`: as `Graph` has it. */
export function featureGraph(
  encoder: EncoderArchitecture,
  [images, height, width]: readonly [images: number, height: number, width: number],
  { tileBytes }: { readonly tileBytes?: number } = {},
) {
  const graph = new Graph(`features ${width}x${height}`, tileBytes);
  const parameters = new Parameters(asInputs(graph));
  const family = familyOf(encoder);
  const maps = family.backbone(parameters.root, graph.input(IMAGE, "float32", [images, 3, height, width]), encoder);
  graph.output(FEATURES, family.pixelDecoder(parameters.root, maps, encoder).maskFeatures);
  return { graph, parameters };
}

/** The weights that features depend on. */
export function encoderWeights(encoder: EncoderArchitecture): ReadonlyMap<string, Declaration> {
  return featureGraph(encoder, [1, 64, 64]).parameters.declarations;
}

/** Compiles the encoder for images of one size. */
export async function createFeatureExtractor(
  runtime: Runtime,
  encoder: EncoderArchitecture,
  size: Size,
): Promise<FeatureExtractor> {
  const { graph } = featureGraph(encoder, [1, size.height, size.width]);
  const program = await compileGraph(runtime, graph);
  const image = runtime.allocate("float32", [1, 3, size.height, size.width]);
  const output = runtime.allocate("float32", graph.outputs.get(FEATURES)?.shape ?? []);
  const [, channels, height, width] = output.shape;
  return {
    async features(planes, weights) {
      await image.write({ dtype: "float32", shape: image.shape, data: planes });
      const tensorOf = (name: string) => (name === IMAGE ? image : (weights.get(name) as DeviceTensor));
      await program.run(Object.fromEntries(program.inputs.map((name) => [name, tensorOf(name)])), {
        [FEATURES]: output,
      });
      return { data: (await output.read()).data, channels, height, width };
    },
    dispose() {
      image.dispose();
      output.dispose();
      program.dispose();
    },
  };
}
