"""What the benchmark times: pretraining step, fine-tuning step, inference on one image.

A job loads its weights once and a batch whenever it is told to; `run` is the work that is timed, `values` what the
other side must agree on. Without files the weights are PyTorch's initial ones and the batch is a seeded random one.
"""

import numpy as np
import torch

from families import FAMILIES
from finetune import Finetuning
from model import full_model
from panoptic import predict
from step import TARGET_PREFIX, Pretraining
from tensor_file import read_tensors

SIGMA, RATIO, PATCH, STRIDE = 0.4, 0.5, 8, 8
CLASSES, THINGS = 133, 80  # COCO panoptic; things come first
SEGMENTS = (10, 20)  # least and most of an image of the random batch
TEXTS, TOKENS, END = 134, 77, 49407  # of an image of it; the mark of a text's end
LONG_EDGE = 1333 / 800  # of the short edge
OVERLAP = 0.2  # share of its pixels that a segment must own: random masks overlap more than trained ones


def read(path):
    return {name: torch.from_numpy(array) for name, array in read_tensors(path).items()}


class Pretrain:
    def __init__(self, options):
        self.options = options
        model = full_model(options.backbone)
        weights = read(options.weights) if options.weights else {}
        if weights:
            model.load_state_dict({name: w for name, w in weights.items() if not name.startswith(TARGET_PREFIX)})
        self.training = Pretraining(model, frozen=not options.train_backbone)
        target = {n[len(TARGET_PREFIX) :]: w for n, w in weights.items() if n.startswith(TARGET_PREFIX)}
        if target:
            load_target(self.training.target, target)
        if options.channels_last:
            model.backbone.to(memory_format=torch.channels_last)
        self.load(options.inputs)

    def load(self, path):
        options = self.options
        batch = read(path) if path else random_masking(options.images, options.size)
        self.batch = {name: batch[name] for name in ("images", "noise", "masked", "queries")}
        if options.channels_last:
            self.batch["images"] = batch["images"].contiguous(memory_format=torch.channels_last)

    def run(self):
        self.losses = self.training.step(self.batch)

    def values(self):
        recon, denoise = self.losses
        return {"loss": recon + denoise, "recon": recon, "denoise": denoise}


class Finetune:
    def __init__(self, options):
        self.options = options
        model, criterion = FAMILIES[options.family]
        self.model = model(CLASSES, backbone=options.backbone)
        if options.weights:
            self.model.load_state_dict(read(options.weights))
        self.training = Finetuning(self.model, criterion(CLASSES))
        if options.channels_last:
            self.model.backbone.to(memory_format=torch.channels_last)
        self.load(options.inputs)

    def load(self, path):
        """A file's draws are used up by one step."""
        options = self.options
        tensors = read(path) if path else random_segments(options.images, options.size)
        self.batch = self.model.batch(tensors)
        if options.channels_last:
            self.batch = self.batch._replace(images=tensors["images"].contiguous(memory_format=torch.channels_last))
        if path:
            names = sorted((n for n in tensors if n.startswith("draws/")), key=lambda n: int(n.split("/")[1]))
            draws = (tensors[name] for name in names)
            self.training.criterion.draw = lambda *shape: replay(draws, shape)

    def run(self):
        self.losses = self.training.step(self.batch)

    def values(self):
        return {"loss": self.training.criterion.total(self.losses), **self.losses}


class Inference:
    def __init__(self, options):
        self.options = options
        model, _ = FAMILIES[options.family]
        self.model = model(CLASSES, backbone=options.backbone).for_inference()
        if options.weights:
            self.model.load_state_dict(read(options.weights))
        self.model.backbone.freeze()
        if options.channels_last:
            self.model.backbone.to(memory_format=torch.channels_last)
        self.load(options.inputs)

    def load(self, path):
        size = self.options.size
        random = np.random.default_rng(0)
        self.image = read_tensors(path)["image"] if path else random.integers(256, size=(size, size, 3), dtype=np.uint8)

    def run(self):
        size = self.options.size
        self.ids, self.segments = predict(self.model, self.image, THINGS, size, LONG_EDGE * size, OVERLAP)

    def values(self):
        values = {"segments": len(self.segments)}
        for k, label, _ in self.segments:
            at = (self.ids == k).nonzero().double()
            y, x = (at.mean(0) / torch.tensor(self.ids.shape)).tolist()
            found = {"label": label, "area": len(at) / self.ids.numel(), "x": x, "y": y}
            values.update({f"{name}_{k}": value for name, value in found.items()})
        return values


def replay(draws, shape):
    """The next of the draws, in the time that drawing them takes: the other side draws them within its step"""
    torch.rand(shape)
    return next(draws).view(shape)


def load_target(target, weights):
    """weights: canonical names without the target prefix"""
    head = "sem_seg_head."
    target.load_state_dict({name[len(head) :] if name.startswith(head) else name: w for name, w in weights.items()})


def random_masking(images, size):
    generator = torch.Generator().manual_seed(0)
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


def random_segments(images, size):
    """Every pixel belongs to the segment whose centre is nearest."""
    generator = torch.Generator().manual_seed(0)
    batch = {"images": torch.randn(images, 3, size, size, generator=generator)}
    rows, columns = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    for i in range(images):
        count = torch.randint(SEGMENTS[0], SEGMENTS[1] + 1, (), generator=generator).item()
        centres = torch.randint(size, (2, count, 1, 1), generator=generator)
        nearest = ((rows - centres[0]) ** 2 + (columns - centres[1]) ** 2).argmin(0)
        batch[f"masks/{i}"] = nearest == torch.arange(count)[:, None, None]
        batch[f"labels/{i}"] = torch.randint(CLASSES, (count,), generator=generator)
        batch[f"texts/{i}"] = torch.randint(1, END, (TEXTS, TOKENS), generator=generator)
        batch[f"texts/{i}"][:, -1] = END
    batch["tasks"] = torch.randint(3, (images,), generator=generator)
    return batch


JOBS = {"pretrain": Pretrain, "finetune": Finetune, "inference": Inference}
