"""Mask2Former's matcher and losses, on points."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from scipy.optimize import linear_sum_assignment

WEIGHTS = {"ce": 2.0, "mask": 5.0, "dice": 5.0}
NO_OBJECT = 0.1  # weight of the class "no object" in the cross-entropy


class Target(NamedTuple):
    labels: torch.Tensor  # [N]
    masks: torch.Tensor  # of the padded image, [N,H,W], floating point


def sample(maps, points):
    """maps [N,C,H,W] at points [N,P,2], (x,y) in [0,1] -> [N,C,P]; bilinear, zero outside"""
    return F.grid_sample(maps, 2 * points[:, :, None] - 1, align_corners=False).squeeze(3)


class Criterion:
    """`draw(*shape)` draws uniformly from [0, 1). For every output, the last one first and then the others in their
    order, it is asked for [1,points,2] per image, then for the candidates and the unconditional points of all pairs."""

    weights = WEIGHTS

    def __init__(self, classes, points=12544, oversampling=3.0, importance=0.75, draw=torch.rand):
        self.classes, self.points, self.draw = classes, points, draw
        self.candidates, self.important = int(oversampling * points), int(importance * points)

    def __call__(self, predictions, targets):
        """-> {"ce_0": ..., "mask_0": ..., "dice_0": ..., "ce_1": ...}: weighted losses of every prediction"""
        num_masks = max(1, sum(len(target.labels) for target in targets))
        losses = {}
        for index in (len(predictions) - 1, *range(len(predictions) - 1)):
            prediction = predictions[index]
            pairs = [self.match(*image, target) for *image, target in zip(*prediction, targets)]
            unweighted = {
                "ce": self.class_loss(prediction.logits, targets, pairs),
                **self.mask_losses(prediction.masks, targets, pairs, num_masks),
            }
            losses.update({f"{name}_{index}": self.weights[name] * loss for name, loss in unweighted.items()})
        return losses

    @torch.no_grad()
    def cost(self, logits, masks, target):
        """[Q,N]; the parts of the cost have the weights of the losses"""
        points = self.draw(1, self.points, 2)
        x = sample(masks[None], points)[0]
        t = sample(target.masks[None], points)[0]
        s = x.sigmoid()
        ce = -logits.softmax(-1)[:, target.labels]
        mask = (F.softplus(-x) @ t.T + F.softplus(x) @ (1 - t).T) / self.points
        dice = 1 - (2 * s @ t.T + 1) / (s.sum(-1)[:, None] + t.sum(-1) + 1)
        return self.weights["ce"] * ce + self.weights["mask"] * mask + self.weights["dice"] * dice

    def match(self, logits, masks, target):
        """-> (queries, targets), ascending queries"""
        queries, matched = linear_sum_assignment(self.cost(logits, masks, target).numpy())
        return torch.from_numpy(queries), torch.from_numpy(matched)

    def class_loss(self, logits, targets, pairs):
        labels = torch.full(logits.shape[:2], self.classes)
        for row, target, (queries, matched) in zip(labels, targets, pairs):
            row[queries] = target.labels[matched]
        weight = logits.new_ones(self.classes + 1)
        weight[self.classes] = NO_OBJECT
        return F.cross_entropy(logits.transpose(1, 2), labels, weight)

    def mask_losses(self, masks, targets, pairs, num_masks):
        predicted = torch.cat([image[queries] for image, (queries, _) in zip(masks, pairs)])[:, None]
        with torch.no_grad():
            truth = torch.cat([target.masks[matched] for target, (_, matched) in zip(targets, pairs)])[:, None]
            points = self.uncertain_points(predicted)
            t = sample(truth, points)[:, 0]
        x = sample(predicted, points)[:, 0]
        s = x.sigmoid()
        mask = F.binary_cross_entropy_with_logits(x, t, reduction="none").mean(1).sum() / num_masks
        dice = (1 - (2 * (s * t).sum(1) + 1) / (s.sum(1) + t.sum(1) + 1)).sum() / num_masks
        return {"mask": mask, "dice": dice}

    def uncertain_points(self, masks):
        """[M,P,2]: of the candidates those whose logits are nearest to zero, and some without condition"""
        candidates = self.draw(len(masks), self.candidates, 2)
        certainty = sample(masks, candidates)[:, 0].abs()
        chosen = certainty.topk(self.important, dim=1, largest=False).indices
        important = candidates.gather(1, chosen[..., None].expand(-1, -1, 2))
        return torch.cat((important, self.draw(len(masks), self.points - self.important, 2)), dim=1)
