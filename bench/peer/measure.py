"""Loads weights and a fixed batch into the peer, and times whole pretraining steps."""

import json
import resource
import statistics
import sys
import time

import torch

from model import full_model
from step import TARGET_PREFIX, Pretraining
from tensor_file import read_tensors

SIGMA, RATIO, PATCH, STRIDE = 0.4, 0.5, 8, 8


def load_weights(model, path):
    """Every parameter of the model must be in the file. -> the target's weights, {} where the file has none"""
    weights = {name: torch.from_numpy(array) for name, array in read_tensors(path).items()}
    model.load_state_dict({name: w for name, w in weights.items() if not name.startswith(TARGET_PREFIX)})
    return {name[len(TARGET_PREFIX) :]: w for name, w in weights.items() if name.startswith(TARGET_PREFIX)}


def load_target(target, weights):
    """weights: canonical names without the target prefix"""
    head = "sem_seg_head."
    target.load_state_dict({name[len(head) :] if name.startswith(head) else name: w for name, w in weights.items()})


def random_batch(images, size, generator):
    grid = size // STRIDE
    patches = grid // PATCH
    masked = []
    for _ in range(images):
        hidden = torch.zeros(patches * patches, dtype=torch.bool)
        hidden[torch.randperm(patches * patches, generator=generator)[: round(RATIO * patches * patches)]] = True
        cells = hidden.view(patches, patches).repeat_interleave(PATCH, 0).repeat_interleave(PATCH, 1)
        masked.append(cells.flatten().nonzero().flatten())
    masked = torch.stack(masked)
    return {
        "images": torch.randn(images, 3, size, size, generator=generator),
        "noise": SIGMA * torch.randn(images, 3, size // 4, size // 4, generator=generator),
        "masked": masked,
        "queries": torch.randn(*masked.shape, 256, generator=generator),
    }


def load_batch(path, images, size):
    batch = {name: torch.from_numpy(array) for name, array in read_tensors(path).items()}
    shape = tuple(batch["images"].shape)
    if shape != (images, 3, size, size):
        raise SystemExit(f"{path}: images are {shape}, but --images {images} --size {size} was asked for")
    return {name: batch[name] for name in ("images", "noise", "masked", "queries")}


def prepare(options):
    torch.manual_seed(0)
    model = full_model()
    stored = load_weights(model, options.weights) if options.weights else None
    training = Pretraining(model, frozen=not options.train_backbone)
    if stored:
        load_target(training.target, stored)
    if options.inputs:
        batch = load_batch(options.inputs, options.images, options.size)
    else:
        batch = random_batch(options.images, options.size, torch.Generator().manual_seed(0))
    if options.channels_last:
        model.backbone.to(memory_format=torch.channels_last)
        batch["images"] = batch["images"].contiguous(memory_format=torch.channels_last)
    return training, batch


def peak_rss_mb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def timed(work):
    """work() -> (recon, denoise); ms is wall time, cpu_ms the sum over the threads"""
    began, cpu_began = time.perf_counter(), time.process_time()
    recon, denoise = work()
    return {
        "ms": (time.perf_counter() - began) * 1000,
        "cpu_ms": (time.process_time() - cpu_began) * 1000,
        "loss": recon + denoise,
        "recon": recon,
        "denoise": denoise,
        "peak_rss_mb": peak_rss_mb(),
    }


def step(training, batch):
    return timed(lambda: training.step(batch))


def loss(training, batch):
    """The losses alone, without gradients; the weights stay."""
    return timed(lambda: training.evaluate(batch))


def say(message):
    print(json.dumps(message), flush=True)


def serve(training, batch, options):
    """One JSON reply for each JSON line of the standard input, until it ends or says quit."""
    commands = {"step": step, "loss": loss}
    for line in sys.stdin:
        request = json.loads(line)
        command = request["cmd"]
        if command == "quit":
            return
        if "inputs" in request:
            batch = load_batch(request["inputs"], options.images, options.size)
        if command in commands:
            say(commands[command](training, batch))
        else:
            say({"error": f"unknown command {command!r}; known: {sorted(commands)}, quit"})


def run(options):
    torch.set_num_threads(options.threads)
    training, batch = prepare(options)
    initial = loss(training, batch)
    for _ in range(options.warmup):
        training.step(batch)
    say({"ready": True, "torch": torch.__version__, "threads": torch.get_num_threads(), "initial": initial})
    if options.mode == "serve":
        serve(training, batch, options)
        return
    steps = [step(training, batch) for _ in range(options.steps)]
    for result in steps:
        say(result)
    median = statistics.median(result["ms"] for result in steps)
    say({"median_ms": median, "ms_per_image": median / options.images, "peak_rss_mb": peak_rss_mb()})
