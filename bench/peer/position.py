"""Maps as tokens, and the two-dimensional sine embedding of their positions."""

from functools import lru_cache
from math import pi

import torch


@lru_cache(maxsize=16)
def sine_position(height, width, channels, dtype=torch.float32):
    """[height*width, channels], row-major; first half of the channels from y, second half from x.

    Coordinates are (index + 1)/(size + 1e-6) * 2*pi; channel i of a half divides by 10000^(2*floor(i/2)/half),
    sine on even channels, cosine on odd ones.
    """
    half = channels // 2
    period = 10000 ** (2 * torch.div(torch.arange(half), 2, rounding_mode="floor").to(dtype) / half)

    def axis(size):
        angle = (torch.arange(1, size + 1, dtype=dtype) / (size + 1e-6) * 2 * pi)[:, None] / period
        return torch.stack((angle[:, 0::2].sin(), angle[:, 1::2].cos()), dim=2).flatten(1)

    y = axis(height)[:, None].expand(height, width, half)
    x = axis(width)[None].expand(height, width, half)
    return torch.cat((y, x), dim=2).reshape(height * width, channels)


def tokens(maps):
    """[B,C,h,w] -> [B,h*w,C]"""
    return maps.flatten(2).transpose(1, 2)
