/** @file Our side: runs a step of the job for every line of the standard input (see protocol.ts). */

import { cpuUsage, resourceUsage, stdin } from "node:process";
import { createInterface } from "node:readline";
import { openSafetensors } from "../src/checkpoint/safetensors.js";
import type { TensorData } from "../src/core/tensor-data.js";
import type { Problem, Runner, Tensors } from "./job.js";
import { JOBS } from "./jobs.js";
import type { Request, StepResult } from "./protocol.js";

async function timed(runner: Runner): Promise<StepResult> {
  const [began, cpuBegan] = [performance.now(), cpuUsage()];
  await runner.run();
  const cpu = cpuUsage(cpuBegan);
  return {
    ms: performance.now() - began,
    cpu_ms: (cpu.user + cpu.system) / 1000,
    values: runner.values(),
    peak_rss_mb: resourceUsage().maxRSS / 1024,
  };
}

/** The inputs of a step that are ours to read. */
async function inputsOf(path: string, forPeer = /^$/): Promise<Tensors> {
  const file = await openSafetensors(path);
  try {
    const inputs = new Map<string, TensorData>();
    for (const name of file.entries.keys()) if (!forPeer.test(name)) inputs.set(name, await file.tensor(name));
    return inputs;
  } finally {
    await file.close();
  }
}

const say = (message: object) => console.log(JSON.stringify(message));

const problem = JSON.parse(process.argv[2]) as Problem;
const job = JOBS[problem.job];
const runner = await job.start(problem);
say({ ready: true });
let steps = 0;
for await (const line of createInterface({ input: stdin })) {
  const request = JSON.parse(line) as Request;
  if (request.cmd === "quit") break;
  runner.load(await inputsOf(request.inputs, job.forPeer), steps++);
  say(await timed(runner));
}
process.exit(0);
