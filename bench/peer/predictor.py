"""The predictor: Mask2Former's transformer decoder on one memory, and what Mask-JEPA adds to it."""

import torch
from torch import nn

from detr import EncoderLayer
from transformer_decoder import TransformerDecoder

MEMORY_LEVEL = 2  # row of the level embedding that belongs to stride 8


class Predictor(TransformerDecoder):
    """No attention mask, no heads."""

    def forward(self, queries, query_position, memory, position):
        """queries, query_position [B,K,C]; memory [B,N,C]; position [N,C] -> [B,K,C]"""
        value = memory + self.level_embed.weight[MEMORY_LEVEL]
        key = value + position
        x = queries
        for cross, self_, feed_forward in self.layers():
            x = feed_forward(self_(cross(x, query_position, key, value), query_position))
        return self.decoder_norm(x)


class Extras(nn.Module):
    """What pretraining adds to the model and fine-tuning leaves behind; `blocks` look at the masked memory."""

    def __init__(self, dim=256, blocks=2, hidden=2048, heads=8):
        super().__init__()
        self.mask_token = nn.Parameter(0.02 * torch.randn(dim))
        self.blocks = nn.ModuleList(EncoderLayer(dim, hidden, heads) for _ in range(blocks))
        self.prediction = nn.Linear(dim, dim)
        self.denoise = nn.Conv2d(dim, 3, 1)
