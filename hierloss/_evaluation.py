"""How good a trained model is on samples with known classes."""

from __future__ import annotations

from typing import NamedTuple

import torch

from hierloss.checkpoint import Checkpoint
from hierloss.metrics import (
    average_precision,
    hierarchical_scores,
    interpolated_auprc,
    violation_rate,
)
from hierloss.models.base import check_share
from hierloss.samples import Samples


class Evaluation(NamedTuple):
    """What `evaluate` returns.

    Attributes:
        rows: How many samples there are.
        classes: How many classes count: those that the model predicts.
        positive_classes: How many of them have a sample.
        auprc: AU(PRC) as in C-HMCNN, see `hierloss.metrics.average_precision`.
        auprc_clus: AU(PRC) as in Clus, see `hierloss.metrics.interpolated_auprc`.
        threshold: The least probability of a predicted class.
        precision: Hierarchical precision at this threshold.
        recall: Hierarchical recall.
        f: Their F.
        violation_rate: The share of edges whose child is likelier than its parent.
    """

    rows: int
    classes: int
    positive_classes: int
    auprc: float
    auprc_clus: float
    threshold: float
    precision: float
    recall: float
    f: float
    violation_rate: float


def evaluate(
    checkpoint: Checkpoint, samples: Samples, *, threshold: float = 0.5, block: int = 1024
) -> Evaluation:
    """Judge the coherent probabilities that a model predicts.

    Args:
        checkpoint: The model.
        samples: Samples with the features and the hierarchy of the model.
        threshold: The least probability of a predicted class.
        block: Samples at a time.

    Raises:
        ValueError: A threshold that is none, or no sample has a class that counts.
    """
    check_share("threshold", threshold)
    h, y = samples.hierarchy, samples.target
    columns = torch.tensor([h.index(x) for x in checkpoint.classes])
    classes = torch.zeros(len(h), dtype=torch.bool).index_fill(0, columns, True)
    positive = (y == 1).any(0) & classes
    if not positive.any():
        raise ValueError("expected samples with classes to judge by, got none; label some")
    n = len(samples.features)
    p = torch.zeros(n, len(h))
    for i in range(0, n, block):
        rows = range(i + 1, min(i + block, n) + 1)
        p[i : i + block, columns] = checkpoint.predict(samples.features[i : i + block], rows)
    return Evaluation(
        n,
        len(columns),
        int(positive.sum()),
        average_precision(p, y, classes),
        interpolated_auprc(p, y, classes),
        threshold,
        *hierarchical_scores(p >= threshold, y, h, classes),
        violation_rate(p, h, classes),
    )
