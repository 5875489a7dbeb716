"""The measures of CAFA as metrics of TorchMetrics."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from hierloss import Hierarchy, _counts
from hierloss._counts import Average, check_average
from hierloss.cafa import Curve
from hierloss_adapters._counter import Counter, checked


class _Thresholds(Counter):
    """Sums over samples at each threshold."""

    sums: Tensor

    def __init__(
        self,
        hierarchy: Hierarchy,
        information: Tensor | None,
        thresholds: Tensor | None,
        classes: Tensor | None,
        **kwargs: Any,
    ) -> None:
        super().__init__(checked(hierarchy, classes), hierarchy, information, thresholds, **kwargs)
        self.hierarchy = hierarchy
        self.probabilities = thresholds is None
        if information is not None:
            information = _counts.check_information(information, len(hierarchy))
        self.information = information
        self.thresholds = _counts.grid(thresholds)
        sums = torch.zeros(7, len(self.thresholds), dtype=torch.float64)
        self.add_state("sums", sums, "sum")

    def update(self, scores: Tensor, target: Tensor) -> None:
        """Count a batch."""
        target = _counts.alike(scores, target)
        if self.probabilities:
            _counts.check_probabilities(scores)
        sums = _counts.by_threshold(
            scores, target, self.hierarchy, self.thresholds, self.classes, self.information
        )
        self.sums = self.sums + sums.to(self.sums)

    def _curve(self, average: Average = "macro") -> Curve:
        return Curve.of(self.sums, self.thresholds, average)


class Fmax(_Thresholds):
    """The largest F over the thresholds, as in CAFA; with information, weighted Fmax.

    See `hierloss.cafa.fmax`. It is NaN where nothing is positive.

    Args:
        hierarchy: The hierarchy of the classes.
        information: Information accretion of each class, `(n,)`; each counts 1 by default.
        thresholds: Ascending, by default 0.01, 0.02, ..., 0.99.
        average: "macro", as in CAFA, or "micro".
        classes: The columns that count; all by default.
        **kwargs: Options of `torchmetrics.Metric`.

    Raises:
        ValueError: Scores are NaN, or no probabilities where no thresholds are given.

    Example:
        >>> h = Hierarchy.from_paths(["a/b", "a/c"])
        >>> metric = Fmax(h)
        >>> metric(torch.tensor([[0.9, 0.6, 0.4]]), h.encode([["a/c"]]))
        tensor(0.8000)
    """

    def __init__(
        self,
        hierarchy: Hierarchy,
        *,
        information: Tensor | None = None,
        thresholds: Tensor | None = None,
        average: Average = "macro",
        classes: Tensor | None = None,
        **kwargs: Any,
    ) -> None:
        check_average(average)
        super().__init__(hierarchy, information, thresholds, classes, **kwargs)
        self.average: Average = average

    def compute(self) -> Tensor:
        """The largest F of all batches."""
        return self._curve(self.average).f.max().to(self.dtype)


class Smin(_Thresholds):
    """The smallest semantic distance over the thresholds, as in CAFA.

    See `hierloss.cafa.smin`. It is NaN where nothing is positive. Arguments are those of `Fmax`.

    Example:
        >>> h = Hierarchy.from_paths(["a/b", "a/c"])
        >>> metric = Smin(h, torch.tensor([0.0, 1.0, 2.0]))
        >>> metric(torch.tensor([[0.9, 0.6, 0.4]]), h.encode([["a/c"]]))
        tensor(1.)
    """

    higher_is_better = False
    plot_upper_bound = None

    def __init__(
        self,
        hierarchy: Hierarchy,
        information: Tensor,
        *,
        thresholds: Tensor | None = None,
        classes: Tensor | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(hierarchy, information, thresholds, classes, **kwargs)

    def compute(self) -> Tensor:
        """The smallest distance of all batches."""
        return self._curve().s.min().to(self.dtype)


class Coverage(_Thresholds):
    """The share of samples for which a class is predicted at a threshold, as in CAFA.

    See `hierloss.cafa.coverage`. It is NaN where nothing is positive.

    Args:
        hierarchy: The hierarchy of the classes.
        threshold: Scores of it or above predict.
        classes: The columns that count; all by default.
        **kwargs: Options of `torchmetrics.Metric`.

    Example:
        >>> h = Hierarchy.from_paths(["a/b", "a/c"])
        >>> metric = Coverage(h)
        >>> metric(torch.tensor([[0.9, 0.6, 0.4], [0.4, 0.3, 0.3]]), h.encode([["a/c"], ["a"]]))
        tensor(0.5000)
    """

    def __init__(
        self,
        hierarchy: Hierarchy,
        *,
        threshold: float = 0.5,
        classes: Tensor | None = None,
        **kwargs: Any,
    ) -> None:
        thresholds = torch.tensor([threshold], dtype=torch.float64)
        super().__init__(hierarchy, None, thresholds, classes, **kwargs)

    def compute(self) -> Tensor:
        """The share of all batches."""
        return self._curve().coverage.to(self.dtype)
