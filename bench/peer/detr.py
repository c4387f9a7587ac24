"""The layers of DETR's transformer, post-norm; nothing is dropped."""

from torch import nn

from feed_forward import FeedForward
from transformer_decoder import attention


class EncoderLayer(FeedForward):
    """Self-attention, feed-forward."""

    def __init__(self, dim, hidden, heads):
        super().__init__(dim, hidden)
        self.self_attn = attention(dim, heads)
        self.norm1 = nn.LayerNorm(dim)
        self.norm2 = nn.LayerNorm(dim)

    def forward(self, x, position):
        q = x + position
        x = self.norm1(x + self.self_attn(q, q, x, need_weights=False)[0])
        return self.norm2(x + self.feed_forward(x))


class DecoderLayer(FeedForward):
    """Self-attention, cross-attention, feed-forward."""

    def __init__(self, dim, hidden, heads):
        super().__init__(dim, hidden)
        self.self_attn = attention(dim, heads)
        self.multihead_attn = attention(dim, heads)
        self.norm1 = nn.LayerNorm(dim)
        self.norm2 = nn.LayerNorm(dim)
        self.norm3 = nn.LayerNorm(dim)

    def forward(self, x, position, key, value):
        q = x + position
        x = self.norm1(x + self.self_attn(q, q, x, need_weights=False)[0])
        x = self.norm2(x + self.multihead_attn(x + position, key, value, need_weights=False)[0])
        return self.norm3(x + self.feed_forward(x))


class Layers(nn.Module):
    """Layers one after another, and perhaps a last norm, under the names that all checkpoints of DETR have."""

    def __init__(self, layers, norm=None):
        super().__init__()
        self.layers = nn.ModuleList(layers)
        if norm is not None:
            self.norm = norm
