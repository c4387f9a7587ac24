"""Times a job, alone or for the benchmark that alternates it with the other side."""

import json
import resource
import statistics
import sys
import time

import torch

from jobs import JOBS


def peak_rss_mb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def timed(job):
    """ms is wall time, cpu_ms the sum over the threads"""
    began, cpu_began = time.perf_counter(), time.process_time()
    job.run()
    result = {
        "ms": (time.perf_counter() - began) * 1000,
        "cpu_ms": (time.process_time() - cpu_began) * 1000,
        "peak_rss_mb": peak_rss_mb(),
    }
    return {**result, "values": job.values()}


def say(message):
    print(json.dumps(message), flush=True)


def serve(job):
    """One JSON reply for each JSON line of the standard input, until it ends or says quit."""
    for line in sys.stdin:
        request = json.loads(line)
        if request["cmd"] == "quit":
            return
        if request["cmd"] != "step":
            raise SystemExit(f"unknown command {request['cmd']!r}; known: step, quit")
        if "inputs" in request:
            job.load(request["inputs"])
        say(timed(job))


def run(options):
    torch.manual_seed(0)
    torch.set_num_threads(options.threads)
    job = JOBS[options.job](options)
    for _ in range(options.warmup):
        job.run()
    say({"ready": True, "torch": torch.__version__, "threads": torch.get_num_threads()})
    if options.mode == "serve":
        serve(job)
        return
    steps = [timed(job) for _ in range(options.steps)]
    for result in steps:
        say(result)
    median = statistics.median(result["ms"] for result in steps)
    images = 1 if options.job == "inference" else options.images
    say({"median_ms": median, "ms_per_image": median / images, "peak_rss_mb": peak_rss_mb()})
