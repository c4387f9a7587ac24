/** @file How far results may lie from their reference on each device: the only place where tests keep such numbers. */

import type { Device } from "../../src/runtime/contract.js";

export interface Tolerance {
  /** Outputs and gradients of whole models against float32 PyTorch: largest difference over the tensor's scale. */
  readonly parity: number;
  /**
   * Single operators and their gradients against the float64 interpreter: largest difference over the tensor's scale.
   */
  readonly operator: number;
}

export const TOLERANCES: Readonly<Record<Device, Tolerance>> = {
  cpu: { parity: 1e-4, operator: 1e-5 },
  webgpu: { parity: 2e-4, operator: 1e-4 },
  cuda: { parity: 2e-4, operator: 1e-4 },
};
