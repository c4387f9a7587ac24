"""Writes test/fixtures: a small pretraining step and three AdamW steps, computed by this peer for the product's tests.

Nothing is stored that a reader can regenerate: weights and inputs are fills (fill.py), results are strided samples with
their sums. `noise` of a result = its largest difference to the same step in float64.
"""

import json
from math import prod, sqrt
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from fill import fill
from model import MaskJepa
from pixel_decoder import PixelDecoder
from step import NO_DECAY, TARGET_PREFIX, objective, parameter_groups, target_features
from tensor_file import write_tensors

FIXTURES = Path(__file__).resolve().parents[2] / "test" / "fixtures"
PREFIX = "pj/"
SAMPLES = 64  # at most this many stored elements of a gradient
BATCH, HEIGHT, WIDTH, PATCH = 2, 64, 96, 4
CHANNELS = {"res2": 8, "res3": 16, "res4": 32, "res5": 64}
STRIDES = {"res2": 4, "res3": 8, "res4": 16, "res5": 32}
CONFIG = {
    "dim": 64,
    "heads": 8,
    "encoder_layers": 2,
    "encoder_hidden": 128,
    "decoder_layers": 2,
    "decoder_hidden": 128,
    "blocks": 1,
}
MASKED_PATCHES = ((0, 2, 4), (1, 3, 5))  # of the 2 x 3 patches of the 8 x 12 grid, per image


def masked_positions():
    columns = WIDTH // 8
    across = columns // PATCH
    cells = [
        [
            (patch // across * PATCH + r) * columns + patch % across * PATCH + c
            for patch in patches
            for r in range(PATCH)
            for c in range(PATCH)
        ]
        for patches in MASKED_PATCHES
    ]
    return [sorted(image) for image in cells]


def base_and_amp(module, name, shape):
    if name.endswith("sampling_offsets.bias"):
        return 0.0, 2.0
    if name.endswith(("level_embed", "level_embed.weight", "mask_token")):
        return 0.0, 1.0
    if isinstance(module, (nn.LayerNorm, nn.GroupNorm)) and name.endswith("weight"):
        return 1.0, 0.2
    if len(shape) == 1:
        return 0.0, 0.05
    return 0.0, sqrt(3 / prod(shape[1:]))  # variance 1/fan_in


def fill_parameters(root, prefix):
    """Fills every parameter in place; -> manifest entries"""
    entries = []
    modules = dict(root.named_modules())
    for name, parameter in root.named_parameters():
        module = modules[name.rpartition(".")[0]]
        shape = list(parameter.shape)
        base, amp = base_and_amp(module, name, shape)
        parameter.data = torch.from_numpy(fill(PREFIX + prefix + name, shape, base, amp))
        entry = {"name": prefix + name, "shape": shape, "base": base, "amp": amp}
        if not prefix:
            entry["decay"] = not isinstance(module, NO_DECAY)
        entries.append(entry)
    return entries


def inputs():
    """-> manifest entries of the filled inputs"""
    positions = len(masked_positions()[0])
    shapes = {
        "images": ([BATCH, 3, HEIGHT, WIDTH], 2.0),
        "noise": ([BATCH, 3, HEIGHT // 4, WIDTH // 4], 0.7),
        "queries": ([BATCH, positions, CONFIG["dim"]], sqrt(3)),
    }
    for branch in ("clean", "noisy"):
        for name, channels in CHANNELS.items():
            stride = STRIDES[name]
            shapes[f"{branch}/{name}"] = ([BATCH, channels, HEIGHT // stride, WIDTH // stride], 1.0)
    return [{"name": name, "shape": shape, "base": 0.0, "amp": amp} for name, (shape, amp) in shapes.items()]


def run(model, target_decoder, tensors, masked):
    """-> {name: tensor} of every result, gradients of recon + denoise included"""
    maps = {b: {n: tensors[f"{b}/{n}"] for n in CHANNELS} for b in ("clean", "noisy")}
    target = target_features(target_decoder, maps["clean"])
    out = objective(model, maps["noisy"], target, tensors["noise"], masked, tensors["queries"])
    loss = out["recon"] + out["denoise"]
    model.zero_grad(set_to_none=True)
    loss.backward()
    with torch.no_grad():
        mask_features = model.sem_seg_head["pixel_decoder"](maps["noisy"])[1]
        image_loss = F.mse_loss(model.mask_jepa.denoise(mask_features), F.avg_pool2d(tensors["images"], 4))
    results = {
        "target": target,
        "stride8": out["stride8"].flatten(2).transpose(1, 2),
        "prediction": out["prediction"],
        "mask_features": mask_features,
        "loss/recon": out["recon"],
        "loss/denoise": out["denoise"],
        "loss/denoise_image": image_loss,
        "loss/total": loss,
    }
    gradients = {f"grad/{name}": p.grad for name, p in model.named_parameters() if p.grad is not None}
    return {name: t.detach().contiguous() for name, t in {**results, **gradients}.items()}


def stored(name, value, exact):
    """-> manifest entry, stored array"""
    keep = name in ("target", "stride8", "prediction") or value.numel() <= SAMPLES
    stride = 1 if keep else value.numel() // SAMPLES | 1
    entry = {
        "name": name,
        "shape": list(value.shape),
        "stride": stride,
        "sum": value.double().sum().item(),
        "abs_sum": value.double().abs().sum().item(),
        "max_abs": value.abs().max().item(),
        "noise": (value.double() - exact).abs().max().item(),
    }
    return entry, (value if stride == 1 else value.flatten()[::stride]).numpy()


def write_step():
    model = MaskJepa(None, CHANNELS, **CONFIG)
    target_decoder = PixelDecoder(
        CHANNELS, CONFIG["dim"], CONFIG["encoder_layers"], CONFIG["encoder_hidden"], CONFIG["heads"]
    )
    weights = fill_parameters(model, "")
    weights += fill_parameters(target_decoder, TARGET_PREFIX + "sem_seg_head.pixel_decoder.")
    given = inputs()
    tensors = {e["name"]: torch.from_numpy(fill(PREFIX + e["name"], e["shape"], e["base"], e["amp"])) for e in given}
    masked = torch.tensor(masked_positions())
    single = run(model, target_decoder, tensors, masked)
    double = {name: t.double() for name, t in tensors.items()}
    exact = run(model.double(), target_decoder.double(), double, masked)
    outputs, arrays = [], {}
    for name, value in single.items():
        entry, arrays[name] = stored(name, value, exact[name])
        outputs.append(entry)
    manifest = {
        "case": "pretrain-step",
        "fill_prefix": PREFIX,
        "config": {**CONFIG, "channels": CHANNELS, "groups": 32, "points": 4},
        "images": {"batch": BATCH, "height": HEIGHT, "width": WIDTH, "patch": PATCH},
        "masked": masked.tolist(),
        "inputs": given,
        "tensors": weights,
        "outputs": outputs,
    }
    folder = FIXTURES / "pretrain-step"
    folder.mkdir(parents=True, exist_ok=True)
    write_tensors(folder / "tensors.safetensors", arrays)
    (folder / "manifest.json").write_text(json_rows(manifest))


def write_adamw():
    """Three steps of AdamW after a full-model clip; the second step's gradient is below the clip."""
    settings = {"lr": 1e-2, "weight_decay": 0.05, "clip": 0.01, "betas": [0.9, 0.999], "eps": 1e-8}
    model = nn.ModuleDict({"linear": nn.Linear(4, 3), "norm": nn.LayerNorm(3), "embedding": nn.Embedding(2, 3)})
    named = dict(model.named_parameters())
    for name, p in named.items():
        p.data = torch.from_numpy(fill(f"adamw/{name}", p.shape, 0.0, 1.0))
    groups = parameter_groups(model, settings["weight_decay"])
    optimizer = torch.optim.AdamW(groups, lr=settings["lr"], betas=settings["betas"], eps=settings["eps"])
    decays = {id(p): g["weight_decay"] for g in groups for p in g["params"]}
    tensors = {
        name: {"shape": list(p.shape), "weight_decay": decays[id(p)], "values": values(p)} for name, p in named.items()
    }
    steps = []
    for step, amp in enumerate((1.0, 0.001, 3.0)):
        gradients = {n: torch.from_numpy(fill(f"adamw/grad/{step}/{n}", p.shape, 0.0, amp)) for n, p in named.items()}
        for name, p in named.items():
            p.grad = gradients[name].clone()
        norm = nn.utils.clip_grad_norm_(list(named.values()), settings["clip"]).item()
        optimizer.step()
        moments = [optimizer.state[p] for p in named.values()]
        steps.append(
            {
                "norm": norm,
                "gradients": {n: values(g) for n, g in gradients.items()},
                "parameters": {n: values(p) for n, p in named.items()},
                "first_moments": {n: values(m["exp_avg"]) for n, m in zip(named, moments)},
                "second_moments": {n: values(m["exp_avg_sq"]) for n, m in zip(named, moments)},
            }
        )
    (FIXTURES / "adamw.json").write_text(json_rows({**settings, "tensors": tensors, "steps": steps}))


def values(tensor):
    return tensor.detach().flatten().tolist()


def json_rows(document):
    """JSON with one line per top-level key, and one per row of a list of objects"""
    lines = []
    for key, value in document.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            text = "[\n    " + ",\n    ".join(json.dumps(row) for row in value) + "\n  ]"
        else:
            text = json.dumps(value)
        lines.append(f"  {json.dumps(key)}: {text}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


if __name__ == "__main__":
    torch.set_num_threads(2)
    write_step()
    write_adamw()
