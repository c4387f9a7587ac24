"""One fine-tuning step of Mask2Former: losses, backward, clip, AdamW."""

import torch
from torch import nn

from step import parameter_groups

BACKBONE_RATE = 0.1  # of the learning rate


class Finetuning:
    def __init__(self, model, criterion, lr=1e-4, weight_decay=0.05, clip=0.01):
        self.model, self.criterion, self.clip = model, criterion, clip
        self.trained = [p for p in model.parameters() if p.requires_grad]
        rates = ((model.backbone, BACKBONE_RATE * lr), (model.sem_seg_head, lr))
        groups = [{**group, "lr": rate} for part, rate in rates for group in parameter_groups(part, weight_decay)]
        self.optimizer = torch.optim.AdamW(groups, lr=lr)

    def backward(self, images, targets):
        """Gradients of all weights; -> weighted losses by name"""
        self.optimizer.zero_grad(set_to_none=True)
        losses = self.criterion(self.model(images), targets)
        sum(losses.values()).backward()
        return {name: loss.item() for name, loss in losses.items()}

    def step(self, images, targets):
        """One update of all weights; -> weighted losses by name, before it"""
        losses = self.backward(images, targets)
        nn.utils.clip_grad_norm_(self.trained, self.clip)
        self.optimizer.step()
        return losses
