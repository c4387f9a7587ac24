/** @file The jobs by name. */

import type { Job, JobName } from "./job.js";
import { pretrainStep } from "./pretrain-step.js";

export const JOBS: Readonly<Record<JobName, Job>> = { pretrain: pretrainStep };
