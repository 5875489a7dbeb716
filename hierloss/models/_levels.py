"""The parts of a network that follow the levels of a hierarchy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hierloss._placed import Placed
from hierloss.hierarchy import Hierarchy


def level_columns(hierarchy: Hierarchy) -> list[Tensor]:
    """The columns of each level: the longest path from a root, so that parents come earlier."""
    levels = hierarchy.levels
    return [torch.from_numpy(np.flatnonzero(levels == h)) for h in range(hierarchy.depth + 1)]


def level_shares(hierarchy: Hierarchy, weight: Tensor | None) -> Tensor:
    """Weights with which a mean over all classes is the sum of the means over each level."""
    weight = torch.ones(len(hierarchy), device="cpu") if weight is None else weight
    shares = torch.zeros_like(weight)
    for columns in level_columns(hierarchy):
        if weight[columns].any():
            shares[columns] = weight[columns] * (len(hierarchy) / weight[columns].sum())
    return shares


class InColumnOrder(Placed):
    """Joins the scores of the levels, and puts the classes into the order of the hierarchy."""

    order: Tensor

    def __init__(self, hierarchy: Hierarchy) -> None:
        super().__init__()
        self.hold("order", torch.cat(level_columns(hierarchy)).argsort())

    def forward(self, parts: Sequence[Tensor]) -> Tensor:
        """`(*, n)` of one `(*, classes)` for each level."""
        joined = torch.cat(list(parts), -1)
        return joined.index_select(-1, self.held("order", joined.device))


class BatchNorm(nn.BatchNorm1d):
    """Batch norm over all leading dimensions of `(*, features)`.

    A single sample has no variance. In training it is normalised by the running statistics, as in
    evaluation, and leaves them as they are.
    """

    def forward(self, x: Tensor) -> Tensor:
        rows = x.reshape(-1, x.shape[-1])
        if self.training and len(rows) < 2:
            running = self.running_mean, self.running_var
            return F.batch_norm(rows, *running, self.weight, self.bias, eps=self.eps).view(x.shape)
        return super().forward(rows).view(x.shape)


class Dense(nn.Sequential):
    """A fully connected layer with ReLU, batch norm and dropout, as asked for."""

    def __init__(
        self, inputs: int, outputs: int, dropout: float, batch_norm: bool, *, relu: bool = True
    ) -> None:
        layers: list[nn.Module] = [nn.Linear(inputs, outputs)]
        if relu:
            layers.append(nn.ReLU())
        if batch_norm:
            layers.append(BatchNorm(outputs))
        if dropout:
            layers.append(nn.Dropout(dropout))
        super().__init__(*layers)


class LocalHeads(nn.Module):
    r"""One local output for each level: a transition to the level, then its classes.

    .. math:: A_L^h = \text{ReLU}(W_T^h A^h + b_T^h), \quad l^h = W_L^h A_L^h + b_L^h

    Nothing of it is shared between levels. Without `relu` the transition is linear.
    """

    def __init__(
        self,
        hierarchy: Hierarchy,
        inputs: int,
        hidden: int,
        *,
        dropout: float = 0.0,
        batch_norm: bool = False,
        relu: bool = True,
    ) -> None:
        super().__init__()
        sizes = [len(columns) for columns in level_columns(hierarchy)]
        self.transitions = nn.ModuleList(
            Dense(inputs, hidden, dropout, batch_norm, relu=relu) for _ in sizes
        )
        self.outputs = nn.ModuleList(nn.Linear(hidden, size) for size in sizes)
        self.in_column_order = InColumnOrder(hierarchy)

    def forward(self, states: Sequence[Tensor]) -> Tensor:
        """`(*, n)` logits of one `(*, inputs)` state for each level."""
        heads = zip(self.outputs, self.transitions, states, strict=True)
        local: Tensor = self.in_column_order([head(step(a)) for head, step, a in heads])
        return local


class Feedforward(nn.Module):
    r"""Layers that each see the layer before them and the features, one for each level.

    .. math:: A^1 = \phi(W^1 x + b^1), \quad A^h = \phi(W^h [A^{h-1}; x] + b^h)
    """

    def __init__(
        self, features: int, hidden: int, steps: int, *, dropout: float, batch_norm: bool
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            Dense(features + hidden * (step > 0), hidden, dropout, batch_norm)
            for step in range(steps)
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        """The state `(*, hidden)` after each layer."""
        states: list[Tensor] = []
        for layer in self.layers:
            states.append(layer(torch.cat([*states[-1:], x], -1)))
        return states
