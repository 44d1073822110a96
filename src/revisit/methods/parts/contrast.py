"""Losses that compare features of views of the same sample, in float32 whatever the features are in."""

import torch
import torch.nn.functional as F
from torch import Tensor

from revisit.methods.parts import ranks


def negative_cosine(prediction: Tensor, target: Tensor) -> Tensor:
    """Minus the cosine of rows [B, D], mean over B; no gradient flows to ``target`` (SimSiam, eq. 1)."""
    return -F.cosine_similarity(prediction.float(), target.detach().float(), dim=1).mean()


def info_nce(query: Tensor, positive: Tensor, negatives: Tensor, temperature: float) -> Tensor:
    """Cross-entropy of each query's positive against the negatives, mean over queries (MoCo, eq. 1).

    ``query``, ``positive`` [B, D] and ``negatives`` [K, D], L2-normalised.
    """
    alike = (query * positive).sum(1, keepdim=True)
    logits = torch.cat([alike, query @ negatives.T], 1).float() / temperature
    return F.cross_entropy(logits, torch.zeros(len(query), dtype=torch.int64, device=query.device))


def nt_xent(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    """Cross-entropy of each view's partner against all other views, mean over 2B views (SimCLR, eq. 1).

    ``first``, ``second`` [B, D]: two views of each sample, L2-normalised. Of the 2B - 1 candidates one is the
    partner. Several processes have the views of all as candidates; the mean of their losses has the value and
    the gradient of one process with the whole batch.
    """
    own = torch.cat([first, second]).float()
    count = len(own)
    numbers = torch.arange(count, device=own.device)
    here = ranks.rank() * count  # of all processes' views, the first that is own
    with torch.autocast(own.device.type, enabled=False):  # rounded to bfloat16, a cosine is off by 0.004
        logits = own @ ranks.gather_learning(own).T / temperature
    itself = F.one_hot(here + numbers, logits.shape[1]).bool()
    partner = here + numbers.roll(len(first))
    return F.cross_entropy(logits.masked_fill(itself, -torch.inf), partner)


def distillation(
    student: list[Tensor], teacher: list[Tensor], student_temperature: float, teacher_temperature: float
) -> Tensor:
    """Cross-entropy of the student's view s with the teacher's view t, mean over B and all s unlike t (DINO).

    Logits [B, K] of each view, the teacher's centred; its views are the first of the student's.
    """
    wanted = [(logits.float() / teacher_temperature).softmax(-1).detach() for logits in teacher]
    found = [(logits.float() / student_temperature).log_softmax(-1) for logits in student]
    pairs = [
        -(target * guess).sum(-1).mean()
        for t, target in enumerate(wanted)
        for s, guess in enumerate(found)
        if s != t
    ]
    return torch.stack(pairs).mean()
