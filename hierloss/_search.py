"""The search for the thresholds that are best on given samples.

F is a ratio of counts: `true`, the pairs of a sample and a class that are decided and right, and
`taken`, those that are decided. As one threshold falls, each pair that it governs is decided from
some score on, its critical one, so that one sort tells F for all thresholds.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

import hierloss.functional as HF
from hierloss._counts import check_beta, checked_classes
from hierloss._dag import Bools, Ints
from hierloss.hierarchy import Hierarchy
from hierloss.topology import check_classes, check_shape, dense, flat

Rule = Literal["bottom_up", "top_down"]
Floats = NDArray[np.floating]


class Cut(NamedTuple):
    """The best that one threshold can do.

    Attributes:
        f: F with it.
        threshold: The threshold.
    """

    f: float
    threshold: float


class Search:
    """Thresholds of all classes, and how good they are on samples; they only get better."""

    def __init__(
        self,
        scores: Tensor,
        target: Tensor,
        hierarchy: Hierarchy,
        classes: Tensor | None,
        rule: Rule,
        beta: float,
    ) -> None:
        if rule not in get_args(Rule):
            raise ValueError(f"expected a rule of {get_args(Rule)}, got {rule!r}")
        check_beta(beta)
        self.h, self.rule, self.weight = hierarchy, rule, beta**2
        self.scores = _checked(scores, hierarchy)
        target = dense(target, "a target")
        check_shape(target, "a target", scores.shape)
        known = ((target == 0) | (target == 1)).cpu() & counted(classes, hierarchy)
        positive = (hierarchy.close(target) == 1).cpu() & known
        self.known, self.positive = (flat(x).numpy() for x in (known, positive))
        if not known.any():
            raise ValueError("expected a target with known labels, got none that counts")
        self.truths = int(self.positive.sum())
        self.device = scores.device
        self.f = -1.0
        self.t = torch.zeros(len(hierarchy), dtype=self.scores.dtype, device="cpu")

    def one(self) -> float:
        """Set all thresholds to the one that is best."""
        self._move(counted(None, self.h))
        return float(self.t[0])

    def levels(self) -> Tensor:
        """Move the thresholds of levels, until none can be made better alone."""
        groups = [torch.from_numpy(self.h.levels == i) for i in range(self.h.depth + 1)]
        while sum(self._move(group) for group in groups):
            pass
        return self.t.to(self.device)

    def classes(self) -> Tensor:
        """Move the thresholds of classes, until none can be made better alone."""
        h = self.h
        reach = h.ancestors if self.rule == "bottom_up" else h.descendants
        governed = [np.array([i, *reach(i)]) for i in range(len(h))]
        votes = _Votes(self, governed)
        while sum(votes.move(i) for i in range(len(h))):
            pass
        return self.t.to(self.device)

    def decided(self, scores: Tensor) -> Tensor:
        """The scores at which the rule decides, where a class is decided if it is above."""
        if self.rule == "bottom_up":
            return HF.mcm(scores, self.h)
        return HF.lmc(scores, self.h, closure=True)

    def best(self, score: Floats, true: Ints, taken: Ints, before: tuple[int, int]) -> Cut:
        """The best threshold of critical scores, each with what is right and taken from there on.

        Args:
            score: Critical scores.
            true: How many pairs are right that are decided at each.
            taken: How many pairs are decided at each.
            before: Both counts of all other pairs.
        """
        order = np.argsort(-score, kind="stable")
        score = score[order]
        last = np.flatnonzero(np.append(score[1:] != score[:-1], True)[: len(score)])
        right, all_ = (
            start + np.append(0, np.cumsum(counts[order])[last])
            for start, counts in zip(before, (true, taken), strict=True)
        )
        f = (1 + self.weight) * right / np.maximum(all_ + self.weight * self.truths, 1e-300)
        i = int(f.argmax())
        return Cut(float(f[i]), _between(score[last], i))

    def _move(self, group: Tensor) -> bool:
        """Give a group of classes the one threshold that is best for it; whether F grew."""
        above = self.scores > self.t
        fixed = torch.where(above, torch.inf, -torch.inf).to(self.scores.dtype)
        critical = self.decided(torch.where(group, self.scores, fixed)).numpy()
        always = self.known & (critical == np.inf)
        before = int((always & self.positive).sum()), int(always.sum())
        open_ = self.known & np.isfinite(critical)
        right = self.positive[open_].astype(np.int64)
        cut = self.best(critical[open_], right, np.ones_like(right), before)
        if cut.f <= self.f:
            return False
        self.f = cut.f
        self.t[group] = cut.threshold
        return True


class _Votes:
    """How many classes speak for each pair of a class and a sample, or against it.

    From the bottom up a class is decided if a class below it or itself is above its threshold, one
    vote being enough; from the top down, if no class above it or itself is not. So a class settles
    a pair alone where no other votes.
    """

    def __init__(self, search: Search, governed: list[Ints]) -> None:
        self.search, self.governed = search, governed
        self.scores = np.ascontiguousarray(search.scores.numpy().T)
        self.known, self.positive = (
            np.ascontiguousarray(x.T) for x in (search.known, search.positive)
        )
        self.count = np.zeros(self.scores.shape, dtype=np.int32)
        for i, classes in enumerate(governed):
            self.count[classes] += self._votes(self._above(i))
        decided = (self.count > 0) == (search.rule == "bottom_up")
        self.taken = int((decided & self.known).sum())
        self.true = int((decided & self.positive).sum())

    def move(self, i: int) -> bool:
        """Give a class the threshold that is best for it; whether F grew."""
        search, classes = self.search, self.governed[i]
        above = self._above(i)
        settled = self.count[classes] == self._votes(above)
        taken = (settled & self.known[classes]).sum(0)
        true = (settled & self.positive[classes]).sum(0)
        others = self.true - int(true[above].sum()), self.taken - int(taken[above].sum())
        cut = search.best(self.scores[i], true, taken, others)
        if cut.f <= search.f:
            return False
        search.f = cut.f
        search.t[i] = cut.threshold
        now = self._above(i)
        self.count[classes] += self._votes(now) - self._votes(above)
        self.true, self.taken = others[0] + int(true[now].sum()), others[1] + int(taken[now].sum())
        return True

    def _above(self, i: int) -> Bools:
        return np.asarray(self.scores[i] > self.search.t[i].item())

    def _votes(self, above: Bools) -> NDArray[np.int32]:
        return (above if self.search.rule == "bottom_up" else ~above).astype(np.int32)


def counted(classes: Tensor | None, hierarchy: Hierarchy) -> Tensor:
    """The columns that count, `(n,)` on the CPU."""
    if classes is None:
        return torch.ones(len(hierarchy), dtype=torch.bool, device="cpu")
    return checked_classes(classes, len(hierarchy)).cpu()


def check_scores(scores: Tensor, hierarchy: Hierarchy) -> None:
    """Raise unless something is scores of the classes."""
    check_classes(scores, "scores", hierarchy)
    if not scores.is_floating_point():
        raise TypeError(f"expected scores of a floating point type, got {scores.dtype}")


def _checked(scores: Tensor, hierarchy: Hierarchy) -> Tensor:
    check_scores(scores, hierarchy)
    wide = torch.promote_types(scores.dtype, torch.float32)
    rows = flat(scores.detach()).to("cpu", wide)
    if not rows.isfinite().all():
        raise ValueError("expected scores that are finite, got NaN or infinity")
    return rows


def _between(score: Floats, i: int) -> float:
    """A threshold below the first i of distinct descending scores, and not below the next."""
    if len(score) == 0:
        return np.inf
    if i == 0:
        return float(score[0])
    if i == len(score):
        return float(np.nextafter(score[-1], score.dtype.type(-np.inf)))
    middle = score.dtype.type((float(score[i - 1]) + float(score[i])) / 2)
    return float(middle if middle < score[i - 1] else score[i])
