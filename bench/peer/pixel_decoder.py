"""Mask2Former's multi-scale deformable attention pixel decoder; the attention samples with grid_sample."""

from math import cos, pi, sin

import torch
import torch.nn.functional as F
from torch import nn

from feed_forward import FeedForward
from position import sine_position

LEVELS = ("res5", "res4", "res3")  # strides 32, 16, 8: the order of tokens, projections and level embeddings
GROUPS = 32


class DeformableAttention(nn.Module):
    def __init__(self, dim, heads=8, levels=len(LEVELS), points=4):
        super().__init__()
        self.heads, self.levels, self.points = heads, levels, points
        self.sampling_offsets = nn.Linear(dim, heads * levels * points * 2)
        self.attention_weights = nn.Linear(dim, heads * levels * points)
        self.value_proj = nn.Linear(dim, dim)
        self.output_proj = nn.Linear(dim, dim)
        self.initialise()

    def initialise(self):
        """Head m looks in the m-th of `heads` directions, point p at p+1 pixels; all weights equal."""
        for layer in (self.sampling_offsets, self.attention_weights):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        directions = [(cos(2 * pi * m / self.heads), sin(2 * pi * m / self.heads)) for m in range(self.heads)]
        unit = torch.tensor([(x / max(abs(x), abs(y)), y / max(abs(x), abs(y))) for x, y in directions])
        steps = torch.arange(1, self.points + 1)
        bias = (unit[:, None, None] * steps[:, None]).expand(-1, self.levels, -1, -1)
        self.sampling_offsets.bias.data = bias.flatten().clone()
        for layer in (self.value_proj, self.output_proj):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, query, source, reference, shapes):
        """query, source [B,N,C]; reference [N,2] as (x,y) in [0,1]; shapes: (h,w) per level -> [B,N,C]"""
        batch, tokens, dim = query.shape
        heads, levels, points = self.heads, self.levels, self.points
        value = self.value_proj(source).transpose(1, 2)  # [B,C,N]: one image of C/heads channels per head and level
        offsets = self.sampling_offsets(query).view(batch, tokens, heads, levels, points, 2)
        offsets = offsets.permute(3, 0, 2, 1, 4, 5).flatten(1, 2)  # [L, B*heads, N, P, 2] in pixels of the level
        weights = self.attention_weights(query).view(batch, tokens, heads, levels * points).softmax(-1)
        weights = weights.view(batch, tokens, heads, levels, points).permute(3, 0, 2, 1, 4).flatten(1, 2)
        base = (2 * reference - 1)[:, None]  # grid_sample counts from -1 to 1
        sizes = [h * w for h, w in shapes]
        out = 0
        for level, ((h, w), part) in enumerate(zip(shapes, value.split(sizes, dim=2))):
            image = part.reshape(batch * heads, dim // heads, h, w)
            grid = base + offsets[level] * offsets.new_tensor((2 / w, 2 / h))
            sampled = F.grid_sample(image, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
            out = out + (sampled * weights[level][:, None]).sum(-1)  # [B*heads, C/heads, N]
        return self.output_proj(out.view(batch, dim, tokens).transpose(1, 2))


class EncoderLayer(FeedForward):
    """Post-norm: deformable self-attention, then feed-forward."""

    def __init__(self, dim, hidden, heads):
        super().__init__(dim, hidden)
        self.self_attn = DeformableAttention(dim, heads)
        self.norm1 = nn.LayerNorm(dim)
        self.norm2 = nn.LayerNorm(dim)

    def forward(self, x, position, reference, shapes):
        x = self.norm1(x + self.self_attn(x + position, x, reference, shapes))
        return self.norm2(x + self.feed_forward(x))


class Encoder(nn.Module):
    def __init__(self, dim, layers, hidden, heads):
        super().__init__()
        self.layers = nn.ModuleList(EncoderLayer(dim, hidden, heads) for _ in range(layers))


class Transformer(nn.Module):
    def __init__(self, dim, layers, hidden, heads):
        super().__init__()
        self.level_embed = nn.Parameter(torch.randn(len(LEVELS), dim))
        self.encoder = Encoder(dim, layers, hidden, heads)

    def forward(self, maps):
        """maps: [B,C,h,w] per level -> maps of the same shapes"""
        shapes = [m.shape[-2:] for m in maps]
        x = torch.cat([m.flatten(2).transpose(1, 2) for m in maps], dim=1)
        position = torch.cat(
            [sine_position(h, w, x.shape[2], x.dtype) + e for (h, w), e in zip(shapes, self.level_embed)]
        )
        reference = torch.cat([pixel_centres(h, w, x) for h, w in shapes])
        for layer in self.encoder.layers:
            x = layer(x, position, reference, shapes)
        parts = x.split([h * w for h, w in shapes], dim=1)
        return [p.transpose(1, 2).reshape(m.shape) for p, m in zip(parts, maps)]


def pixel_centres(height, width, like):
    """[height*width, 2] as (x,y) in [0,1], row-major"""
    y = (torch.arange(height, dtype=like.dtype) + 0.5) / height
    x = (torch.arange(width, dtype=like.dtype) + 0.5) / width
    return torch.stack((x.repeat(height), y.repeat_interleave(width)), dim=1)


class ConvGroupNorm(nn.Conv2d):
    """A convolution without bias that owns its group norm."""

    def __init__(self, inputs, outputs, kernel):
        super().__init__(inputs, outputs, kernel, padding=kernel // 2, bias=False)
        nn.init.kaiming_uniform_(self.weight, a=1)
        self.norm = nn.GroupNorm(GROUPS, outputs)

    def forward(self, x):
        return self.norm(super().forward(x))


class PixelDecoder(nn.Module):
    def __init__(self, channels, dim=256, layers=6, hidden=1024, heads=8):
        """channels: of the backbone's maps, {"res2": ..., "res5": ...}"""
        super().__init__()
        self.input_proj = nn.ModuleList(
            nn.Sequential(nn.Conv2d(channels[name], dim, 1), nn.GroupNorm(GROUPS, dim)) for name in LEVELS
        )
        for projection, _ in self.input_proj:
            nn.init.xavier_uniform_(projection.weight)
            nn.init.zeros_(projection.bias)
        self.transformer = Transformer(dim, layers, hidden, heads)
        self.adapter_1 = ConvGroupNorm(channels["res2"], dim, 1)
        self.layer_1 = ConvGroupNorm(dim, dim, 3)
        self.mask_features = nn.Conv2d(dim, dim, 1)
        nn.init.kaiming_uniform_(self.mask_features.weight, a=1)
        nn.init.zeros_(self.mask_features.bias)

    def encode(self, features):
        """-> maps at strides 32, 16, 8"""
        return self.transformer([proj(features[name]) for proj, name in zip(self.input_proj, LEVELS)])

    def forward(self, features):
        """-> (maps at strides 32, 16, 8; mask features [B,C,H/4,W/4])"""
        maps = self.encode(features)
        lateral = self.adapter_1(features["res2"])
        size = lateral.shape[-2:]
        y = lateral + F.interpolate(maps[-1], size=size, mode="bilinear", align_corners=False)
        return maps, self.mask_features(F.relu(self.layer_1(y)))
