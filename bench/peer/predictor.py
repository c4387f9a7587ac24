"""The predictor: Mask2Former's transformer decoder on one memory, and what Mask-JEPA adds to it."""

import torch
import torch.nn.functional as F
from torch import nn

MEMORY_LEVEL = 2  # row of the level embedding that belongs to stride 8


def attention(dim, heads):
    return nn.MultiheadAttention(dim, heads, dropout=0.0, batch_first=True)


class CrossAttention(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.multihead_attn = attention(dim, heads)
        self.norm = nn.LayerNorm(dim)

    def forward(self, x, position, key, value):
        return self.norm(x + self.multihead_attn(x + position, key, value, need_weights=False)[0])


class SelfAttention(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.self_attn = attention(dim, heads)
        self.norm = nn.LayerNorm(dim)

    def forward(self, x, position):
        q = x + position
        return self.norm(x + self.self_attn(q, q, x, need_weights=False)[0])


class FeedForward(nn.Module):
    def __init__(self, dim, hidden):
        super().__init__()
        self.linear1 = nn.Linear(dim, hidden)
        self.linear2 = nn.Linear(hidden, dim)
        self.norm = nn.LayerNorm(dim)
        nn.init.xavier_uniform_(self.linear1.weight)
        nn.init.xavier_uniform_(self.linear2.weight)

    def forward(self, x):
        return self.norm(x + self.linear2(F.relu(self.linear1(x), inplace=True)))


class TransformerDecoder(nn.Module):
    """Cross-attention, self-attention, feed-forward per layer, post-norm, no attention mask."""

    def __init__(self, dim=256, layers=9, hidden=2048, heads=8):
        super().__init__()
        self.level_embed = nn.Embedding(3, dim)
        self.transformer_cross_attention_layers = nn.ModuleList(CrossAttention(dim, heads) for _ in range(layers))
        self.transformer_self_attention_layers = nn.ModuleList(SelfAttention(dim, heads) for _ in range(layers))
        self.transformer_ffn_layers = nn.ModuleList(FeedForward(dim, hidden) for _ in range(layers))
        self.decoder_norm = nn.LayerNorm(dim)

    def forward(self, queries, query_position, memory, position):
        """queries, query_position [B,K,C]; memory [B,N,C]; position [N,C] -> [B,K,C]"""
        value = memory + self.level_embed.weight[MEMORY_LEVEL]
        key = value + position
        x = queries
        for cross, self_, feed_forward in zip(
            self.transformer_cross_attention_layers, self.transformer_self_attention_layers, self.transformer_ffn_layers
        ):
            x = feed_forward(self_(cross(x, query_position, key, value), query_position))
        return self.decoder_norm(x)


class MemoryBlock(nn.Module):
    """One of the M extra self-attention blocks over the masked memory, post-norm."""

    def __init__(self, dim, hidden, heads):
        super().__init__()
        self.self_attn = attention(dim, heads)
        self.norm1 = nn.LayerNorm(dim)
        self.linear1 = nn.Linear(dim, hidden)
        self.linear2 = nn.Linear(hidden, dim)
        self.norm2 = nn.LayerNorm(dim)
        nn.init.xavier_uniform_(self.linear1.weight)
        nn.init.xavier_uniform_(self.linear2.weight)

    def forward(self, x, position):
        q = x + position
        x = self.norm1(x + self.self_attn(q, q, x, need_weights=False)[0])
        return self.norm2(x + self.linear2(F.relu(self.linear1(x), inplace=True)))


class Extras(nn.Module):
    """What pretraining adds to the model and fine-tuning leaves behind."""

    def __init__(self, dim=256, blocks=2, hidden=2048, heads=8):
        super().__init__()
        self.mask_token = nn.Parameter(0.02 * torch.randn(dim))
        self.blocks = nn.ModuleList(MemoryBlock(dim, hidden, heads) for _ in range(blocks))
        self.prediction = nn.Linear(dim, dim)
        self.denoise = nn.Conv2d(dim, 3, 1)
