"""Tensors that every implementation can regenerate from their names: FNV-1a of the name, then murmur3's finaliser."""

import numpy as np


def fnv1a(text):
    h = 0x811C9DC5
    for byte in text.encode():
        h = ((h ^ byte) * 0x01000193) & 0xFFFFFFFF
    return h


def fill(name, shape, base, amp):
    """float32(base + amp*(2*u/2^32 - 1)), u = mix(fnv1a(name) + i*0x9E3779B9 mod 2^32), i row-major"""
    index = np.arange(int(np.prod(shape, dtype=np.int64)), dtype=np.uint32)
    x = np.uint32(fnv1a(name)) + index * np.uint32(0x9E3779B9)
    x ^= x >> np.uint32(16)
    x *= np.uint32(0x85EBCA6B)
    x ^= x >> np.uint32(13)
    x *= np.uint32(0xC2B2AE35)
    x ^= x >> np.uint32(16)
    return (base + amp * (2 * x.astype(np.float64) / 2**32 - 1)).astype(np.float32).reshape(shape)
