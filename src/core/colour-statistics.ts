/** @file Mean and deviation of the colours of photographs, by which networks' inputs are normalised. */

/** Mean and standard deviation of the ImageNet training set, 0 to 255, in RGB order. */
export const IMAGENET_MEAN = [123.675, 116.28, 103.53] as const;
export const IMAGENET_STD = [58.395, 57.12, 57.375] as const;
