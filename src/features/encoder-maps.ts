/** @file The maps of an encoder that can be looked at, by the names that the paper gives them. */

import { type EncoderArchitecture, familyOf } from "../families/families.js";
import { Graph, type Tensor } from "../graph/graph.js";
import type { Pyramid } from "../models/pyramid.js";
import { asInputs, type Declaration, Parameters, type Scope } from "../nn/scope.js";

/**
 * The backbone's maps at strides 4 to 32, the pixel decoder's that is predicted, and the one that masks are taken from.
 */
export const MAP_NAMES = ["res2", "res3", "res4", "res5", "F_i1", "F_last"] as const;
export type MapName = (typeof MAP_NAMES)[number];

export const isOfBackbone = (map: MapName) => map.startsWith("res");

export interface MapsOf {
  readonly encoder: EncoderArchitecture;
  /** s_i1, stride of F_i1: 8, 16 or 32. */
  readonly featureStride: number;
}

/** Pixels of the network's input along a cell of each map. */
export function stridesOf(featureStride: number): Readonly<Record<MapName, number>> {
  return { res2: 4, res3: 8, res4: 16, res5: 32, F_i1: featureStride, F_last: 4 };
}

/**
 * The maps `wanted`, [1,C,H/s,W/s] each, of the backbone's maps of one image; those that the architecture lacks are
 * left out. `p` is the root scope.
 */
export function encoderMaps(
  p: Scope,
  pyramid: Pyramid,
  { encoder, featureStride }: MapsOf,
  wanted: readonly MapName[] = MAP_NAMES,
): ReadonlyMap<MapName, Tensor> {
  const family = familyOf(encoder);
  const maps = new Map<MapName, Tensor>(pyramid.map((map, i) => [MAP_NAMES[i], map]));
  if (wanted.includes("F_i1") || wanted.includes("F_last")) {
    const { multiScale, maskFeatures } = family.pixelDecoder(p, pyramid, encoder);
    const [{ shape: finest }] = pyramid; // at stride 4
    const predicted = multiScale.find(({ shape }) => shape[2] * featureStride === finest[2] * 4);
    if (predicted) maps.set("F_i1", predicted);
    maps.set("F_last", maskFeatures);
  }
  return new Map([...maps].filter(([name]) => wanted.includes(name)));
}

/** The maps that an architecture has, with their channels, and the weights that they depend on. */
export function describeMaps(maps: MapsOf): {
  channels: ReadonlyMap<MapName, number>;
  weights: ReadonlyMap<string, Declaration>;
} {
  const graph = new Graph("maps");
  const parameters = new Parameters(asInputs(graph));
  const image = graph.input("image", "float32", [1, 3, 64, 64]);
  const pyramid = familyOf(maps.encoder).backbone(parameters.root, image, maps.encoder);
  const found = encoderMaps(parameters.root, pyramid, maps);
  const channels = new Map([...found].map(([name, { shape }]) => [name, shape[1]]));
  return { channels, weights: parameters.declarations };
}
