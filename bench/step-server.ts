/** @file Our side: takes a pretraining step for every line of the standard input (see protocol.ts). */

import { cpuUsage, resourceUsage, stdin } from "node:process";
import { createInterface } from "node:readline";
import { readSafetensors } from "../src/checkpoint/safetensors.js";
import { Pretrainer } from "../src/pretrain/pretrainer.js";
import { createRuntime } from "../src/runtime/create-runtime.js";
import { type Problem, settingsOf } from "./problem.js";
import type { Request, StepResult } from "./protocol.js";

/** Length of the run that the schedules see; they are constant. */
const STEPS = 1000;
/** Part of the model of which the target has a copy. */
const TARGET = "sem_seg_head.pixel_decoder.";

async function createPretrainer(problem: Problem): Promise<Pretrainer> {
  const settings = settingsOf(problem);
  const runtime = await createRuntime({ device: "cpu", cores: problem.cores });
  const model = await readSafetensors(problem.weights);
  const target = new Map([...model].filter(([name]) => name.startsWith(TARGET)));
  return Pretrainer.create(runtime, settings, STEPS, { model, target, optimizer: new Map() });
}

async function step(pretrainer: Pretrainer, number: number, inputs: string): Promise<StepResult> {
  const images = (await readSafetensors(inputs)).get("images")?.data as Float32Array;
  const [began, cpuBegan] = [performance.now(), cpuUsage()];
  const { losses } = await pretrainer.step(number, images, false);
  const cpu = cpuUsage(cpuBegan);
  return {
    ms: performance.now() - began,
    cpu_ms: (cpu.user + cpu.system) / 1000,
    loss: losses.loss,
    recon: losses.reconstruction,
    denoise: losses.denoising,
    peak_rss_mb: resourceUsage().maxRSS / 1024,
  };
}

const say = (message: object) => console.log(JSON.stringify(message));

const pretrainer = await createPretrainer(JSON.parse(process.argv[2]) as Problem);
say({ ready: true });
let steps = 0;
for await (const line of createInterface({ input: stdin })) {
  const request = JSON.parse(line) as Request;
  if (request.cmd === "quit") break;
  say(await step(pretrainer, steps++, request.inputs));
}
process.exit(0);
