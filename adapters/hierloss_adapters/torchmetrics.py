"""Metrics of TorchMetrics: fed batch by batch, on any device, summed up over processes.

Each has the value of a function of `hierloss.metrics` or `hierloss.cafa` for all samples seen.
Every `update` takes scores and a target of `(*, n)`. Scores are probabilities, unless a threshold
for other scores is given. Labels that are unknown, NaN or -1, do not count. `classes`, an `(n,)`
bool tensor, says which columns count. Other options are those of `torchmetrics.Metric`.

What is kept are sums, counts in int64 and others in float64, or float32 on MPS, which has nothing
wider: a module that is cast to half precision leaves its metrics as they are. Values are float32,
or what `set_dtype` says.
"""

from __future__ import annotations

import math
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from hierloss import Hierarchy, _counts
from hierloss_adapters._cafa_metrics import Coverage, Fmax, Smin
from hierloss_adapters._counter import Counter, checked

__all__ = [
    "Coverage",
    "Fmax",
    "HierarchicalF",
    "HierarchicalPrecision",
    "HierarchicalRecall",
    "PooledAveragePrecision",
    "Smin",
    "ViolationRate",
]

Shares = Literal["micro", "macro", "level"]


class PooledAveragePrecision(Counter):
    """AU(PRC) as in C-HMCNN: the average precision of all pairs of a sample and a class.

    See `hierloss.metrics.average_precision`. Without thresholds it is exact, and the scores of all
    pairs are kept. With them only counts are, and it is that of
    `torchmetrics.classification.BinaryAveragePrecision` with these thresholds: what scores below
    the lowest is never reached. It is NaN where nothing is positive.

    Args:
        thresholds: None for the exact value; ascending thresholds, or a number of them from 0 to 1.
        classes: The columns that count; all by default.
        **kwargs: Options of `torchmetrics.Metric`.

    Raises:
        ValueError: Scores are NaN, or no probabilities where thresholds are given by their number.

    Example:
        >>> metric = PooledAveragePrecision()
        >>> metric.update(torch.tensor([[0.9, 0.8, 0.7, 0.6]]), torch.tensor([[1, 0, 1, 1]]))
        >>> metric.update(torch.tensor([[0.55, 0.5, 0.4, 0.1]]), torch.tensor([[0, 0, 1, 0]]))
        >>> metric.compute()
        tensor(0.7470)
    """

    positive: Any
    negative: Any
    bins: Tensor

    def __init__(
        self,
        *,
        thresholds: int | Tensor | None = None,
        classes: Tensor | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(classes, thresholds, **kwargs)
        self.probabilities = isinstance(thresholds, int)
        if isinstance(thresholds, int):
            thresholds = torch.linspace(0, 1, _checked_number(thresholds))
        found = None if thresholds is None else _counts.grid(thresholds)
        self.thresholds = found
        if found is None:
            self.add_state("positive", [], "cat")
            self.add_state("negative", [], "cat")
        else:
            self.add_state("bins", torch.zeros(2, len(found) + 1, dtype=torch.int64), "sum")

    def update(self, scores: Tensor, target: Tensor) -> None:
        """Count a batch."""
        score, positive = _counts.pairs(scores, target, self.classes)
        if self.probabilities:
            _counts.check_probabilities(score)
        if self.thresholds is not None:
            self.bins = self.bins + _counts.reached(score, positive, self.thresholds)
            return
        score = score if score.dtype == torch.float64 else score.float()
        self.positive.append(score[positive])
        self.negative.append(score[~positive])

    def compute(self) -> Tensor:
        """The average precision of all batches."""
        if self.thresholds is not None:
            return _counts.binned_area(self.bins).to(self.dtype)
        positive, negative = (_joined(x, self.device) for x in (self.positive, self.negative))
        return _counts.exact_area(positive, negative).to(self.dtype)


class ViolationRate(Counter):
    """The share of pairs of a sample and an edge whose child scores above its parent.

    See `hierloss.metrics.violation_rate`. It is 0 without edges. A target is not needed, and may be
    given so that the metric fits into a `torchmetrics.MetricCollection`.

    Args:
        hierarchy: The hierarchy of the classes.
        classes: The columns that count; an edge does if both its classes do. All by default.
        **kwargs: Options of `torchmetrics.Metric`.

    Example:
        >>> h = Hierarchy.from_paths(["a/b", "a/c"])
        >>> metric = ViolationRate(h)
        >>> metric(torch.tensor([[0.5, 0.7, 0.2]]))
        tensor(0.5000)
    """

    higher_is_better = False
    violated: Tensor
    edges: Tensor

    def __init__(
        self, hierarchy: Hierarchy, *, classes: Tensor | None = None, **kwargs: Any
    ) -> None:
        super().__init__(checked(hierarchy, classes), hierarchy, **kwargs)
        self.hierarchy = hierarchy
        self.add_state("violated", torch.tensor(0), "sum")
        self.add_state("edges", torch.tensor(0), "sum")

    def update(self, scores: Tensor, target: Tensor | None = None) -> None:
        """Count a batch."""
        found = _counts.violations(scores, self.hierarchy, self.classes)
        self.violated = self.violated + found.sum()
        self.edges = self.edges + found.numel()

    def compute(self) -> Tensor:
        """The share of all batches."""
        violated, edges = _counts.wide(self.violated), _counts.wide(self.edges)
        return _counts.ratio(violated, edges).to(self.dtype)


class _Sets(Counter):
    """Sums over sets of classes that are predicted, true, or both."""

    sums: Tensor
    samples: Tensor

    def __init__(
        self,
        hierarchy: Hierarchy,
        *,
        threshold: float = 0.5,
        average: Shares = "micro",
        beta: float = 1.0,
        classes: Tensor | None = None,
        **kwargs: Any,
    ) -> None:
        if average not in get_args(Shares):
            raise ValueError(f"expected an average of {get_args(Shares)}, got {average!r}")
        if not 0 <= beta < math.inf:
            raise ValueError(f"expected a beta of 0 or more, got {beta!r}")
        super().__init__(checked(hierarchy, classes), hierarchy, threshold, average, beta, **kwargs)
        self.hierarchy = hierarchy
        self.threshold = threshold
        self.average: Shares = average
        self.beta = beta
        columns = hierarchy.depth + 1 if average == "level" else 1
        dtype = torch.float64 if average == "macro" else torch.int64
        self.add_state("sums", torch.zeros(3, columns, dtype=dtype), "sum")
        self.add_state("samples", torch.tensor(0), "sum")

    def update(self, scores: Tensor, target: Tensor) -> None:
        """Count a batch."""
        _counts.pairs(scores, target, self.classes)  # raises if a score that counts is NaN
        sets = _counts.sets(scores > self.threshold, target, self.hierarchy, self.classes)
        if self.average == "level":
            sums = _counts.by_level(sets, self.hierarchy)
        else:
            sums = [x.sum(1, keepdim=True) for x in sets]
        if self.average == "macro":
            sums = _counts.precision_recall_f(sums, self.beta)
        if self.average != "level":
            sums = [x.sum(0) for x in sums]
        self.sums = self.sums + torch.stack(sums).to(self.sums)
        self.samples = self.samples + len(sets[0])

    def _scores(self) -> Tensor:
        """Precision, recall and F."""
        if self.average == "macro":
            return self.sums[:, 0] / self.samples.clamp(min=1)
        return torch.stack(_counts.precision_recall_f(self.sums, self.beta)).squeeze(1)


class HierarchicalPrecision(_Sets):
    """Hierarchical precision: the share of predicted classes that are true.

    What scores above the threshold is predicted, with all its ancestors. See
    `hierloss.metrics.hierarchical_scores`, and `hierloss.metrics.level_scores` for "level". Where
    nothing is predicted it is 0.

    Args:
        hierarchy: The hierarchy of the classes.
        threshold: Scores above it predict; 0 for logits.
        average: "micro", over all samples together; "macro", the mean over samples; or "level", one
            value for each level, `(depth + 1,)`.
        beta: How much more recall counts in `HierarchicalF`.
        classes: The columns that count; all by default.
        **kwargs: Options of `torchmetrics.Metric`.

    Raises:
        ValueError: Scores are NaN.

    Example:
        >>> h = Hierarchy.from_paths(["a/b", "a/c"])
        >>> metric = HierarchicalPrecision(h)
        >>> metric(torch.tensor([[0.9, 0.8, 0.3]]), h.encode([["a/c"]]))
        tensor(0.5000)
    """

    def compute(self) -> Tensor:
        """The precision of all batches."""
        return self._scores()[0].to(self.dtype)


class HierarchicalRecall(_Sets):
    """Hierarchical recall: the share of true classes that are predicted.

    Arguments are those of `HierarchicalPrecision`.

    Example:
        >>> h = Hierarchy.from_paths(["a/b", "a/c"])
        >>> metric = HierarchicalRecall(h, average="level")
        >>> metric(torch.tensor([[0.9, 0.8, 0.3]]), h.encode([["a/c"]]))
        tensor([1., 0.])
    """

    def compute(self) -> Tensor:
        """The recall of all batches."""
        return self._scores()[1].to(self.dtype)


class HierarchicalF(_Sets):
    """Hierarchical F: the weighted harmonic mean of precision and recall.

    Arguments are those of `HierarchicalPrecision`.

    Example:
        >>> h = Hierarchy.from_paths(["a/b", "a/c"])
        >>> metric = HierarchicalF(h)
        >>> metric(torch.tensor([[0.9, 0.8, 0.3]]), h.encode([["a/c"]]))
        tensor(0.5000)
    """

    def compute(self) -> Tensor:
        """The F of all batches."""
        return self._scores()[2].to(self.dtype)


def _checked_number(thresholds: int) -> int:
    if thresholds < 2:
        raise ValueError(f"expected 2 thresholds or more, got {thresholds}")
    return thresholds


def _joined(state: Any, device: torch.device) -> Tensor:
    """The scores of all batches; a list before processes exchange it, a tensor after."""
    if isinstance(state, Tensor):
        return state
    return torch.cat([torch.zeros(0, device=device), *state])
