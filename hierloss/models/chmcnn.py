"""C-HMCNN: a feed-forward network behind the max constraint."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from hierloss.hierarchy import Hierarchy
from hierloss.losses import HybridLoss, MCLoss
from hierloss.models.base import Model, Output, check_positive


class CHMCNN(Model):
    r"""Coherent hierarchical multi-label classification network, C-HMCNN(h).

    A network h of fully connected layers, each but the last followed by ReLU and dropout; trained
    with MCLoss, the prediction is :math:`\text{MCM}(\sigma(h(x)))`.

    Readings: MCLoss is a mean over samples and classes, as in the authors' code. They compute the
    constraint in float64 on probabilities; here it is exact on logits. Hidden size and epochs are
    theirs for each data set; the default is the size that they have most often.

    Args:
        hierarchy: As in `Model`.
        features: As in `Model`.
        hidden: Units of each hidden layer.
        layers: How many linear layers there are.
        dropout: Share of hidden units dropped in training.
        weight: As in `Model`.

    Example:
        >>> import torch
        >>> h = Hierarchy.from_paths(["a/b", "a/c"])
        >>> model = CHMCNN(h, 5, hidden=8)
        >>> h.is_coherent(model.predict(torch.randn(4, 5)))
        True

    References:
        Giunchiglia and Lukasiewicz, Coherent Hierarchical Multi-Label Classification Networks,
        2020, https://arxiv.org/abs/2010.10151
    """

    def __init__(
        self,
        hierarchy: Hierarchy,
        features: int,
        *,
        hidden: int = 500,
        layers: int = 3,
        dropout: float = 0.7,
        weight: Tensor | None = None,
    ) -> None:
        super().__init__(hierarchy, features, weight)
        check_positive("hidden", hidden)
        check_positive("layers", layers)
        sizes = [features, *[hidden] * (layers - 1)]
        body: list[nn.Module] = []
        for inputs, outputs in pairwise(sizes):
            body += [nn.Linear(inputs, outputs), nn.ReLU(), nn.Dropout(dropout)]
        self.network = nn.Sequential(*body, nn.Linear(sizes[-1], len(hierarchy)))
        self.loss: MCLoss | HybridLoss = MCLoss(hierarchy, weight=self.weight)

    def forward(self, x: Tensor) -> Output:
        return Output(self.network(x), None)

    def criterion(self, output: Output, target: Tensor) -> Tensor:
        loss: Tensor = self.loss(output.global_logits, target)
        return loss
