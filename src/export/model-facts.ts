/** @file What is known of a model besides its weights, as far as other programs ask for it. */

import type { CriterionFacts } from "../weights/model-description.js";

export interface ModelFacts {
  /** Names of the classes in the order of the logits; numbered ones if absent. */
  readonly classes?: readonly string[];
  /** Of the decoder's attention; 8 in all published models. */
  readonly heads?: number;
  /** Groups of the group normalisations; transformers always has 32. */
  readonly normGroups?: number;
  /** Size of the images to predict on; the shorter side, unless the longer one would exceed `longEdge`. */
  readonly shortEdge?: number;
  readonly longEdge?: number;
  /** Rates of the backbone's drop path and of the decoders' dropout in training. */
  readonly dropPath?: number;
  readonly dropout?: number;
  /** How the model was trained. */
  readonly criterion?: CriterionFacts;
}
