"""The feed-forward part that every transformer layer here has."""

import torch.nn.functional as F
from torch import nn


class FeedForward(nn.Module):
    """A layer that owns its two linear layers beside its norms, as the checkpoints name them."""

    def __init__(self, dim, hidden):
        super().__init__()
        self.linear1 = nn.Linear(dim, hidden)
        self.linear2 = nn.Linear(hidden, dim)
        nn.init.xavier_uniform_(self.linear1.weight)
        nn.init.xavier_uniform_(self.linear2.weight)

    def feed_forward(self, x):
        return self.linear2(F.relu(self.linear1(x), inplace=True))
