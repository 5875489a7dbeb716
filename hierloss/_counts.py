"""What the metrics count, as tensors on the device of the scores."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Literal, get_args

import torch
from torch import Tensor

import hierloss.functional as HF
from hierloss._targets import known
from hierloss.hierarchy import Hierarchy
from hierloss.topology import Topology, check_shape, check_strided, check_tensor, dense, flat

Average = Literal["micro", "macro"]

# Pairs that are looked up at once.
PAIRS = 1 << 22


def check_average(average: str) -> None:
    """Raise unless an average is one."""
    if average not in get_args(Average):
        raise ValueError(f"expected an average of {get_args(Average)}, got {average!r}")


def check_beta(beta: float) -> None:
    """Raise unless a number can say how much more recall counts than precision."""
    if not 0 <= beta < math.inf:
        raise ValueError(
            f"expected a finite beta of 0 or more, got {beta!r}; with 1 recall counts as much as "
            "precision"
        )


def wide(x: Tensor) -> Tensor:
    """In float64, or float32 where the device has nothing wider."""
    return x.float() if x.device.type == "mps" else x.double()


def ratio(a: Tensor, b: Tensor) -> Tensor:
    """a / b, with 0 / 0 = 0; a NaN stays."""
    return torch.where(b == 0, 0.0, a / torch.where(b == 0, 1, b))


def counted(target: Tensor, classes: Tensor | None) -> Tensor:
    """Where a label is known and its class counts, of the shape of the target."""
    where = known(target)
    if classes is None:
        return where
    return where & checked_classes(classes, target.shape[-1]).to(target.device)


def checked_classes(classes: Tensor, n: int) -> Tensor:
    """A mask of the classes that count.

    Raises:
        ValueError: It has another shape.
        TypeError: It is not of bool.
    """
    check_shape(classes, "classes, a bool for each class,", torch.Size([n]))
    if classes.dtype != torch.bool:
        raise TypeError(f"expected classes of bool, such as weight > 0, got {classes.dtype}")
    return classes


def pairs(scores: Tensor, target: Tensor, classes: Tensor | None) -> tuple[Tensor, Tensor]:
    """The scores of the pairs of a sample and a class that count, and which are positive."""
    target = alike(scores, target)
    where = counted(target, classes)
    found = floating(scores.detach()[where])
    check_numbers(found)
    return found, target[where] == 1


def floating(scores: Tensor) -> Tensor:
    """Scores that can be compared with thresholds: bool and integers in float32."""
    return scores if scores.is_floating_point() else scores.float()


def check_numbers(scores: Tensor) -> None:
    """Raise if a score is NaN."""
    if scores.isnan().any():
        raise ValueError("expected scores that are numbers, got NaN")


def sets(
    predicted: Tensor, target: Tensor, hierarchy: Hierarchy, classes: Tensor | None
) -> list[Tensor]:
    """Which classes are both, predicted and true, `(samples, n)` each, of closed sets."""
    target = dense(target, "a target")
    predicted = dense(predicted, "predictions")
    check_shape(predicted, "predictions", target.shape)
    if not ((predicted == 0) | (predicted == 1)).all():
        raise ValueError("expected predictions of 0 and 1, such as scores > 0.5, got other values")
    where = counted(target, classes)
    p = (hierarchy.close(predicted) == 1) & where
    t = (hierarchy.close(target) == 1) & where
    return [x.reshape(-1, x.shape[-1]) for x in (p & t, p, t)]


def by_level(found: list[Tensor], hierarchy: Hierarchy) -> list[Tensor]:
    """The sizes of `sets` at each level, over all samples."""
    level = Topology.of(hierarchy, found[0].device).level
    empty = torch.zeros(hierarchy.depth + 1, dtype=torch.int64, device=level.device)
    return [empty.index_add(0, level, x.sum(0)) for x in found]


def violations(scores: Tensor, hierarchy: Hierarchy, classes: Tensor | None) -> Tensor:
    """Which edges between classes that count are violated, `(*, edges)`."""
    found = hierarchy.violations(scores)
    if classes is None:
        return found
    of = Topology.of(hierarchy, found.device)
    counts = checked_classes(classes, len(hierarchy)).to(found.device)
    return found[..., counts[of.child] & counts[of.parent]]


def precision_recall_f(sizes: Iterable[Tensor], beta: float) -> list[Tensor]:
    """Precision, recall and F of the sizes of `sets`."""
    both, predicted, true = (wide(x) for x in sizes)
    precision, recall = ratio(both, predicted), ratio(both, true)
    f = ratio((1 + beta**2) * precision * recall, beta**2 * precision + recall)
    return [precision, recall, f]


def step_area(tp: Tensor, predicted: Tensor, positives: int | Tensor) -> Tensor:
    """The area under the steps through (recall, precision), thresholds from the highest down."""
    gained = torch.diff(tp, prepend=tp.new_zeros(1))
    return (wide(gained) * ratio(wide(tp), wide(predicted))).sum() / positives


def exact_area(positive: Tensor, negative: Tensor) -> Tensor:
    """The average precision of the scores of the positive and the negative pairs, else NaN.

    Recall grows at positive scores only, so that only these, which are few, are sorted.
    """
    if not len(positive):
        return wide(positive.new_full((), torch.nan))
    score, equal = torch.unique(positive, return_counts=True)
    above = torch.zeros(len(score) + 1, dtype=torch.int64, device=score.device)
    for block in torch.split(negative, PAIRS):
        above += torch.bincount(torch.bucketize(block, score, right=True), minlength=len(above))
    tp, fp = (x.flip(0).cumsum(0) for x in (equal, above[1:]))
    return step_area(tp, tp + fp, len(positive))


def binned_area(bins: Tensor) -> Tensor:
    """The average precision of the counts of `reached`, else NaN; 0 / 0 is NaN here."""
    negative, positive = bins.flip(1).cumsum(1)
    return step_area(positive[:-1], (positive + negative)[:-1], positive[-1])


def reached(scores: Tensor, positive: Tensor, thresholds: Tensor) -> Tensor:
    """How many negatives and positives reach 0, 1, ... ascending thresholds, `(2, T + 1)`."""
    size = len(thresholds) + 1
    bins = torch.bucketize(scores, thresholds.to(scores), right=True)
    return torch.bincount(bins + size * positive, minlength=2 * size).view(2, size)


def grid(thresholds: Tensor | None) -> Tensor:
    """Ascending thresholds, by default those of CAFA.

    Raises:
        ValueError: They are none, not in one dimension, or not ascending.
    """
    if thresholds is None:
        return torch.arange(1, 100, dtype=torch.float64) / 100
    check_tensor(thresholds, "thresholds")
    if thresholds.ndim != 1 or not len(thresholds) or not (thresholds.diff() > 0).all():
        raise ValueError(
            f"expected ascending thresholds in one dimension, got {thresholds.tolist()!r}; "
            "thresholds.unique() sorts them"
        )
    return thresholds.detach()


def alike(scores: Tensor, target: Tensor) -> Tensor:
    """The target, dense; raise unless the scores have its shape."""
    check_tensor(scores, "scores")
    check_strided(scores, "scores")
    target = dense(target, "a target")
    check_shape(scores, "scores", target.shape)
    return target


def check_probabilities(scores: Tensor) -> None:
    """Raise if a score is not from 0 to 1."""
    if ((scores < 0) | (scores > 1)).any():
        raise ValueError(
            f"expected probabilities, got scores from {scores.min():g} to {scores.max():g}; apply "
            "torch.sigmoid to logits, or give thresholds for them"
        )


def check_information(information: Tensor, n: int) -> Tensor:
    """Raise unless information is a finite number of 0 or more for each class."""
    check_shape(information, "information, a number for each class,", torch.Size([n]))
    if information.dtype == torch.bool:
        raise TypeError(
            "expected information, a number for each class, got a mask; classes= takes masks"
        )
    if not ((information >= 0) & (information < torch.inf)).all():
        raise ValueError(
            f"expected information of 0 or more, got {information.min():g} to {information.max():g}"
        )
    return information.detach()


def by_threshold(
    scores: Tensor,
    target: Tensor,
    hierarchy: Hierarchy,
    thresholds: Tensor,
    classes: Tensor | None,
    information: Tensor | None,
) -> Tensor:
    """Sums over the samples with a true class, at each threshold, `(7, thresholds)`.

    They are those of: precision, recall, whether a class is predicted, the information of classes
    that are true and predicted, true only, predicted only, and 1.
    """
    where = flat(counted(target, classes))
    true = flat(hierarchy.close(target) == 1)
    raised = flat(HF.mcm(floating(scores.detach()), Topology.of(hierarchy, scores.device)))
    check_numbers(raised[where])
    fp, tp = _reaching(raised, true, _weights(where, information), thresholds).unbind(1)
    truth, tp, fp = tp[:, :1], tp[:, 1:], fp[:, 1:]
    judged = truth > 0
    each = ratio(tp, tp + fp), ratio(tp, truth), tp + fp > 0, tp, truth - tp, fp, judged
    return torch.stack([(x * judged).sum(0).expand(len(thresholds)) for x in each])


def _weights(where: Tensor, information: Tensor | None) -> Tensor:
    weight = wide(where)
    return weight if information is None else weight * information.to(weight)


def _reaching(scores: Tensor, true: Tensor, weight: Tensor, thresholds: Tensor) -> Tensor:
    """The weight of false and true classes that reach 0, 1, ... thresholds, `(m, 2, T + 1)`."""
    m, size = len(scores), len(thresholds) + 1
    row = torch.arange(m, device=scores.device)[:, None]
    bins = torch.bucketize(scores, thresholds.to(scores), right=True)
    cell = (2 * row + true) * size + bins
    found = weight.new_zeros(m * 2 * size).index_add_(0, cell.flatten(), weight.flatten())
    return found.view(m, 2, size).flip(2).cumsum(2).flip(2)
