"""How good scores are: areas under precision-recall curves, coherence, hierarchical F.

Every function takes scores or predictions of `(samples, n)` first and the target second. `classes`
says which columns count, a `(n,)` bool tensor; artificial roots are left out with it. Labels that
are unknown do not count: NaN in a floating target, -1 in one of integers.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hierloss import _counts
from hierloss._counts import Average, check_average, check_beta
from hierloss.hierarchy import Hierarchy
from hierloss.topology import dense, flat

__all__ = [
    "HierarchicalScores",
    "average_precision",
    "hierarchical_scores",
    "interpolated_auprc",
    "level_scores",
    "violation_rate",
]


class HierarchicalScores(NamedTuple):
    """Hierarchical precision, recall and their F.

    Attributes:
        precision: The share of predicted classes that are true.
        recall: The share of true classes that are predicted.
        f: Their weighted harmonic mean.
    """

    precision: float
    recall: float
    f: float


def average_precision(scores: Tensor, target: Tensor, classes: Tensor | None = None) -> float:
    r"""AU(PRC) as in C-HMCNN: the average precision of all pairs of a sample and a class.

    .. math:: \text{AP} = \sum_n (R_n - R_{n-1}) P_n

    over the thresholds n, from the highest score down, without interpolation; equal scores are one
    threshold. It equals scikit-learn's micro average, and takes less time and memory. A class
    without positives counts with its negatives. The result is NaN where nothing is positive.

    Args:
        scores: Logits or probabilities.
        target: 0 and 1, NaN or -1 for unknown.
        classes: The columns that count; all by default.

    Shape:
        `scores` and `target` are `(*, n)`, `classes` is `(n,)`.

    Example:
        >>> y = torch.tensor([[1, 0, 1, 1], [0, 0, 1, 0]])
        >>> s = torch.tensor([[0.9, 0.8, 0.7, 0.6], [0.55, 0.5, 0.4, 0.1]])
        >>> round(average_precision(s, y), 4)
        0.747

    References:
        Giunchiglia and Lukasiewicz, Coherent Hierarchical Multi-Label Classification Networks,
        2020, https://arxiv.org/abs/2010.10151
    """
    score, positive = _counts.pairs(scores, target, classes)
    score = score if score.dtype == torch.float64 else score.float()
    return float(_counts.exact_area(score[positive], score[~positive]))


def interpolated_auprc(scores: Tensor, target: Tensor, classes: Tensor | None = None) -> float:
    r"""AU(PRC) as in Clus: the area under the interpolated curve of all pairs.

    Classes without a positive are left out. Between thresholds the curve is interpolated at every
    number of true positives, with false positives growing in proportion to them; the area is that
    of the trapezoids. From recall 0 to the first positive it is level, or, where a negative scores
    above all positives, rises from precision 0. On coarse scores, such as those of ensembles of
    trees, the result may be far above `average_precision`. It is NaN where nothing is positive.

    Arguments and shapes are those of `average_precision`.

    Example:
        >>> y = torch.tensor([[1, 0, 1, 1, 0, 0, 1, 0]]).T
        >>> s = torch.tensor([[0.9, 0.8, 0.7, 0.6, 0.55, 0.5, 0.4, 0.1]]).T
        >>> round(interpolated_auprc(s, y), 4)
        0.7068

    References:
        Vens, Struyf, Schietgat, Džeroski and Blockeel, Decision trees for hierarchical multi-label
        classification, 2008, https://doi.org/10.1007/s10994-008-5077-3;
        Davis and Goadrich, The relationship between precision-recall and ROC curves, 2006,
        https://doi.org/10.1145/1143844.1143874
    """
    counted = flat(dense(target, "a target") == 1).any(0)
    if classes is not None:
        counted &= _counts.checked_classes(classes, len(counted)).to(counted.device)
    score, positive = (x.cpu() for x in _counts.pairs(scores, target, counted))
    if not positive.any():
        return float("nan")
    return _interpolated_area(score.double().numpy(), positive.numpy())


def violation_rate(scores: Tensor, hierarchy: Hierarchy, classes: Tensor | None = None) -> float:
    """The share of pairs of a sample and an edge whose child scores above its parent.

    A child whose score is NaN, or whose parent's is, counts as well. It is 0 without edges.

    Args:
        scores: Logits or probabilities.
        hierarchy: The hierarchy of the classes.
        classes: The columns that count; an edge does if both its classes do. All by default.

    Shape:
        `scores` is `(*, n)`, `classes` is `(n,)`.

    Example:
        >>> h = Hierarchy.from_paths(["a/b", "a/c"])
        >>> violation_rate(torch.tensor([0.5, 0.7, 0.2]), h)
        0.5
    """
    violations = _counts.violations(scores, hierarchy, classes)
    return float(violations.double().mean()) if violations.numel() else 0.0


def hierarchical_scores(
    predicted: Tensor,
    target: Tensor,
    hierarchy: Hierarchy,
    classes: Tensor | None = None,
    *,
    beta: float = 1.0,
    average: Average = "micro",
) -> HierarchicalScores:
    r"""Hierarchical precision, recall and F: those of sets of classes with all their ancestors.

    .. math::
        \text{hP} = \frac{\sum_i |\hat P_i \cap \hat T_i|}{\sum_i |\hat P_i|}, \quad
        \text{hR} = \frac{\sum_i |\hat P_i \cap \hat T_i|}{\sum_i |\hat T_i|}, \quad
        \text{hF} = \frac{(1 + \beta^2)\, \text{hP}\, \text{hR}}{\beta^2\, \text{hP} + \text{hR}}

    with :math:`\hat P_i` the predicted and :math:`\hat T_i` the true classes of a sample, both
    closed upward. The root that is true of everything belongs to neither: leave it out with
    `classes`. 0 / 0 counts as 0.

    Args:
        predicted: 0 and 1, such as ``probabilities > 0.5``.
        target: 0 and 1, NaN or -1 for unknown.
        hierarchy: The hierarchy of the classes.
        classes: The columns that count; all by default.
        beta: How much more recall counts than precision.
        average: "micro" as above, or "macro": the mean over samples of each, 0 without samples.

    Shape:
        `predicted` and `target` are `(*, n)`, `classes` is `(n,)`.

    Example:
        >>> h = Hierarchy.from_paths(["a/b", "a/c"])
        >>> hierarchical_scores(h.encode([["a/b"]]), h.encode([["a/c"]]), h)
        HierarchicalScores(precision=0.5, recall=0.5, f=0.5)

    References:
        Kiritchenko, Matwin, Nock and Famili, Learning and evaluation in the presence of class
        hierarchies, 2006, https://doi.org/10.1007/11766247_34
    """
    check_average(average)
    check_beta(beta)
    sizes = [x.sum(1) for x in _counts.sets(predicted, target, hierarchy, classes)]
    if average == "micro":
        sizes = [x.sum(0, keepdim=True) for x in sizes]
    scores = _counts.precision_recall_f(sizes, beta)
    return HierarchicalScores(*(float(x.mean()) if len(x) else 0.0 for x in scores))


def level_scores(
    predicted: Tensor,
    target: Tensor,
    hierarchy: Hierarchy,
    classes: Tensor | None = None,
    *,
    beta: float = 1.0,
) -> list[HierarchicalScores]:
    """Precision, recall and F of each level of the hierarchy, over all samples.

    The classes of a level are those with the same longest path from a root. Predictions and
    targets are closed upward before.

    Arguments and shapes are those of `hierarchical_scores`.

    Example:
        >>> h = Hierarchy.from_paths(["a/b", "a/c"])
        >>> above, below = level_scores(h.encode([["a/b"]]), h.encode([["a/c"]]), h)
        >>> above.f, below.f
        (1.0, 0.0)
    """
    check_beta(beta)
    found = _counts.sets(predicted, target, hierarchy, classes)
    scores = _counts.precision_recall_f(_counts.by_level(found, hierarchy), beta)
    return [HierarchicalScores(*row) for row in torch.stack(scores, 1).tolist()]


def _interpolated_area(score: NDArray[np.float64], positive: NDArray[np.bool_]) -> float:
    """The area in Clus's way, of scores with at least one positive."""
    order = np.argsort(-score, kind="stable")
    score = score[order]
    last = np.append(np.flatnonzero(score[1:] != score[:-1]), len(score) - 1)
    tp = np.append(0, np.cumsum(positive[order])[last])
    fp = np.append(0, 1 + last - tp[1:])
    gained = np.diff(tp)
    start = np.repeat(np.arange(len(gained)), gained)  # the threshold before each positive
    slope = np.diff(fp)[start] / gained[start]
    before = np.arange(tp[-1])
    below = fp[start] + slope * (before - tp[start])
    left = before / np.maximum(before + below, 1e-300)
    right = (before + 1) / (before + 1 + below + slope)
    if fp[start[0]] == 0:
        left[0] = right[0]
    return float((left + right).mean() / 2)
