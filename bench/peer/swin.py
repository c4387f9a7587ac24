"""Swin Transformer as Mask2Former uses it, under the parameter names of its checkpoints."""

import torch
import torch.nn.functional as F
from torch import nn

# name -> channels of res2, blocks and heads of each stage, side of a window
SIZES = {
    "T": (96, (2, 2, 6, 2), (3, 6, 12, 24), 7),
    "S": (96, (2, 2, 18, 2), (3, 6, 12, 24), 7),
    "B": (128, (2, 2, 18, 2), (4, 8, 16, 32), 12),
    "L": (192, (2, 2, 18, 2), (6, 12, 24, 48), 12),
}
PATCH = 4
MASKED = -100.0


def drop_path(x, rate, training):
    """Leaves a residual branch [B,..] out of each sample with probability `rate`."""
    if rate == 0 or not training:
        return x
    keep = torch.empty([len(x)] + [1] * (x.dim() - 1)).bernoulli_(1 - rate)
    return x * keep.div_(1 - rate)


def to_windows(x, side):
    """[B,H,W,C] -> [B*windows,side*side,C]"""
    b, h, w, c = x.shape
    x = x.view(b, h // side, side, w // side, side, c).transpose(2, 3)
    return x.reshape(-1, side * side, c)


def from_windows(windows, side, size):
    """[B*windows,side*side,C] -> [B,H,W,C]"""
    h, w = size
    c = windows.shape[-1]
    x = windows.view(-1, h // side, w // side, side, side, c).transpose(2, 3)
    return x.reshape(-1, h, w, c)


def shift_mask(size, side, shift):
    """[windows,side*side,side*side]: MASKED between positions that were no neighbours before the roll"""
    regions = torch.zeros(1, *size, 1)
    bands = (slice(0, -side), slice(-side, -shift), slice(-shift, None))
    for i, rows in enumerate(bands):
        for j, columns in enumerate(bands):
            regions[:, rows, columns] = 3 * i + j
    region = to_windows(regions, side).squeeze(-1)
    return (region[:, :, None] != region[:, None, :]).float() * MASKED


def relative_positions(side):
    """Row of the bias table for each query and key of a window"""
    cells = torch.cartesian_prod(torch.arange(side), torch.arange(side))
    offset = cells[:, None] - cells[None] + side - 1
    return offset[..., 0] * (2 * side - 1) + offset[..., 1]


class WindowAttention(nn.Module):
    def __init__(self, dim, heads, side):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)
        self.relative_position_bias_table = nn.Parameter(torch.empty((2 * side - 1) ** 2, heads))
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)
        self.register_buffer("relative_position_index", relative_positions(side), persistent=False)

    def forward(self, x, mask=None):
        """x [B*windows,P,C]; mask [windows,P,P]"""
        b, p, c = x.shape
        q, k, v = self.qkv(x).view(b, p, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        logits = (q * (c // self.heads) ** -0.5) @ k.transpose(-2, -1)
        logits = logits + self.relative_position_bias_table[self.relative_position_index].permute(2, 0, 1)
        if mask is not None:
            logits = (logits.view(-1, len(mask), self.heads, p, p) + mask[:, None]).view(b, self.heads, p, p)
        attended = logits.softmax(dim=-1) @ v
        return self.proj(attended.transpose(1, 2).reshape(b, p, c))


class Mlp(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.fc1 = nn.Linear(dim, 4 * dim)
        self.fc2 = nn.Linear(4 * dim, dim)

    def forward(self, x):
        return self.fc2(F.gelu(self.fc1(x)))


class Block(nn.Module):
    def __init__(self, dim, heads, side, shift, rate):
        super().__init__()
        self.side, self.shift, self.rate = side, shift, rate
        self.norm1 = nn.LayerNorm(dim)
        self.attn = WindowAttention(dim, heads, side)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = Mlp(dim)

    def attend(self, x, mask):
        _, h, w, _ = x.shape
        x = F.pad(x, (0, 0, 0, -w % self.side, 0, -h % self.side))
        size = x.shape[1:3]
        if not self.shift:
            return from_windows(self.attn(to_windows(x, self.side)), self.side, size)[:, :h, :w]
        x = torch.roll(x, (-self.shift, -self.shift), (1, 2))
        x = from_windows(self.attn(to_windows(x, self.side), mask), self.side, size)
        return torch.roll(x, (self.shift, self.shift), (1, 2))[:, :h, :w]

    def forward(self, x, mask):
        """x [B,H,W,C]"""
        x = x + drop_path(self.attend(self.norm1(x), mask), self.rate, self.training)
        return x + drop_path(self.mlp(self.norm2(x)), self.rate, self.training)


class PatchMerging(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.norm = nn.LayerNorm(4 * dim)
        self.reduction = nn.Linear(4 * dim, 2 * dim, bias=False)

    def forward(self, x):
        _, h, w, _ = x.shape
        x = F.pad(x, (0, 0, 0, w % 2, 0, h % 2))
        phases = [x[:, i::2, j::2] for j in range(2) for i in range(2)]
        return self.reduction(self.norm(torch.cat(phases, dim=-1)))


class Stage(nn.Module):
    def __init__(self, dim, heads, side, rates, last):
        super().__init__()
        self.side = side
        self.blocks = nn.ModuleList(Block(dim, heads, side, i % 2 * (side // 2), rate) for i, rate in enumerate(rates))
        self.downsample = None if last else PatchMerging(dim)

    def forward(self, x):
        _, h, w, _ = x.shape
        padded = (h + -h % self.side, w + -w % self.side)
        mask = shift_mask(padded, self.side, self.side // 2)
        for block in self.blocks:
            x = block(x, mask)
        return x


class PatchEmbedding(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.proj = nn.Conv2d(3, dim, PATCH, PATCH)
        self.norm = nn.LayerNorm(dim)

    def forward(self, images):
        _, _, h, w = images.shape
        images = F.pad(images, (0, -w % PATCH, 0, -h % PATCH))
        return self.norm(self.proj(images).permute(0, 2, 3, 1))


class Swin(nn.Module):
    """images [B,3,H,W] -> {"res2": [B,dim,H/4,W/4], ..., "res5": [B,8*dim,H/32,W/32]}"""

    def __init__(self, size="T", drop_path_rate=0.3):
        super().__init__()
        dim, depths, heads, side = SIZES[size]
        rates = iter(torch.linspace(0, drop_path_rate, sum(depths)).tolist())
        self.channels = {f"res{s + 2}": dim * 2**s for s in range(len(depths))}
        self.patch_embed = PatchEmbedding(dim)
        self.layers = nn.ModuleList(
            Stage(dim * 2**s, heads[s], side, [next(rates) for _ in range(depth)], s == len(depths) - 1)
            for s, depth in enumerate(depths)
        )
        for s in range(len(depths)):
            self.add_module(f"norm{s}", nn.LayerNorm(dim * 2**s))

    def forward(self, images):
        x = self.patch_embed(images)
        features = {}
        for s, (name, stage) in enumerate(zip(self.channels, self.layers)):
            x = stage(x)
            features[name] = getattr(self, f"norm{s}")(x).permute(0, 3, 1, 2)
            if stage.downsample is not None:
                x = stage.downsample(x)
        return features

    def freeze(self):
        """No gradients any more, and no drop path."""
        self.requires_grad_(False)
        self.eval()
