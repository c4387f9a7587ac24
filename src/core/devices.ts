/** @file The devices on which graphs run, by name. */

export const DEVICES = ["cpu", "webgpu", "cuda"] as const;

/** Where graphs run: `webgpu` is a GPU of any maker, `cuda` one of NVIDIA's with CUDA installed. */
export type Device = (typeof DEVICES)[number];

/** What to do about a name that is none of them. */
export const DEVICE_ADVICE = "For a GPU of any maker write webgpu; cuda is an NVIDIA GPU with CUDA installed.";
