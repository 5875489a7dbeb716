"""Thresholds of levels, and thresholds found on validation samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Tensor

from hierloss._search import Rule, Search
from hierloss.hierarchy import Hierarchy
from hierloss.topology import Topology, check_shape

Group = Literal["level", "class"]


def per_level(values: Sequence[float] | Tensor, hierarchy: Hierarchy) -> Tensor:
    """One threshold for each level, as one for each class.

    `threshold` gives sets that are closed upward where scores are coherent and no level has a lower
    threshold than the one above it.

    Args:
        values: The thresholds of the levels, from that of the roots down.
        hierarchy: The hierarchy of the classes.

    Shape:
        `values` is `(depth + 1,)`, the result `(n,)`.

    Raises:
        ValueError: Not as many thresholds as levels.

    Example:
        >>> h = Hierarchy.from_paths(["a/b", "a/c"])
        >>> per_level([0.5, 0.7], h)
        tensor([0.5000, 0.7000, 0.7000], dtype=torch.float64)
    """
    given = values if isinstance(values, Tensor) else torch.tensor(values, dtype=torch.float64)
    check_shape(given, "a threshold for each level", torch.Size([hierarchy.depth + 1]))
    return given[Topology.of(hierarchy, given.device).level]


def find_threshold(
    scores: Tensor,
    target: Tensor,
    hierarchy: Hierarchy,
    classes: Tensor | None = None,
    *,
    rule: Rule = "bottom_up",
    beta: float = 1.0,
) -> float:
    r"""The threshold for all classes that maximises hierarchical F on given samples.

    What is maximised is the micro average of `hierloss.metrics.hierarchical_scores` of what the
    rule decides, over all thresholds there are: no other gives more. Of equals the highest wins,
    that is, the fewest classes. It is in the middle between two scores of the samples; the greatest
    score, where it is best to decide nothing, and just below the least, where everything.

    The samples have to be others than those of the test, or the F of the test is too good.

    Args:
        scores: Logits or probabilities of validation samples.
        target: 0 and 1, NaN or -1 for unknown.
        hierarchy: The hierarchy of the classes.
        classes: The columns that count; all by default.
        rule: "bottom_up" or "top_down". What `threshold` decides, `hierarchical_scores` closes
            upward, so that it counts as "bottom_up".
        beta: How much more recall counts than precision: a finite number of 0 or more.

    Shape:
        `scores` and `target` are `(*, n)`, `classes` is `(n,)`.

    Raises:
        ValueError: Scores that are not finite, a shape, or an option.

    Example:
        >>> h = Hierarchy.from_paths(["a/b", "a/c"])
        >>> s = torch.tensor([[0.9, 0.4, 0.1], [0.8, 0.2, 0.6]])
        >>> y = h.encode([["a/b"], ["a/c"]])
        >>> t = find_threshold(s, y, h)
        >>> from hierloss.decide import threshold
        >>> round(t, 3), threshold(s, h, t).equal(y)
        (0.3, True)
    """
    return Search(scores, target, hierarchy, classes, rule, beta).one()


def find_thresholds(
    scores: Tensor,
    target: Tensor,
    hierarchy: Hierarchy,
    classes: Tensor | None = None,
    *,
    per: Group = "class",
    rule: Rule = "bottom_up",
    beta: float = 1.0,
) -> Tensor:
    r"""Thresholds for each level or each class that raise hierarchical F on given samples.

    It starts from that of `find_threshold` and moves one threshold at a time, level by level from
    the roots or class by class in column order, to where F is greatest with all others as they are,
    until none can make it greater. So F is at least that of `find_threshold`, and no change of a
    single threshold improves it; a change of several may. A threshold that makes no difference
    stays where it was.

    Thresholds of classes with few positives fit the samples more than the classes: compare them
    with `find_threshold` on samples that neither has seen. Nothing makes them rise with the level,
    so `top_down` or `bottom_up` has to close what they decide.

    A turn takes, for levels, a sort of all scores for each level; for classes, the pairs of a class
    and an ancestor, times the samples.

    Args:
        scores: Logits or probabilities of validation samples.
        target: 0 and 1, NaN or -1 for unknown.
        hierarchy: The hierarchy of the classes.
        classes: The columns that count; all by default.
        per: "level" or "class".
        rule: The rule they are for: "bottom_up" or "top_down".
        beta: How much more recall counts than precision: a finite number of 0 or more.

    Shape:
        `scores` and `target` are `(*, n)`, `classes` is `(n,)`. The result is `(n,)`.

    Raises:
        ValueError: Scores that are not finite, a shape, or an option.

    Example:
        >>> h = Hierarchy.from_paths(["a/b", "a/c"])
        >>> s = torch.tensor([[0.9, 0.4, 0.5], [0.8, 0.2, 0.7], [0.1, 0.1, 0.1]])
        >>> y = h.encode([["a/b"], ["a/c"], []])
        >>> t = find_thresholds(s, y, h)
        >>> from hierloss.decide import bottom_up
        >>> t, bottom_up(s, h, t).equal(y)
        (tensor([0.3000, 0.3000, 0.6000]), True)
    """
    if per not in get_args(Group):
        raise ValueError(f"expected thresholds per {get_args(Group)}, got {per!r}")
    search = Search(scores, target, hierarchy, classes, rule, beta)
    search.one()
    return search.levels() if per == "level" else search.classes()
