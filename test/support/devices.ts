/** @file Which devices a suite can run on here, and why not on the others. */

import { existsSync } from "node:fs";
import type { Device } from "../../src/runtime/contract.js";
import { listDevices } from "../../src/runtime/probe.js";

/** A software adapter, so that WebGPU is tested where there is no GPU (Debian's chromium package). */
const SOFTWARE_ADAPTER = "/usr/lib/chromium/vk_swiftshader_icd.json";
if (!process.env.VK_DRIVER_FILES && existsSync(SOFTWARE_ADAPTER)) process.env.VK_DRIVER_FILES = SOFTWARE_ADAPTER;

export const DEVICES: readonly Device[] = ["cpu", "webgpu", "cuda"];

/** The reason for every device that does not start on this machine. */
export async function missingDevices(): Promise<ReadonlyMap<Device, string>> {
  return new Map((await listDevices()).filter((d) => !d.available).map((d) => [d.device, d.detail]));
}

/** Whether WebGPU is a software adapter here, on which compiling takes seconds a graph. */
const SOFTWARE_GPU = /swiftshader|lvp/.test(process.env.VK_DRIVER_FILES ?? "");

/** Asks for the tests that take a software adapter minutes, too: SLOW_TESTS=1 npx vitest run test/golden/parity.test.ts */
const SLOW_TESTS = process.env.SLOW_TESTS === "1";

/** Whether a test that would take minutes is to be skipped on this device; the reason is for the reader of the list. */
export const isTooSlow = (device: Device) => device === "webgpu" && SOFTWARE_GPU && !SLOW_TESTS;
export const TOO_SLOW = "a software adapter takes minutes (SLOW_TESTS=1 runs it)";
