"""The decision rules: known values, loops over sets, and the guarantees of their docstrings."""

from __future__ import annotations

import math
from functools import partial
from itertools import chain, combinations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

import hierloss.functional as HF
import strategies as hl
from hierloss import Hierarchy
from hierloss.decide import (
    bottom_up,
    deepest,
    expected_f,
    find_threshold,
    find_thresholds,
    greedy_path,
    per_level,
    threshold,
    top_down,
)
from hierloss.metrics import hierarchical_scores
from hierloss.topology import Topology
from oracles import Problem

TAXA = Hierarchy.from_paths(["animal/mammal/cat", "animal/mammal/dog", "animal/fish", "plant"])
CLOSED = {"top_down": top_down, "bottom_up": bottom_up}
CLOSING = {**CLOSED, "deepest": deepest, "greedy_path": greedy_path}
closing = pytest.mark.parametrize("rule", CLOSING.values(), ids=CLOSING)
every = pytest.mark.parametrize("rule", [threshold, *CLOSING.values()])
rules = pytest.mark.parametrize("name", CLOSED)


def named(decided: Tensor) -> list[set[str]]:
    return [{name.rpartition("/")[2] for name in row} for row in TAXA.decode(decided)]


def of_names(**scores: float) -> Tensor:
    short = [name.rpartition("/")[2] for name in TAXA]
    return torch.tensor([[scores.get(name, 0.0) for name in short]])


def is_closed(p: Problem, decided: Tensor) -> bool:
    return all(not row[c] or row[a] for row in decided.tolist() for c, a in p.edges)


@st.composite
def problems(draw, coherent: bool = False) -> tuple[Problem, Tensor]:
    """A hierarchy and scores of it, with ties, with NaN unless they are coherent."""
    p = draw(hl.hierarchies())
    scores = draw(st.one_of(hl.tied_scores(p.n), hl.distinct_scores(p.n)))
    if coherent:
        return p, HF.mcm(scores, p.hierarchy)
    for column in draw(st.sets(st.integers(0, p.n - 1), max_size=2)):
        scores[0, column] = torch.nan
    return p, scores


@st.composite
def cuts(draw, n: int) -> float | Tensor:
    """One threshold or one for each class, often equal to a score."""
    value = st.sampled_from([-math.inf, -2.0, -0.5, 0.0, 0.3, 1.5, math.inf])
    if draw(st.booleans()):
        return draw(value)
    return torch.tensor(draw(st.lists(value, min_size=n, max_size=n)), dtype=torch.float64)


def above(scores: list[float], t: float | Tensor) -> set[int]:
    cut = t.tolist() if isinstance(t, Tensor) else [t] * len(scores)
    return {i for i, s in enumerate(scores) if s > cut[i]}


# What each rule decides, from sets.


def by_top_down(p: Problem, scores: list[float], t: float | Tensor) -> set[int]:
    return {i for i in range(p.n) if p.above[i] <= above(scores, t)}


def by_bottom_up(p: Problem, scores: list[float], t: float | Tensor) -> set[int]:
    return {i for i in range(p.n) if p.below[i] & above(scores, t)}


def by_deepest(p: Problem, scores: list[float], t: float | Tensor) -> set[int]:
    def level(i: int) -> int:
        return 1 + max((level(a) for a in p.parents[i]), default=-1)

    found = sorted(above(scores, t), key=lambda i: (-level(i), -scores[i], i))
    return p.above[found[0]] if found else set()


def by_greedy_path(p: Problem, scores: list[float], t: float | Tensor) -> set[int]:
    at, near = set(), {i for i in range(p.n) if not p.parents[i]}
    while found := sorted(near & above(scores, t), key=lambda i: (-scores[i], i)):
        at, near = p.above[found[0]], p.children[found[0]]
    return at


ORACLES = {
    threshold: lambda p, scores, t: above(scores, t),
    top_down: by_top_down,
    bottom_up: by_bottom_up,
    deepest: by_deepest,
    greedy_path: by_greedy_path,
}


def test_rules_by_hand() -> None:
    scores = of_names(animal=0.9, mammal=0.4, cat=0.6, dog=0.3, fish=0.55, plant=0.1)
    assert named(threshold(scores, TAXA, 0.5)) == [{"animal", "cat", "fish"}]
    assert named(top_down(scores, TAXA, 0.5)) == [{"animal", "fish"}]
    assert named(bottom_up(scores, TAXA, 0.5)) == [{"animal", "mammal", "cat", "fish"}]
    assert named(deepest(scores, TAXA, 0.5)) == [{"animal", "mammal", "cat"}]
    assert named(deepest(scores, TAXA, 0.58)) == [{"animal", "mammal", "cat"}]
    assert named(deepest(scores, TAXA, 0.7)) == [{"animal"}]
    assert named(deepest(scores, TAXA, 0.9)) == [set()]
    assert named(greedy_path(scores, TAXA)) == [{"animal", "fish"}]
    assert named(greedy_path(scores, TAXA, 0.58)) == [{"animal"}]
    assert named(greedy_path(scores, TAXA, 0.95)) == [set()]
    assert named(greedy_path(scores - 1e30, TAXA)) == [{"animal", "mammal", "cat"}]
    gone = scores.masked_fill(scores == 0.55, -math.inf)
    assert named(greedy_path(gone, TAXA)) == [{"animal", "mammal", "cat"}]
    assert named(greedy_path(gone.masked_fill(scores < 0.61, math.nan), TAXA)) == [{"animal"}]


def test_thresholds_of_levels() -> None:
    scores = of_names(animal=0.9, mammal=0.4, cat=0.6, dog=0.3, fish=0.55, plant=0.1)
    by_class = per_level([0.05, 0.5, 0.2], TAXA)
    assert by_class.tolist() == [[0.05, 0.5, 0.2][i] for i in TAXA.levels]
    assert named(threshold(scores, TAXA, by_class)) == [{"animal", "cat", "dog", "fish", "plant"}]
    assert named(top_down(scores, TAXA, by_class)) == [{"animal", "fish", "plant"}]
    assert per_level(torch.tensor([1.0, 2.0, 3.0]), TAXA).dtype == torch.float32
    with pytest.raises(ValueError, match=r"a threshold for each level of shape \(3,\), got \(2,\)"):
        per_level([0.5, 0.5], TAXA)


def test_a_dag_has_ancestors_beside_the_path() -> None:
    h = Hierarchy.from_parents([None, None, (0, 1)], names=["a", "b", "ab"])
    scores = torch.tensor([[0.9, 0.2, 0.8]])
    assert greedy_path(scores, h, 0.5).tolist() == [[True, True, True]]
    assert deepest(scores, h, 0.5).tolist() == [[True, True, True]]
    assert top_down(scores, h, 0.5).tolist() == [[True, False, False]]


@every
@given(data=st.data())
def test_rules_equal_sets(rule, data: st.DataObject) -> None:
    p, scores = data.draw(problems())
    t = data.draw(cuts(p.n))
    decided = rule(scores, p.hierarchy, t)
    assert decided.dtype == torch.bool
    expected = [ORACLES[rule](p, row, t) for row in scores.tolist()]
    assert [set(row.nonzero()[:, 0].tolist()) for row in decided] == expected


@closing
@given(data=st.data())
def test_closing_rules_are_closed_whatever_they_get(rule, data: st.DataObject) -> None:
    p, scores = data.draw(problems())
    decided = rule(scores, p.hierarchy, data.draw(cuts(p.n)))
    assert is_closed(p, decided)
    if rule in (deepest, greedy_path):
        for row in decided:
            taken = set(row.nonzero()[:, 0].tolist())
            assert not taken or any(p.above[i] == taken for i in taken)


@given(data=st.data())
def test_rising_thresholds_on_coherent_scores_are_closed(data: st.DataObject) -> None:
    p, scores = data.draw(problems(coherent=True))
    assert is_closed(p, threshold(scores, p.hierarchy, data.draw(st.floats(-5, 5))))
    t = torch.tensor(data.draw(st.lists(st.floats(-4, 4), min_size=p.n, max_size=p.n)))
    rising = torch.stack([t[list(p.above[i])].max() for i in range(p.n)])
    assert is_closed(p, threshold(scores, p.hierarchy, rising))
    depth = p.hierarchy.depth
    levels = sorted(data.draw(st.lists(st.floats(-4, 4), min_size=depth + 1, max_size=depth + 1)))
    assert is_closed(p, threshold(scores, p.hierarchy, per_level(levels, p.hierarchy)))


def test_falling_thresholds_on_coherent_scores_are_not_closed() -> None:
    """The other half of the guarantee: the class passes and its parent does not."""
    h = Hierarchy.from_parents([None, 0])
    scores, falling = torch.tensor([0.5, 0.5]), torch.tensor([0.6, 0.4])
    assert threshold(scores, h, falling).tolist() == [False, True]
    assert top_down(scores, h, falling).tolist() == [False, False]
    assert bottom_up(scores, h, falling).tolist() == [True, True]


@given(data=st.data())
def test_rules_are_those_of_the_constraints(data: st.DataObject) -> None:
    """One threshold after MCM is bottom_up, after LMC to the roots top_down."""
    p = data.draw(hl.hierarchies())
    scores, t = data.draw(hl.tied_scores(p.n)), data.draw(st.sampled_from([-2.0, -0.5, 0.0, 1.0]))
    h = p.hierarchy
    plain, low, high = (rule(scores, h, t) for rule in (threshold, top_down, bottom_up))
    assert torch.equal(high, threshold(HF.mcm(scores, h), h, t))
    assert torch.equal(high, h.close(plain))
    assert torch.equal(low, threshold(HF.lmc(scores, h, closure=True), h, t))
    assert not (low & ~plain).any()
    assert torch.equal(rules_again(low, h, top_down), low)
    assert torch.equal(rules_again(high, h, bottom_up), high)


def rules_again(decided: Tensor, h: Hierarchy, rule) -> Tensor:
    return rule(decided.double(), h, 0.5)


@every
@given(data=st.data())
def test_probabilities_and_logits_are_decided_alike(rule, data: st.DataObject) -> None:
    p, scores = data.draw(problems())
    t = data.draw(cuts(p.n))
    chances = torch.as_tensor(t, dtype=torch.float64).sigmoid()
    assert torch.equal(rule(scores, p.hierarchy, t), rule(scores.sigmoid(), p.hierarchy, chances))


@every
def test_any_batch_dimensions_and_none(rule) -> None:
    flat = torch.randn(6, len(TAXA))
    decided = rule(flat, TAXA, 0.1)
    assert torch.equal(rule(flat.view(2, 3, -1), TAXA, 0.1), decided.view(2, 3, -1))
    assert torch.equal(torch.stack([rule(row, TAXA, 0.1) for row in flat]), decided)
    assert torch.equal(rule(flat.t().contiguous().t(), TAXA, 0.1), decided)
    assert rule(flat[:0], TAXA, 0.1).shape == (0, len(TAXA))
    assert torch.equal(rule(flat.clone().requires_grad_(), TAXA, 0.1), decided)


@every
def test_an_equal_score_is_not_above_and_nan_never(rule) -> None:
    h = Hierarchy.from_edges([], names=["a"])
    for dtype in (torch.float64, torch.float32, torch.float16, torch.bfloat16):
        assert not rule(torch.tensor([[0.25]], dtype=dtype), h, 0.25).any()
        assert not rule(torch.tensor([[torch.nan]], dtype=dtype), h, -math.inf).any()
    assert not rule(torch.tensor([[0.3]]), h, 0.3).any()
    assert rule(torch.tensor([[0.3]], dtype=torch.float16), h, 0.3).all()  # is 0.30004882
    lowest = torch.tensor([[0.3]], dtype=torch.bfloat16)  # is 0.30078125
    assert rule(lowest, h, 0.3).all()
    assert rule(lowest, h, torch.tensor(0.3)).all()


def test_equal_scores_go_to_the_first_column() -> None:
    scores = torch.zeros(1, len(TAXA))
    assert named(greedy_path(scores, TAXA)) == [{"animal", "mammal", "cat"}]
    assert named(deepest(scores, TAXA, -1)) == [{"animal", "mammal", "cat"}]


@every
def test_wrong_input_says_what_was_expected(rule) -> None:
    with pytest.raises(ValueError, match="with the 6 classes of the hierarchy in the last"):
        rule(torch.zeros(6, 2), TAXA, 0.5)
    with pytest.raises(
        TypeError, match=r"expected scores of a floating point type, got torch.bool"
    ):
        rule(torch.zeros(2, 6, dtype=torch.bool), TAXA, 0.5)
    with pytest.raises(TypeError, match="expected scores that is a Tensor, got list"):
        rule([0.5] * 6, TAXA, 0.5)
    with pytest.raises(ValueError, match=r"or one for each class, of shape \(6,\), got \(3,\)"):
        rule(torch.zeros(2, 6), TAXA, torch.zeros(3))
    with pytest.raises(ValueError, match="expected thresholds that are numbers, got NaN"):
        rule(torch.zeros(2, 6), TAXA, math.nan)
    with pytest.raises(ValueError, match="expected thresholds that are numbers, got NaN"):
        rule(torch.zeros(2, 6), TAXA, torch.full((6,), torch.nan))


@every
def test_rules_in_compiled_code(rule) -> None:
    scores, h = torch.rand(3, 6), Hierarchy.from_paths(["a/b/c", "a/d", "e/f"])
    compiled = torch.compile(lambda s: rule(s, h, 0.5), backend="eager")
    assert torch.equal(compiled(scores), rule(scores, h, 0.5))


def test_simple_rules_are_one_graph() -> None:
    scores = torch.rand(3, 6)
    Topology.of(TAXA, scores.device)
    for rule in (threshold, top_down, bottom_up):
        compiled = torch.compile(
            lambda s, rule=rule: rule(s, TAXA, 0.5), backend="eager", fullgraph=True
        )
        assert torch.equal(compiled(scores), rule(scores, TAXA, 0.5))


def test_thresholds_with_another_default_device() -> None:
    scores, target = torch.rand(5, 6), TAXA.close(torch.rand(5, 6) > 0.7)
    expected = find_threshold(scores, target, TAXA), find_thresholds(scores, target, TAXA)
    with torch.device("meta"):
        assert find_threshold(scores, target, TAXA) == expected[0]
        assert torch.equal(find_thresholds(scores, target, TAXA), expected[1])


# Expected F.


def expectation_ratio(p: list[float], taken: set[int], counts: list[bool], beta: float) -> float:
    counted = [i for i in range(len(p)) if counts[i]]
    right = sum(p[i] for i in counted if i in taken)
    sizes = sum(i in taken for i in counted) + beta**2 * sum(p[i] for i in counted)
    return (1 + beta**2) * right / sizes if sizes else 0.0


def closed_sets(p: Problem) -> set[frozenset[int]]:
    picked = chain.from_iterable(combinations(range(p.n), k) for k in range(p.n + 1))
    return {frozenset().union(*(p.above[i] for i in some)) for some in picked}


@given(data=st.data())
def test_expected_f_is_the_best_of_all_closed_sets(data: st.DataObject) -> None:
    p = data.draw(hl.hierarchies(max_size=6))
    grid = st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.8, 1.0])
    raw = torch.tensor(data.draw(st.lists(grid, min_size=p.n, max_size=p.n)), dtype=torch.float64)
    chances = HF.mcm(raw, p.hierarchy)
    counts = data.draw(st.lists(st.booleans(), min_size=p.n, max_size=p.n))
    beta = data.draw(st.sampled_from([0.5, 1.0, 2.0]))
    for kept in (counts, [True] * p.n):
        decided = expected_f(chances, p.hierarchy, torch.tensor(kept), beta=beta)
        value = partial(expectation_ratio, chances.tolist(), counts=kept, beta=beta)
        taken = set(decided.nonzero()[:, 0].tolist())
        assert is_closed(p, decided[None])
        assert_close(value(taken), max(value(some) for some in closed_sets(p)))


@given(data=st.data())
def test_micro_expected_f_is_the_best_of_all_samples_together(data: st.DataObject) -> None:
    p = data.draw(hl.hierarchies(max_size=4))
    grid = st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.8])
    raw = [data.draw(st.lists(grid, min_size=p.n, max_size=p.n)) for _ in range(2)]
    chances = HF.mcm(torch.tensor(raw, dtype=torch.float64), p.hierarchy)
    decided = expected_f(chances, p.hierarchy, average="micro")
    value = partial(expectation_ratio, chances.flatten().tolist(), counts=[True] * 2 * p.n, beta=1)
    taken = set(decided.flatten().nonzero()[:, 0].tolist())
    sets = closed_sets(p)
    pairs = [a | {i + p.n for i in b} for a in sets for b in sets]
    assert is_closed(p, decided)
    assert_close(value(taken), max(value(pair) for pair in pairs))


def test_expected_f_by_hand() -> None:
    h = Hierarchy.from_paths(["a/b", "a/c"])
    # F is 2 * 0.9 / 2.7, 2 * 1.5 / 3.7 and 2 * 1.7 / 4.7 for one, two and three classes.
    p = torch.tensor([[0.9, 0.6, 0.2], [0.9, 0.9, 0.9], [0.1, 0.01, 0.0], [0.0, 0.0, 0.0]])
    expected = [[1, 1, 0], [1, 1, 1], [1, 0, 0], [0, 0, 0]]
    assert expected_f(p, h).int().tolist() == expected
    assert expected_f(p.view(2, 2, 3), h).int().view(4, 3).tolist() == expected
    assert expected_f(p[0], h).int().tolist() == expected[0]
    assert expected_f(p.half(), h).int().tolist() == expected
    assert expected_f(p[:0], h).shape == expected_f(p[:0], h, average="micro").shape == (0, 3)
    assert not expected_f(p, h, torch.zeros(3, dtype=torch.bool)).any()


def test_expected_f_wants_coherent_probabilities() -> None:
    h = Hierarchy.from_paths(["a/b"])
    with pytest.raises(ValueError, match=r"probabilities from 0 to 1, got 1.5; .*sigmoid"):
        expected_f(torch.tensor([1.5, 0.5]), h)
    with pytest.raises(ValueError, match="probabilities from 0 to 1, got nan"):
        expected_f(torch.tensor([torch.nan, 0.5]), h)
    with pytest.raises(ValueError, match=r"a class above one of its parents; MCM"):
        expected_f(torch.tensor([0.4, 0.5]), h)
    with pytest.raises(ValueError, match=r"an average of .* got 'samples'"):
        expected_f(torch.tensor([0.5, 0.5]), h, average="samples")


# Thresholds found on samples.


@st.composite
def validation(draw, max_size: int = 7) -> tuple[Problem, Tensor, Tensor, Tensor]:
    p = draw(hl.hierarchies(max_size))
    scores = draw(st.one_of(hl.tied_scores(p.n, 4), hl.distinct_scores(p.n, 4)))
    target = draw(hl.unknown_targets(p, 4))
    target[0, 0] = 1
    classes = torch.tensor(draw(st.lists(st.booleans(), min_size=p.n, max_size=p.n)))
    classes[0] = True
    return p, scores, target, classes


def candidates(scores: Tensor) -> list[float]:
    return [-math.inf, *scores.flatten().unique().tolist()]


@rules
@given(data=st.data())
def test_no_threshold_is_better_than_the_one_found(name: str, data: st.DataObject) -> None:
    p, scores, target, classes = data.draw(validation())
    beta = data.draw(st.sampled_from([0.5, 1.0, 2.0]))

    def f(t: float) -> float:
        decided = CLOSED[name](scores, p.hierarchy, t)
        return hierarchical_scores(decided, target, p.hierarchy, classes, beta=beta).f

    t = find_threshold(scores, target, p.hierarchy, classes, rule=name, beta=beta)
    values = {c: f(c) for c in candidates(scores)}
    assert_close(f(t), max(values.values()))
    fewest = max(c for c in values if math.isclose(values[c], max(values.values())))
    assert t >= fewest
    assert torch.equal(scores > t, scores > fewest)


@rules
@pytest.mark.parametrize("per", ["level", "class"])
@given(data=st.data())
def test_no_change_of_one_threshold_is_better(name: str, per: str, data: st.DataObject) -> None:
    p, scores, target, classes = data.draw(validation())
    h = p.hierarchy

    def f(t: float | Tensor) -> float:
        return hierarchical_scores(CLOSED[name](scores, h, t), target, h, classes).f

    t = find_thresholds(scores, target, h, classes, per=per, rule=name)
    assert t.shape == (p.n,)
    assert f(t) >= f(find_threshold(scores, target, h, classes, rule=name)) - 1e-12
    levels = torch.tensor(h.levels)
    groups = [levels == i for i in range(h.depth + 1)] if per == "level" else torch.eye(p.n).bool()
    for group in groups:
        assert len(t[group].unique()) == 1
        for other in candidates(scores[:, group]):
            assert f(torch.where(group, other, t)) <= f(t) + 1e-12


@pytest.mark.parametrize("per", ["level", "class"])
def test_thresholds_of_their_own_can_be_better(per: str) -> None:
    h = Hierarchy.from_parents([None, None, 0, 1])
    y = h.encode([["2"], ["3"], ["0"], []])
    levels = torch.tensor([[0.1, 0.0, 0.8, 0.6], [0.0, 0.1, 0.6, 0.8],
                           [0.1, 0.0, 0.6, 0.6], [0.0, 0.0, 0.6, 0.6]])  # fmt: skip
    t = find_thresholds(levels, y, h, per=per, rule="top_down")
    assert_close(t[:3], torch.tensor([0.05, 0.05, 0.7]))
    assert torch.equal(top_down(levels, h, t), y)
    one = find_threshold(levels, y, h, rule="top_down")
    assert not torch.equal(top_down(levels, h, one), y)


def test_found_thresholds_are_in_the_middle() -> None:
    h = Hierarchy.from_edges([], names=["a"])
    s = torch.tensor([[0.25], [0.5], [1.0]])
    for y, t in (([0, 0, 1], 0.75), ([0, 1, 1], 0.375)):
        assert find_threshold(s, torch.tensor(y)[:, None], h) == t
    everything = find_threshold(s, torch.ones(3, 1), h)
    assert 0.2499 < everything < 0.25
    assert find_threshold(s, torch.zeros(3, 1), h) == 1.0
    low = torch.tensor([[1.0]])
    for _ in range(2):  # their middle is rounded down, then up
        high = torch.nextafter(low, torch.tensor(2.0))
        t = find_threshold(torch.cat([high, low]), torch.tensor([[1], [0]]), h)
        assert threshold(torch.cat([high, low]), h, t).tolist() == [[True], [False]]
        low = high


def test_a_class_without_difference_keeps_its_threshold() -> None:
    h = Hierarchy.from_edges([], names=["a", "b"])
    s = torch.tensor([[0.9, 0.2], [0.1, 0.3]])
    y = torch.tensor([[1, -1], [0, -1]])
    assert find_thresholds(s, y, h).tolist() == [find_threshold(s, y, h)] * 2 == [0.5, 0.5]


def test_the_search_takes_what_losses_take() -> None:
    h = Hierarchy.from_paths(["a/b", "a/c"])
    s = torch.tensor([[0.9, 0.4, 0.5], [0.8, 0.2, 0.7], [0.1, 0.1, 0.1]], requires_grad=True)
    y = h.encode([["a/b"], ["a/c"], []])
    expected = find_thresholds(s, y, h)
    nan = torch.cat([y.float(), torch.full((1, 3), torch.nan)]).view(2, 2, 3)
    more = torch.cat([s, torch.zeros(1, 3)]).view(2, 2, 3)
    assert torch.equal(find_thresholds(more, nan, h), expected)
    assert torch.equal(find_thresholds(s, y.to_sparse(), h), expected)
    half = find_thresholds(s.bfloat16(), y, h)
    assert half.dtype == torch.float32
    assert torch.equal(bottom_up(s.bfloat16(), h, half), y)
    assert find_thresholds(s.double(), y, h).dtype == torch.float64


def test_the_search_closes_targets() -> None:
    h = Hierarchy.from_paths(["a/b/c"])
    s = torch.tensor([[0.9, 0.8, 0.7], [0.85, 0.75, 0.72], [0.71, 0.71, 0.71]])
    leaf = torch.tensor([[0, 0, 1], [0, 0, 0], [0, 0, 0]])
    assert_close(find_threshold(s, leaf, h), 0.775)
    assert find_threshold(s, leaf, h) == find_threshold(s, h.close(leaf), h)


@pytest.mark.parametrize("beta", [-1.0, torch.nan, torch.inf])
def test_beta_is_finite_and_not_negative(beta: float) -> None:
    h = Hierarchy.from_paths(["a/b"])
    p, y = torch.tensor([[0.5, 0.4]]), torch.tensor([[1, 0]])
    for search in (find_threshold, find_thresholds):
        search(p, y, h, beta=0)
        with pytest.raises(ValueError, match=f"a finite beta of 0 or more, got {beta}"):
            search(p, y, h, beta=beta)
    assert expected_f(p, h, beta=0).tolist() == [[True, False]]
    with pytest.raises(ValueError, match=f"a finite beta of 0 or more, got {beta}"):
        expected_f(p, h, beta=beta)


def test_a_search_says_what_it_expects() -> None:
    h = Hierarchy.from_paths(["a/b"])
    s, y = torch.tensor([[0.5, 0.4]]), torch.tensor([[1, 0]])
    for search in (find_threshold, find_thresholds):
        with pytest.raises(ValueError, match="scores that are finite, got NaN or infinity"):
            search(s * torch.nan, y, h)
        with pytest.raises(ValueError, match=r"a rule of .* got 'threshold'"):
            search(s, y, h, rule="threshold")
        with pytest.raises(ValueError, match=r"a target of shape \(1, 2\), got \(2,\)"):
            search(s, y[0], h)
        with pytest.raises(ValueError, match="known labels, got none that counts"):
            search(s, torch.full((1, 2), -1), h)
        with pytest.raises(TypeError, match="classes of bool"):
            search(s, y, h, torch.ones(2))
        with pytest.raises(TypeError, match=r"floating point type, got torch.int64"):
            search(y, y, h)
    with pytest.raises(ValueError, match=r"thresholds per .* got 'sample'"):
        find_thresholds(s, y, h, per="sample")


# The full Gene Ontology.


@pytest.mark.slow
@pytest.mark.parametrize("rule", [threshold, *CLOSING.values()])
def test_rules_on_the_gene_ontology(go: Hierarchy, rule) -> None:
    scores = torch.randn(8, len(go)) + 1 - torch.tensor(go.levels) / 6
    decided = rule(HF.mcm(scores, go) if rule is threshold else scores, go, 1.0)
    assert decided.any()
    assert torch.equal(go.close(decided), decided)


@pytest.mark.slow
def test_expected_f_on_the_gene_ontology(go: Hierarchy) -> None:
    chances = HF.mcm((torch.randn(8, len(go)) - 6).sigmoid(), go)
    decided = expected_f(chances, go)
    assert decided.any(1).all()
    assert torch.equal(go.close(decided), decided)
    best = (
        2 * chances.double().where(decided, 0).sum(1) / (decided.sum(1) + chances.double().sum(1))
    )
    assert torch.equal(decided, chances.double() > best[:, None] / 2)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "per"), [("bottom_up", "class"), ("top_down", "level")])
def test_thresholds_on_the_gene_ontology(go: Hierarchy, name: str, per: str) -> None:
    target = go.encode([[go.names[i] for i in torch.randint(len(go), (5,))] for _ in range(4)])
    scores = torch.randn(4, len(go)) + 3 * target
    one = find_threshold(scores, target, go, rule=name)
    many = find_thresholds(scores, target, go, per=per, rule=name)
    first, second = (
        hierarchical_scores(CLOSED[name](scores, go, t), target, go).f for t in (one, many)
    )
    assert first < second


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@given(data=st.data())
def test_a_gpu_decides_alike(data: st.DataObject) -> None:
    p, scores = data.draw(problems())
    t, h = data.draw(cuts(p.n)), p.hierarchy
    for rule in (threshold, *CLOSING.values()):
        assert torch.equal(rule(scores.cuda(), h, t).cpu(), rule(scores, h, t))
    chances = HF.mcm(scores.nan_to_num().sigmoid(), h)
    assert torch.equal(expected_f(chances.cuda(), h).cpu(), expected_f(chances, h))
    target = data.draw(hl.targets(p))
    found = find_thresholds(chances.cuda(), target.cuda(), h)
    assert torch.equal(found.cpu(), find_thresholds(chances, target, h))
    assert found.is_cuda
