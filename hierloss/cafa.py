r"""How good predictions are by the measures of CAFA, the contest in predicting protein functions.

At each threshold :math:`\tau` a sample i is given the classes :math:`P_i(\tau)` that score
:math:`\tau` or more; :math:`T_i` are its true ones. Both are closed upward: scores go through MCM
before. Only the samples with a true class that counts are judged, all of them weighing the same.

Every function takes scores and a target of `(samples, n)`, the hierarchy, and `classes`, a `(n,)`
bool tensor: the columns that count. CAFA leaves out the roots. Labels that are unknown, NaN or -1,
do not count. With `information`, `(n,)`, a class counts as much as its information accretion, and
one without any not at all.

References:
    Radivojac et al., A large-scale evaluation of computational protein function prediction, 2013,
    https://doi.org/10.1038/nmeth.2340;
    Clark and Radivojac, Information-theoretic evaluation of predicted ontological annotations,
    2013, https://doi.org/10.1093/bioinformatics/btt228
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from hierloss import _counts
from hierloss._counts import Average, check_average, ratio
from hierloss.hierarchy import Hierarchy
from hierloss.topology import flat

__all__ = ["Curve", "coverage", "curve", "fmax", "smin"]

# Entries that are counted at once; a few arrays of this size are all the memory it takes.
BLOCK = 1 << 22


class Curve(NamedTuple):
    r"""The measures of CAFA at ascending thresholds, `(thresholds,)` each.

    Attributes:
        thresholds: The thresholds.
        precision: The mean precision of the samples with a predicted class; 0 without any.
        recall: The mean recall of all samples.
        coverage: The share of samples with a predicted class.
        remaining: Remaining uncertainty, the mean information of true classes not predicted.
        misinformation: The mean information of predicted classes that are not true.
    """

    thresholds: Tensor
    precision: Tensor
    recall: Tensor
    coverage: Tensor
    remaining: Tensor
    misinformation: Tensor

    @classmethod
    def of(cls, sums: Tensor, thresholds: Tensor, average: Average = "macro") -> Curve:
        """The curve that sums over samples come to, as `hierloss_adapters.torchmetrics` has them.

        Args:
            sums: Of precision, recall, whether a class is predicted, the information of classes
                that are true and predicted, true only, predicted only, and 1: `(7, thresholds)`.
            thresholds: The thresholds.
            average: "macro" or "micro", as in `curve`.
        """
        precision, recall, covered, tp, remaining, misinformation, samples = sums
        if average == "macro":
            precision, recall = ratio(precision, covered), recall / samples
        else:
            precision, recall = ratio(tp, tp + misinformation), tp / (tp + remaining)
        means = (x / samples for x in (covered, remaining, misinformation))
        return cls(thresholds.to(sums), precision, recall, *means)

    @property
    def f(self) -> Tensor:
        """The harmonic mean of precision and recall."""
        return ratio(2 * self.precision * self.recall, self.precision + self.recall)

    @property
    def s(self) -> Tensor:
        """The semantic distance, from remaining uncertainty and misinformation."""
        return torch.hypot(self.remaining, self.misinformation)


def curve(
    scores: Tensor,
    target: Tensor,
    hierarchy: Hierarchy,
    classes: Tensor | None = None,
    *,
    information: Tensor | None = None,
    thresholds: Tensor | None = None,
    average: Average = "macro",
) -> Curve:
    r"""The measures of CAFA at each threshold.

    .. math::
        \text{pr}(\tau) = \frac{1}{m(\tau)} \sum_{i: P_i(\tau) \neq \emptyset}
            \frac{|P_i(\tau) \cap T_i|}{|P_i(\tau)|}, \quad
        \text{rc}(\tau) = \frac{1}{N} \sum_i \frac{|P_i(\tau) \cap T_i|}{|T_i|}

    .. math::
        \text{ru}(\tau) = \frac{1}{N} \sum_i |T_i \setminus P_i(\tau)|, \quad
        \text{mi}(\tau) = \frac{1}{N} \sum_i |P_i(\tau) \setminus T_i|

    with :math:`|\cdot|` the number of classes, or their information, N the number of samples, and
    :math:`m(\tau)` that of samples with a predicted class.

    Args:
        scores: Probabilities; any scores, if thresholds for them are given.
        target: 0 and 1, NaN or -1 for unknown.
        hierarchy: The hierarchy of the classes.
        classes: The columns that count; all by default.
        information: Information accretion of each class, 0 or more; each counts 1 by default.
        thresholds: Ascending, by default 0.01, 0.02, ..., 0.99. They are rounded to the type of the
            scores, so that a score of 0.3 reaches a threshold of 0.3.
        average: "macro" as above, or "micro": precision and recall of all pairs together.

    Shape:
        `scores` and `target` are `(*, n)`, `classes` and `information` `(n,)`.

    Example:
        >>> h = Hierarchy.from_paths(["a/b", "a/c"])
        >>> scores = torch.tensor([[0.9, 0.6, 0.4]])
        >>> found = curve(scores, h.encode([["a/c"]]), h, thresholds=torch.tensor([0.3, 0.5]))
        >>> found.precision.tolist(), found.recall.tolist()
        ([0.666..., 0.5], [1.0, 0.5])
    """
    check_average(average)
    target = _counts.alike(scores, target)
    grid = _counts.grid(thresholds)
    if information is not None:
        _counts.check_information(information, len(hierarchy))
    step = max(1, BLOCK // len(hierarchy))
    rows = zip(*(torch.split(flat(x), step) for x in (scores, target)), strict=True)
    sums = [_counts.by_threshold(x, y, hierarchy, grid, classes, information) for x, y in rows]
    if thresholds is None:
        _counts.check_probabilities(scores)
    return Curve.of(torch.stack(sums).sum(0), grid, average)


def fmax(
    scores: Tensor,
    target: Tensor,
    hierarchy: Hierarchy,
    classes: Tensor | None = None,
    *,
    information: Tensor | None = None,
    thresholds: Tensor | None = None,
    average: Average = "macro",
) -> float:
    r"""The largest F over the thresholds; with `information`, weighted Fmax.

    .. math::
        F_{\max} = \max_\tau \frac{2\, \text{pr}(\tau)\, \text{rc}(\tau)}
            {\text{pr}(\tau) + \text{rc}(\tau)}

    It is NaN where nothing is positive. Arguments and shapes are those of `curve`.

    Example:
        >>> h = Hierarchy.from_paths(["a/b", "a/c"])
        >>> fmax(torch.tensor([[0.9, 0.6, 0.4]]), h.encode([["a/c"]]), h)
        0.8
    """
    found = curve(
        scores,
        target,
        hierarchy,
        classes,
        information=information,
        thresholds=thresholds,
        average=average,
    )
    return float(found.f.max())


def smin(
    scores: Tensor,
    target: Tensor,
    hierarchy: Hierarchy,
    classes: Tensor | None = None,
    *,
    information: Tensor,
    thresholds: Tensor | None = None,
) -> float:
    r"""The smallest semantic distance over the thresholds.

    .. math:: S_{\min} = \min_\tau \sqrt{\text{ru}(\tau)^2 + \text{mi}(\tau)^2}

    It is NaN where nothing is positive. Arguments and shapes are those of `curve`.

    Example:
        >>> h = Hierarchy.from_paths(["a/b", "a/c"])
        >>> information = torch.tensor([0.0, 1.0, 2.0])
        >>> smin(torch.tensor([[0.9, 0.6, 0.4]]), h.encode([["a/c"]]), h, information=information)
        1.0
    """
    found = curve(
        scores, target, hierarchy, classes, information=information, thresholds=thresholds
    )
    return float(found.s.min())


def coverage(
    scores: Tensor,
    target: Tensor,
    hierarchy: Hierarchy,
    classes: Tensor | None = None,
    *,
    threshold: float = 0.5,
) -> float:
    """The share of samples for which a class is predicted at a threshold.

    It is NaN where nothing is positive. Arguments and shapes are those of `curve`.

    Example:
        >>> h = Hierarchy.from_paths(["a/b", "a/c"])
        >>> scores = torch.tensor([[0.9, 0.6, 0.4], [0.4, 0.3, 0.3]])
        >>> coverage(scores, h.encode([["a/c"], ["a"]]), h)
        0.5
    """
    at = torch.tensor([threshold], dtype=torch.float64)
    return float(curve(scores, target, hierarchy, classes, thresholds=at).coverage)
