"""Hypothesis strategies that return a hierarchy together with its known answer."""

from __future__ import annotations

import torch
from hypothesis import strategies as st
from torch import Tensor

from oracles import Problem

Draw = st.DrawFn


@st.composite
def trees(draw: Draw, max_size: int = 12) -> Problem:
    n = draw(st.integers(1, max_size))
    edges = {(i, draw(st.integers(0, i - 1))) for i in range(1, n)}
    return _shuffled(draw, n, edges)


@st.composite
def forests(draw: Draw, max_size: int = 12) -> Problem:
    n = draw(st.integers(1, max_size))
    above = [draw(st.one_of(st.none(), st.integers(0, i - 1))) for i in range(1, n)]
    return _shuffled(draw, n, {(i, p) for i, p in enumerate(above, 1) if p is not None})


@st.composite
def dags(draw: Draw, max_size: int = 12) -> Problem:
    """With several roots, diamonds, and shortcuts past whole paths."""
    n = draw(st.integers(1, max_size))
    above = [draw(st.sets(st.integers(0, i - 1), max_size=3)) for i in range(1, n)]
    return _shuffled(draw, n, {(i, p) for i, ps in enumerate(above, 1) for p in ps})


@st.composite
def diamonds(draw: Draw) -> Problem:
    """A chain of diamonds, with a shortcut from the last class to the first."""
    k = draw(st.integers(1, 4))
    edges: set[tuple[int, int]] = set()
    for top in range(0, 3 * k, 3):
        edges |= {(top + 1, top), (top + 2, top), (top + 3, top + 1), (top + 3, top + 2)}
    return _shuffled(draw, 3 * k + 1, edges | {(3 * k, 0)})


@st.composite
def extremes(draw: Draw) -> Problem:
    """A single class, a chain of 60, a star of 300 and a star upside down."""
    star = {(i, 0) for i in range(1, 301)}
    shapes = [
        (1, set()),
        (60, {(i + 1, i) for i in range(59)}),
        (301, star),
        (301, {(p, c) for c, p in star}),
    ]
    return _shuffled(draw, *draw(st.sampled_from(shapes)))


def hierarchies(max_size: int = 12) -> st.SearchStrategy[Problem]:
    small = [trees(max_size), forests(max_size), dags(max_size)]
    return st.one_of(*small, diamonds()) if max_size >= 12 else st.one_of(*small)


def _shuffled(draw: Draw, n: int, edges: set[tuple[int, int]]) -> Problem:
    order = draw(st.permutations(range(n))) if n < 20 else list(range(n))[::-1]
    return Problem(n, frozenset((order[c], order[p]) for c, p in edges))


@st.composite
def distinct_scores(draw: Draw, n: int, samples: int = 2) -> Tensor:
    """Scores far from ties, `(samples, n)` in float64."""
    grid = torch.linspace(-4.0, 4.0, n + 1, dtype=torch.float64)[:n]
    rows = [draw(st.permutations(range(n))) for _ in range(samples)]
    return torch.stack([grid[row] for row in rows])


@st.composite
def tied_scores(draw: Draw, n: int, samples: int = 2) -> Tensor:
    """Scores from a few values, so that most of them tie."""
    values = st.sampled_from([-2.0, -0.5, 0.0, 1.5])
    rows = st.lists(st.lists(values, min_size=n, max_size=n), min_size=samples, max_size=samples)
    return torch.tensor(draw(rows), dtype=torch.float64)


@st.composite
def targets(draw: Draw, p: Problem, samples: int = 2) -> Tensor:
    """Targets that are closed upward, `(samples, n)` of integers."""
    labels = st.sets(st.integers(0, p.n - 1), max_size=4)
    return torch.tensor([p.closed(draw(labels)) for _ in range(samples)])


@st.composite
def unknown_targets(draw: Draw, p: Problem, samples: int = 2) -> Tensor:
    """Closed targets in which some labels are replaced by -1."""
    target = draw(targets(p, samples))
    hidden = draw(st.sets(st.tuples(st.integers(0, samples - 1), st.integers(0, p.n - 1))))
    for sample, column in hidden:
        target[sample, column] = -1
    return target
