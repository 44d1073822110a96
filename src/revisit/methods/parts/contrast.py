"""Losses that compare features of views of the same sample, in float32 whatever the features are in."""

import torch
import torch.nn.functional as F
from torch import Tensor


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
