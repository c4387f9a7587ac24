/** @file Which file of a folder, or of a repository of the hub, holds its weights. */

/** Names that programs give to the weights of a whole model, the preferred first. */
export const USUAL_NAMES = [
  "model.safetensors",
  "model.safetensors.index.json",
  "pytorch_model.bin",
  "pytorch_model.bin.index.json",
  "model_final.pth",
  "model_final.pkl",
] as const;

const SUFFIX = /\.(safetensors|bin|pth|pt|pkl)$/i;
/** What training programs leave beside weights. */
const OTHERS = /^(training_args|optimizer|scheduler|scaler|rng_state.*)\.\w+$/;

export interface WeightsChoice {
  /** Undefined where there is none, or where nothing says which. */
  readonly chosen?: string;
  /** All files of weights. */
  readonly candidates: readonly string[];
}

/** The weights among files: one of a usual name, or else the only one. */
export function chooseWeights(names: readonly string[]): WeightsChoice {
  const candidates = names.filter((name) => SUFFIX.test(name) && !OTHERS.test(name));
  const usual = USUAL_NAMES.find((name) => names.includes(name));
  const chosen = usual ?? (candidates.length === 1 ? candidates[0] : undefined);
  return { ...(chosen !== undefined && { chosen }), candidates };
}

/** Files beside weights that say what their model is. */
export const COMPANIONS = ["config.json", "preprocessor_config.json", "config.yaml"] as const;
