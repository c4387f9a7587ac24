/** @file The forms of files that weights are written in. */

export const FORMS = ["safetensors", "torch", "pickle"] as const;
export type Form = (typeof FORMS)[number];

/** How the names of files end, the usual suffix first. */
export const SUFFIXES: Readonly<Record<Form, readonly string[]>> = {
  safetensors: [".safetensors"],
  torch: [".pth", ".pt", ".bin"],
  pickle: [".pkl"],
};

export const formOfSuffix = (suffix: string): Form | undefined => FORMS.find((form) => SUFFIXES[form].includes(suffix));
