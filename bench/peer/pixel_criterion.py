"""MaskFormer's matcher and losses, on all pixels: focal and dice."""

import torch
import torch.nn.functional as F

from criterion import Criterion

ALPHA = 0.25


class PixelCriterion(Criterion):
    """Matches at the masks' own resolution, takes the losses at the images'. Draws nothing."""

    weights = {"ce": 1.0, "mask": 20.0, "dice": 1.0}

    @torch.no_grad()
    def cost(self, logits, masks, target):
        x = masks.flatten(1)
        t = F.interpolate(target.masks[None], size=masks.shape[-2:], mode="nearest")[0].flatten(1)
        s = x.sigmoid()
        ce = -logits.softmax(-1)[:, target.labels]
        inside = ALPHA * (1 - s) ** 2 * F.softplus(-x)
        outside = (1 - ALPHA) * s**2 * F.softplus(x)
        mask = (inside @ t.T + outside @ (1 - t).T) / x.shape[1]
        dice = 1 - (2 * s @ t.T + 1) / (s.sum(-1)[:, None] + t.sum(-1) + 1)
        return self.weights["ce"] * ce + self.weights["mask"] * mask + self.weights["dice"] * dice

    def mask_losses(self, masks, targets, pairs, num_masks):
        predicted = torch.cat([image[queries] for image, (queries, _) in zip(masks, pairs)])[:, None]
        t = torch.cat([target.masks[matched] for target, (_, matched) in zip(targets, pairs)]).flatten(1)
        size = targets[0].masks.shape[-2:]
        x = F.interpolate(predicted, size=size, mode="bilinear", align_corners=False).flatten(1)
        s = x.sigmoid()
        ce = F.binary_cross_entropy_with_logits(x, t, reduction="none")
        missed = s + t - 2 * s * t
        focal = ((ALPHA * t + (1 - ALPHA) * (1 - t)) * missed**2 * ce).mean(1).sum() / num_masks
        dice = (1 - (2 * (s * t).sum(1) + 1) / (s.sum(1) + t.sum(1) + 1)).sum() / num_masks
        return {"mask": focal, "dice": dice}
