"""One fine-tuning step of a model of any family: losses, backward, clip, AdamW."""

import torch
from torch import nn

from step import parameter_groups

BACKBONE_RATE = 0.1  # of the learning rate


class Finetuning:
    def __init__(self, model, criterion, lr=1e-4, weight_decay=0.05, clip=0.01):
        self.model, self.criterion, self.clip = model, criterion, clip
        self.trained = [p for p in model.parameters() if p.requires_grad]
        groups = [
            {**group, "lr": BACKBONE_RATE * lr if part is model.backbone else lr}
            for part in model.children()
            for group in parameter_groups(part, weight_decay)
        ]
        self.optimizer = torch.optim.AdamW(groups, lr=lr)

    def backward(self, batch):
        """Gradients of all weights; -> losses by name, without their weights"""
        self.optimizer.zero_grad(set_to_none=True)
        losses = self.model.losses(batch, self.criterion)
        self.criterion.total(losses).backward()
        return {name: loss.item() for name, loss in losses.items()}

    def step(self, batch):
        """One update of all weights; -> losses by name before it, without their weights"""
        losses = self.backward(batch)
        nn.utils.clip_grad_norm_(self.trained, self.clip)
        self.optimizer.step()
        return losses
