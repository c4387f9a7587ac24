"""The layers of Mask2Former's transformer decoder, post-norm: what pretraining and fine-tuning share."""

from torch import nn

from feed_forward import FeedForward


def attention(dim, heads):
    return nn.MultiheadAttention(dim, heads, dropout=0.0, batch_first=True)


def placed(x, position):
    """x at its positions, where it has some"""
    return x if position is None else x + position


class CrossAttention(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.multihead_attn = attention(dim, heads)
        self.norm = nn.LayerNorm(dim)

    def forward(self, x, position, key, value, blocked=None):
        """blocked [B*heads,Q,N]: true where a query may not look"""
        attended, _ = self.multihead_attn(placed(x, position), key, value, attn_mask=blocked, need_weights=False)
        return self.norm(x + attended)


class SelfAttention(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.self_attn = attention(dim, heads)
        self.norm = nn.LayerNorm(dim)

    def forward(self, x, position, blocked=None):
        """blocked [Q,Q]: true where a query may not look"""
        q = placed(x, position)
        return self.norm(x + self.self_attn(q, q, x, attn_mask=blocked, need_weights=False)[0])


class NormedFeedForward(FeedForward):
    def __init__(self, dim, hidden):
        super().__init__(dim, hidden)
        self.norm = nn.LayerNorm(dim)

    def forward(self, x):
        return self.norm(x + self.feed_forward(x))


class TransformerDecoder(nn.Module):
    """Cross-attention, self-attention, feed-forward per layer; which memory a layer sees is up to the subclass."""

    def __init__(self, dim, layers, hidden, heads):
        super().__init__()
        self.level_embed = nn.Embedding(3, dim)
        self.transformer_cross_attention_layers = nn.ModuleList(CrossAttention(dim, heads) for _ in range(layers))
        self.transformer_self_attention_layers = nn.ModuleList(SelfAttention(dim, heads) for _ in range(layers))
        self.transformer_ffn_layers = nn.ModuleList(NormedFeedForward(dim, hidden) for _ in range(layers))
        self.decoder_norm = nn.LayerNorm(dim)

    def layers(self):
        """-> (cross-attention, self-attention, feed-forward) of every layer"""
        return zip(
            self.transformer_cross_attention_layers, self.transformer_self_attention_layers, self.transformer_ffn_layers
        )
