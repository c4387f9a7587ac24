"""CLIP's text transformer, as OneFormer trains it."""

import torch
from torch import nn

HEAD_WIDTH = 64


class Block(nn.Module):
    """Pre-norm: causal self-attention, feed-forward."""

    def __init__(self, width):
        super().__init__()
        self.attn = nn.MultiheadAttention(width, width // HEAD_WIDTH, batch_first=True)
        self.ln_1 = nn.LayerNorm(width)
        self.mlp = nn.ModuleDict({"c_fc": nn.Linear(width, 4 * width), "c_proj": nn.Linear(4 * width, width)})
        self.ln_2 = nn.LayerNorm(width)

    def forward(self, x, later):
        y = self.ln_1(x)
        x = x + self.attn(y, y, y, attn_mask=later, need_weights=False)[0]
        hidden = self.mlp["c_fc"](self.ln_2(x))
        return x + self.mlp["c_proj"](hidden * (1.702 * hidden).sigmoid())


class TextEncoder(nn.Module):
    def __init__(self, width=256, layers=6, length=77, vocabulary=49408):
        super().__init__()
        self.token_embedding = nn.Embedding(vocabulary, width)
        self.positional_embedding = nn.Parameter(0.01 * torch.randn(length, width))
        self.transformer = nn.ModuleDict({"resblocks": nn.ModuleList(Block(width) for _ in range(layers))})
        self.ln_final = nn.LayerNorm(width)

    def forward(self, texts):
        """Token numbers [T,L]; the mark of the end is the largest -> [T,width].

        Every text is encoded once, and no further than to the end of the longest one: the authors' code encodes all
        of them to their full length.
        """
        texts, which = texts.unique(dim=0, return_inverse=True)
        ends = texts.argmax(-1)
        length = ends.max() + 1
        x = self.token_embedding(texts[:, :length]) + self.positional_embedding[:length]
        later = torch.ones(length, length, dtype=torch.bool).triu(1)
        for block in self.transformer["resblocks"]:
            x = block(x, later)
        return self.ln_final(x[torch.arange(len(x)), ends])[which]
