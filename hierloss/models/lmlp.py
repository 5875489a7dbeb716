"""HMC-LMLP: one small perceptron for each level, trained one after another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hierloss.hierarchy import Hierarchy
from hierloss.models._levels import InColumnOrder, level_columns, level_shares
from hierloss.models.base import Model, Output, Reduction, check_reduction
from hierloss.topology import Topology, from_rows, to_rows

Error = Literal["squared", "bce"]


class HMCLMLP(Model):
    r"""HMC-LMLP: hierarchical multi-label classification with local multi-layer perceptrons.

    One perceptron of one hidden layer for each level, logistic throughout. It sees the features
    and, below the first level, what the level above predicts:

    .. math::
        P^1 = \sigma(V^1 \sigma(U^1 x)), \quad
        P^h = \sigma(V^h \sigma(U^h [x; P^{h-1}]))

    The levels are trained one after another, so that there are as many stages as levels in which a
    class counts: in each only its own perceptron learns, and those above it are frozen.

    A class that is predicted without its superclasses is taken back. In a tree it falls to the
    lowest of its ancestors. In a DAG one path to a root is enough, whose other superclasses are
    predicted then: with :math:`q_j = \min(P_j, \max_{p \in \text{pa}(j)} q_p)` the prediction is
    :math:`\text{MCM}(q)`. This gives the sets of the paper at every threshold.

    Readings: levels are longest paths. The error is the authors' squared one, a mean over
    samples of the sum over the classes of the level. Sizes are those reported for FunCat, the last
    of them for all deeper levels. They train with plain back-propagation, sample by sample; Qi and
    Chelmis with Adam, as any of these systems.

    Args:
        hierarchy: As in `Model`.
        features: As in `Model`.
        hidden: Units of the hidden layers, in proportion to what the perceptron sees.
        error: "squared", or "bce" for the binary cross-entropy.
        enforce: Take back what is predicted without its superclasses.
        reduction: "batchmean" for the sum over the classes of a level, or "mean", as in `HLSTM`.
        weight: As in `Model`.

    Example:
        >>> import torch
        >>> h = Hierarchy.from_paths(["a/b", "a/c"])
        >>> model = HMCLMLP(h, 5)
        >>> model.stages
        2
        >>> model.start(1)
        >>> {name.rsplit(".", 2)[0] for name, p in model.named_parameters() if p.requires_grad}
        {'perceptrons.1'}

    References:
        Cerri, Barros and de Carvalho, Hierarchical multi-label classification using local neural
        networks, 2014, https://doi.org/10.1016/j.jcss.2013.03.007;
        Cerri, Barros, de Carvalho and Jin, Reduction strategies for hierarchical multi-label
        classification in protein function prediction, 2016,
        https://doi.org/10.1186/s12859-016-1232-1
    """

    def __init__(
        self,
        hierarchy: Hierarchy,
        features: int,
        *,
        hidden: Sequence[float] = (0.6, 0.5, 0.4, 0.3, 0.2, 0.1),
        error: Error = "squared",
        enforce: bool = True,
        reduction: Reduction = "batchmean",
        weight: Tensor | None = None,
    ) -> None:
        super().__init__(hierarchy, features, weight)
        if error not in get_args(Error):
            raise ValueError(f"expected an error of {get_args(Error)}, got {error!r}")
        check_reduction(reduction)
        if not hidden or min(hidden) <= 0:
            raise ValueError(f"expected hidden sizes above 0, got {hidden!r}")
        self.error = error
        self.reduction = reduction
        self.enforce = enforce
        sizes = [len(columns) for columns in level_columns(hierarchy)]
        self.perceptrons = nn.ModuleList(
            _perceptron(features + above, size, hidden[min(level, len(hidden) - 1)])
            for level, (above, size) in enumerate(zip([0, *sizes], sizes, strict=False))
        )
        shares = level_shares(hierarchy, self.weight)
        self.counts = [int((shares[columns] > 0).sum()) for columns in level_columns(hierarchy)]
        self.taught = [h for h, count in enumerate(self.counts) if count]
        self.stages = len(self.taught)
        self.in_column_order = InColumnOrder(hierarchy)
        self.start(0)

    def start(self, stage: int) -> None:
        super().start(stage)
        self.learner = self.taught[stage]
        for level, perceptron in enumerate(self.perceptrons):
            perceptron.requires_grad_(level == self.learner)

    def learned(self) -> Tensor:
        return self.constraint.topology.level == self.learner

    def forward(self, x: Tensor) -> Output:
        parts: list[Tensor] = []
        for perceptron in self.perceptrons:
            above = [part.detach().sigmoid() for part in parts[-1:]]
            parts.append(perceptron(torch.cat([x, *above], -1)))
        logits = self.in_column_order(parts)
        return Output(logits, logits)

    def criterion(self, output: Output, target: Tensor) -> Tensor:
        logits = output.global_logits
        target = self.judged_by(target, logits)
        y = (target == 1).to(logits.dtype)
        level = self.constraint.topology.on(logits.device).level
        share = (level == self.learner) & ((target == 0) | (target == 1))
        if self.weight is not None:
            share = share * self.weight
        mean = (self._cost(logits, y) * share).sum() / share.sum().clamp(min=1e-12)
        return mean if self.reduction == "mean" else mean * self.counts[self.learner]

    def raw(self, output: Output) -> Tensor:
        p = output.global_logits.sigmoid()
        if not self.enforce:
            return self.unheld(p, 0.0)  # what was not trained must not raise what is above it
        return widest_path(self.unheld(p, 1.0), self.constraint.topology)

    def probabilities(self, output: Output) -> Tensor:
        return self.coherent(output) if self.enforce else self.raw(output)

    def _cost(self, logits: Tensor, y: Tensor) -> Tensor:
        if self.error == "bce":
            return F.binary_cross_entropy_with_logits(logits, y, reduction="none")
        return (logits.sigmoid() - y).square()

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, error={self.error!r}, enforce={self.enforce}"


def widest_path(scores: Tensor, topology: Topology) -> Tensor:
    r"""The best way down to each class: the lowest score on it, and the highest of all ways.

    .. math:: q_j = \min(s_j, \max_{p \in \text{pa}(j)} q_p)

    In a tree that is LMC with ``closure=True``.
    """
    q = to_rows(scores)
    for table in topology.on(scores.device).rounds("ancestors"):
        own, parents = table[:, :1], table[:, 1:]
        above = q[parents].masked_fill((parents == own)[..., None], -torch.inf).amax(1)
        q = q.index_copy(0, own[:, 0], torch.minimum(q[own[:, 0]], above))
    return from_rows(q, scores.shape)


def _perceptron(inputs: int, outputs: int, share: float) -> nn.Module:
    """A perceptron whose weights and biases start uniform in (-0.1, 0.1)."""
    hidden = max(1, round(share * inputs))
    perceptron = nn.Sequential(nn.Linear(inputs, hidden), nn.Sigmoid(), nn.Linear(hidden, outputs))
    for parameter in perceptron.parameters():
        nn.init.uniform_(parameter, -0.1, 0.1)
    return perceptron
