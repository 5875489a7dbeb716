"""MLP: a feed-forward network trained with the hybrid loss."""

from __future__ import annotations

import torch
from torch import Tensor

from hierloss.hierarchy import Hierarchy
from hierloss.losses import HybridLoss
from hierloss.models.base import Output
from hierloss.models.chmcnn import CHMCNN


class MLP(CHMCNN):
    """A feed-forward network trained with HybridLoss.

    It is the network of `CHMCNN` with another loss, and none of the paper's systems: the plainest
    way to the hybrid loss.

    Args:
        hierarchy: As in `Model`.
        features: As in `Model`.
        hidden: Units of each hidden layer.
        layers: How many linear layers there are.
        dropout: Share of hidden units dropped in training.
        balance: The share of MCLoss.
        weight: As in `Model`.

    Example:
        >>> import torch
        >>> h = Hierarchy.from_paths(["a/b", "a/c"])
        >>> h.is_coherent(MLP(h, 5, hidden=8).predict(torch.randn(4, 5)))
        True
    """

    def __init__(
        self,
        hierarchy: Hierarchy,
        features: int,
        *,
        hidden: int = 256,
        layers: int = 3,
        dropout: float = 0.5,
        balance: float = 0.5,
        weight: Tensor | None = None,
    ) -> None:
        super().__init__(
            hierarchy, features, hidden=hidden, layers=layers, dropout=dropout, weight=weight
        )
        self.loss = HybridLoss(hierarchy, balance=balance, weight=self.weight)

    def criterion(self, output: Output, target: Tensor) -> Tensor:
        logits = output.global_logits
        local = None if self.weight is None else self.unheld(logits, torch.inf)
        loss: Tensor = self.loss(logits, target, local_input=local)
        return loss
