"""What the library computes, slowly and obviously: loops, sets and Python floats."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from hierloss import Hierarchy

Row = list[float]


@dataclass(frozen=True)
class Problem:
    """A hierarchy with its known answer: the edges that it was made of."""

    n: int
    edges: frozenset[tuple[int, int]]

    @cached_property
    def hierarchy(self) -> Hierarchy:
        return Hierarchy.from_edges(sorted(self.edges), names=[f"c{i}" for i in range(self.n)])

    @cached_property
    def parents(self) -> list[set[int]]:
        return [{p for c, p in self.edges if c == i} for i in range(self.n)]

    @cached_property
    def children(self) -> list[set[int]]:
        return [{c for c, p in self.edges if p == i} for i in range(self.n)]

    @cached_property
    def below(self) -> list[set[int]]:
        """Each class and its descendants."""
        return [_spread(i, self.children) for i in range(self.n)]

    @cached_property
    def above(self) -> list[set[int]]:
        """Each class and its ancestors."""
        return [_spread(i, self.parents) for i in range(self.n)]

    def closed(self, labels: set[int]) -> list[int]:
        wanted = set().union(*(self.above[i] for i in labels)) if labels else set()
        return [int(i in wanted) for i in range(self.n)]


def _spread(start: int, step: list[set[int]]) -> set[int]:
    found, todo = {start}, [start]
    while todo:
        todo += [i for i in step[todo.pop()] if i not in found and not found.add(i)]
    return found


def highest(values: Row) -> float:
    return math.nan if any(math.isnan(v) for v in values) else max(values)


def lowest(values: Row) -> float:
    return math.nan if any(math.isnan(v) for v in values) else min(values)


def mcm(p: Problem, scores: Row) -> Row:
    return [highest([scores[b] for b in p.below[a]]) for a in range(p.n)]


def lmc(p: Problem, scores: Row, closure: bool = False) -> Row:
    reach = p.above if closure else [{j} | p.parents[j] for j in range(p.n)]
    return [lowest([scores[z] for z in reach[j]]) for j in range(p.n)]


def positive_cost(score: float, logits: bool) -> float:
    if not logits:
        return -max(math.log(score) if score > 0 else -math.inf, -100.0)
    return max(-score, 0.0) + math.log1p(math.exp(-abs(score)))


def negative_cost(score: float, logits: bool) -> float:
    if not logits:
        return -max(math.log1p(-score) if score < 1 else -math.inf, -100.0)
    return max(score, 0.0) + math.log1p(math.exp(-abs(score)))


def mc_loss(p: Problem, scores: Row, target: list[int], logits: bool = True) -> Row:
    """The terms of MCLoss; -1 in the target is unknown, and its term 0."""
    terms = []
    for a in range(p.n):
        if target[a] == 1:
            best = highest([scores[b] for b in p.below[a] if target[b] == 1])
            terms.append(positive_cost(best, logits))
        elif target[a] == 0:
            terms.append(negative_cost(highest([scores[b] for b in p.below[a]]), logits))
        else:
            terms.append(0.0)
    return terms


def lh_loss(p: Problem, scores: Row, target: list[int], logits: bool = True) -> Row:
    """The terms of LHLoss; -1 in the target is unknown, and its term 0."""
    cost = {1: positive_cost, 0: negative_cost, -1: lambda *_: 0.0}
    return [cost[y](score, logits) for y, score in zip(target, lmc(p, scores), strict=True)]


def decider(p: Problem, scores: Row, a: int) -> int:
    """Which class decides MCM(a), by the documented rule for ties."""
    best = highest([scores[b] for b in p.below[a]])
    if scores[a] == best:
        return a
    first = min(c for c in p.children[a] if highest([scores[b] for b in p.below[c]]) == best)
    return decider(p, scores, first)


def brute_force(p: Problem, scores: Tensor, target: Tensor, kind: str) -> Tensor:
    """Unreduced MCLoss, LHLoss or BCE of logits through dense masks and autograd's amax."""
    if kind == "bce":
        return F.binary_cross_entropy_with_logits(scores, target.to(scores.dtype), reduction="none")
    if kind == "mc":
        below = torch.tensor([[j in p.below[i] for j in range(p.n)] for i in range(p.n)])
        positive = target.bool()[..., None]
        allowed = below & (~positive | target.bool()[..., None, :])
        deciding = scores[..., None, :].masked_fill(~allowed, -torch.inf).amax(-1)
    else:
        beside = torch.tensor(
            [[j == i or j in p.parents[i] for j in range(p.n)] for i in range(p.n)]
        )
        deciding = scores[..., None, :].masked_fill(~beside, torch.inf).amin(-1)
    return F.binary_cross_entropy_with_logits(deciding, target.to(scores.dtype), reduction="none")
