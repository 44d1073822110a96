"""The loss of segmentation networks.

Source: the Swin-Unet code (0.4 cross-entropy + 0.6 Dice).
"""

import torch.nn.functional as F
from torch import Tensor

from revisit.evaluation.metrics import IGNORE


def segmentation_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """0.4 cross-entropy + 0.6 Dice over the labelled pixels; 0 (with a gradient) where there are none.

    ``logits`` (sample, class, y, x), ``labels`` (sample, y, x) integer with ``IGNORE``. Dice is
    1 - (2 Σpq + ε) / (Σp² + Σq² + ε), summed over the batch, averaged over classes.
    """
    logits, labels = logits.float(), labels.long()
    valid = labels != IGNORE
    entropy = F.cross_entropy(logits, labels, ignore_index=IGNORE, reduction="sum") / valid.sum().clamp(min=1)
    target = F.one_hot(labels.where(valid, 0), logits.shape[1]).movedim(-1, 1) * valid[:, None]
    share = logits.softmax(1) * valid[:, None]
    over = (0, 2, 3)
    smooth = 1e-5
    overlap = 2 * (share * target).sum(over) + smooth
    dice = 1 - (overlap / (share.square().sum(over) + target.sum(over) + smooth)).mean()
    return 0.4 * entropy + 0.6 * dice
