"""Predictions as tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hierloss.checkpoint import Checkpoint
from hierloss.models.base import check_share
from hierloss.samples import Block

__all__ = ["chosen", "tables"]


def tables(
    checkpoint: Checkpoint,
    blocks: Iterable[Block],
    *,
    id: str = "row",
    threshold: float | None = None,
    top: int | None = None,
) -> Iterator[dict[str, Any]]:
    """The predictions for some samples after others, as columns of a table.

    Without a threshold and a number there is a row for each sample, and a column for each class.
    With them there is a row for each sample and predicted class, with its probability. What is
    predicted is closed upward.

    Args:
        checkpoint: The model.
        blocks: The features of the samples.
        id: What the column is called that names them.
        threshold: The least probability.
        top: The greatest number of classes of a sample.

    Raises:
        ValueError: A threshold or a top that is none, an id called as another column of the table,
            or features so large that nothing follows.
    """
    if threshold is not None:
        check_share("threshold", threshold)
    if top is not None and top < 1:
        raise ValueError(f"expected a top of 1 or more, got {top}")
    classes = checkpoint.classes
    long = threshold is not None or top is not None
    if id in (("class", "probability") if long else classes):
        raise ValueError(
            f"expected a column of ids with a name of its own, got {id!r}, which the table has for "
            "something else; name the rows by another column"
        )
    for block in blocks:
        p = checkpoint.predict(block.features, block.ids)
        if not long:
            yield {id: block.ids, **dict(zip(classes, p.T.numpy(), strict=True))}
            continue
        sample, column = chosen(p, _levels(checkpoint), threshold, top)
        yield {
            id: [block.ids[i] for i in sample.tolist()],
            "class": [classes[j] for j in column.tolist()],
            "probability": p[sample, column].numpy(),
        }


def chosen(
    p: Tensor, levels: Tensor, threshold: float | None = None, top: int | None = None
) -> tuple[Tensor, Tensor]:
    """The samples and columns of the classes that are predicted, the likeliest of a sample first.

    Of equal probabilities the one at the earlier level comes first, so that no class is chosen
    without its parents.

    Shape:
        `p` is `(samples, n)`, `levels` `(n,)`, and the result two of `(predictions,)`.

    Example:
        >>> chosen(torch.tensor([[0.9, 0.6, 0.6]]), torch.tensor([0, 2, 1]), top=2)
        (tensor([0, 0]), tensor([0, 2]))
    """
    by_level = levels.argsort(stable=True)
    order = by_level[p[:, by_level].argsort(dim=1, descending=True, stable=True)]
    kept = torch.ones_like(order, dtype=torch.bool)
    if threshold is not None:
        kept = p.gather(1, order) >= threshold
    if top is not None:
        kept[:, top:] = False
    sample, place = kept.nonzero(as_tuple=True)
    return sample, order[sample, place]


def _levels(checkpoint: Checkpoint) -> Tensor:
    h = checkpoint.model.hierarchy
    return torch.tensor(np.asarray(h.levels)[[h.index(x) for x in checkpoint.classes]])
