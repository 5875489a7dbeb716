r"""From scores to decisions: which classes a sample is said to have.

A rule takes scores of `(*, n)` and gives `(*, n)` bool. Its docstring says under Guarantee when the
result is closed upward, that is, when no class is in it without all its ancestors. Thresholds are
one number for all classes or `(n,)` numbers, on the scale of the scores: 0.5 for probabilities is 0
for logits. A class is above its threshold where its score is greater; an equal score is not, and
NaN is above nothing. Both are compared in the type of the scores, half precision in float32.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

import hierloss.functional as HF
from hierloss._expected import expected_f
from hierloss._search import check_scores
from hierloss._thresholds import find_threshold, find_thresholds, per_level
from hierloss.hierarchy import Hierarchy
from hierloss.topology import Topology, check_shape, to_rows

__all__ = [
    "bottom_up",
    "deepest",
    "expected_f",
    "find_threshold",
    "find_thresholds",
    "greedy_path",
    "per_level",
    "threshold",
    "top_down",
]


def threshold(scores: Tensor, hierarchy: Hierarchy, thresholds: float | Tensor) -> Tensor:
    r"""The classes that are above their threshold, each for itself.

    .. math:: \hat y_A = [\, s_A > t_A \,]

    **Guarantee.** Closed upward if the scores are coherent and no class has a lower threshold than
    one of its parents; one threshold for all classes is such. If a class has a lower one, some
    coherent scores give a result that is not closed: use `top_down` or `bottom_up` then.

    Args:
        scores: Logits or probabilities.
        hierarchy: The hierarchy of the classes.
        thresholds: One for all classes, or one for each; `per_level` makes those of levels.

    Shape:
        `scores` is `(*, n)`, `thresholds` a number or `(n,)`. The result is `(*, n)`, bool.

    Raises:
        ValueError: The last dimension is not that of the classes, or a threshold is NaN, which is
            not looked for on an accelerator or by `torch.compile`.
        TypeError: The scores are not of a floating point type.

    Example:
        >>> h = Hierarchy.from_paths(["a/b", "a/c"])
        >>> threshold(torch.tensor([0.9, 0.6, 0.5]), h, 0.5)
        tensor([ True,  True, False])
    """
    check_scores(scores, hierarchy)
    cut = torch.as_tensor(thresholds, dtype=_wide(scores), device=scores.device)
    if cut.ndim:
        check_shape(cut, "one threshold, or one for each class,", torch.Size([len(hierarchy)]))
    if _is_nan(thresholds):
        raise ValueError("expected thresholds that are numbers, got NaN")
    return scores > cut.expand(len(hierarchy))  # a scalar would be rounded to half precision


def top_down(scores: Tensor, hierarchy: Hierarchy, thresholds: float | Tensor) -> Tensor:
    r"""The classes that are above their thresholds with all their ancestors.

    .. math:: \hat y_A = \min_{B \in A \cup \text{anc}(A)} [\, s_B > t_B \,]

    Whoever walks down from the roots and stops where a class is not above its threshold finds them;
    in a DAG a class needs all its parents.

    **Guarantee.** Closed upward, whatever the scores and thresholds; it is the largest such part of
    what `threshold` gives.

    Arguments, shapes and errors are those of `threshold`.

    Example:
        >>> h = Hierarchy.from_paths(["a/b", "a/c"])
        >>> top_down(torch.tensor([0.4, 0.6, 0.1]), h, 0.5)
        tensor([False, False, False])
    """
    above = threshold(scores, hierarchy, thresholds)
    return HF.lmc(above.float(), hierarchy, closure=True) > 0


def bottom_up(scores: Tensor, hierarchy: Hierarchy, thresholds: float | Tensor) -> Tensor:
    r"""The classes that are above their thresholds, and all their ancestors.

    .. math:: \hat y_A = \max_{B \in D(A)} [\, s_B > t_B \,]

    **Guarantee.** Closed upward, whatever the scores and thresholds; it is the smallest such set
    that holds what `threshold` gives, and what `hierloss.metrics.hierarchical_scores` makes of it.

    Arguments, shapes and errors are those of `threshold`.

    Example:
        >>> h = Hierarchy.from_paths(["a/b", "a/c"])
        >>> bottom_up(torch.tensor([0.4, 0.6, 0.1]), h, 0.5)
        tensor([ True,  True, False])
    """
    above = threshold(scores, hierarchy, thresholds)
    return HF.mcm(above.float(), hierarchy) > 0


def deepest(scores: Tensor, hierarchy: Hierarchy, thresholds: float | Tensor) -> Tensor:
    """The deepest class that is above its threshold, and all its ancestors.

    The deepest is the one of the highest level, the longest path from a root. Of several the one
    with the highest score is taken, and of equal scores the first column. Where no class is above
    its threshold, nothing is taken.

    **Guarantee.** Closed upward, whatever the scores and thresholds: one class with its ancestors,
    or nothing. In a tree or forest that is one path from a root; in a DAG it may hold several.
    The ancestors need not be above their own thresholds unless `threshold` guarantees it.

    Arguments, shapes and errors are those of `threshold`.

    Example:
        >>> h = Hierarchy.from_paths(["a/b/d", "a/c"])
        >>> h.decode(deepest(torch.tensor([[0.9, 0.6, 0.7, 0.5]]), h, 0.55))
        [('a', 'a/c')]
    """
    above = threshold(scores, hierarchy, thresholds)
    level = torch.where(above, Topology.of(hierarchy, scores.device).level, -1)
    lowest = above & (level == level.amax(-1, keepdim=True))
    best = scores.masked_fill(~lowest, -torch.inf).argmax(-1, keepdim=True)
    return _with_ancestors(best, above.gather(-1, best), hierarchy)


def greedy_path(
    scores: Tensor, hierarchy: Hierarchy, thresholds: float | Tensor = -math.inf
) -> Tensor:
    """The path of the best child: from the best root, always to the best-scoring child.

    For samples of one class, such as products of a taxonomy. The walk ends at a leaf, or where no
    child is above its threshold; where no root is, nothing is taken. Without thresholds it ends at
    a leaf, unless all children of a class score NaN or minus infinity, which are above nothing. Of
    equal scores the first column wins.

    It compares siblings only, so it serves scores that compete among siblings, such as a softmax
    over them, as well as coherent ones.

    **Guarantee.** Closed upward, whatever the scores and thresholds: the class in which the walk
    ends and its ancestors, or nothing. In a tree or forest these are the path that was walked, each
    class of which is above its threshold; in a DAG there may be ancestors beside the path, which
    may be below theirs.

    Arguments, shapes and errors are those of `threshold`.

    Example:
        >>> h = Hierarchy.from_paths(["a/b/d", "a/c"])
        >>> scores = torch.tensor([[0.9, 0.6, 0.3, 0.2]])
        >>> h.decode(greedy_path(scores, h)), h.decode(greedy_path(scores, h, 0.5))
        ([('a', 'a/b', 'a/b/d')], [('a', 'a/b')])
    """
    above = threshold(scores, hierarchy, thresholds)
    rows = to_rows(scores.masked_fill(~above, -torch.inf))
    following = _best_children(rows, Topology.of(hierarchy, scores.device))
    roots = torch.tensor([hierarchy.index(r) for r in hierarchy.roots], device=scores.device)
    value, first = rows[roots].max(0, keepdim=True)
    at = roots[first]
    for _ in range(hierarchy.depth):
        at = following.gather(0, at)
    shape = scores.shape[:-1] + (1,)
    return _with_ancestors(at.view(shape), (value > -torch.inf).view(shape), hierarchy)


def _is_nan(thresholds: float | Tensor) -> bool:
    """Whether a threshold is NaN; one on an accelerator would have to be waited for."""
    if isinstance(thresholds, (int, float)):
        return math.isnan(thresholds)
    given = torch.as_tensor(thresholds)
    seen = given.is_cpu and not torch.compiler.is_compiling()
    return seen and bool(given.isnan().any())


def _wide(scores: Tensor) -> torch.dtype:
    return torch.promote_types(scores.dtype, torch.float32)


def _with_ancestors(column: Tensor, taken: Tensor, hierarchy: Hierarchy) -> Tensor:
    """One class of each sample, where it is taken, and its ancestors."""
    shape = column.shape[:-1] + (len(hierarchy),)
    chosen = torch.zeros(shape, dtype=torch.bool, device=column.device)
    return hierarchy.close(chosen.scatter_(-1, column, taken))


def _best_children(rows: Tensor, topology: Topology) -> Tensor:
    """The best-scoring child of each class, or itself if all score minus infinity."""
    best = torch.arange(len(rows), device=rows.device)[:, None].repeat(1, rows.shape[1])
    for table in topology.rounds("descendants"):
        itself = table == table[:, :1]
        slot = rows[table].masked_fill(itself[..., None], -torch.inf).max(1)[1]
        best[table[:, 0]] = table.gather(1, slot)  # of equals the first, which is the class itself
    return best
