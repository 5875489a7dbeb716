"""The metrics: known values, a slow oracle, laws."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

import strategies as hl
from hierloss import Hierarchy, _counts
from hierloss.metrics import (
    average_precision,
    hierarchical_scores,
    interpolated_auprc,
    level_scores,
    violation_rate,
)

Y = [1, 0, 1, 1, 0, 0, 1, 0]
MATRIX = torch.tensor([[1, 1, 0, 0], [1, 0, 1, 0], [1, 1, 0, 0]])
SCORES = torch.tensor([[0.9, 0.6, 0.2, 0.1], [0.8, 0.3, 0.7, 0.2], [0.7, 0.6, 0.4, 0.65]])
areas = pytest.mark.parametrize("area", [average_precision, interpolated_auprc])


def column(values: list[float]) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)[:, None]


@pytest.mark.parametrize(
    ("scores", "step", "clus"),
    [
        ([0.9, 0.8, 0.7, 0.6, 0.55, 0.5, 0.4, 0.1], 0.7470238095, 0.7068452381),
        ([0.9, 0.8, 0.8, 0.8, 0.5, 0.5, 0.5, 0.1], 0.7678571429, 0.8339285714),
        ([0.5] * 8, 0.5, 0.5),
    ],
)
def test_known_areas(scores: list[float], step: float, clus: float) -> None:
    target = column(Y)
    assert_close(average_precision(column(scores), target), step)
    assert_close(interpolated_auprc(column(scores), target), clus)


def test_only_clus_drops_classes_without_positives() -> None:
    some = torch.tensor([True, True, True, False])
    assert_close(average_precision(SCORES, MATRIX), 0.9523809524)
    assert_close(average_precision(SCORES, MATRIX, some), 1.0)
    assert_close(interpolated_auprc(SCORES, MATRIX), 1.0)
    assert_close(interpolated_auprc(SCORES.reshape(-1, 1), MATRIX.reshape(-1, 1)), 0.9436507937)
    assert_close(interpolated_auprc(SCORES, MATRIX, torch.tensor([False, True, True, True])), 1.0)


def test_a_negative_above_all_positives_starts_the_curve_at_precision_0() -> None:
    # Thresholds (TP, FP) are (0, 1) and (1, 1): from precision 0 to 1/2 over the whole recall.
    assert_close(interpolated_auprc(column([0.9, 0.1]), column([0, 1])), 0.25)
    assert_close(average_precision(column([0.9, 0.1]), column([0, 1])), 0.5)


def by_thresholds(scores: list[float], labels: list[int]) -> tuple[float, float]:
    """Both areas, from a walk over the thresholds, and over the positives between them."""
    total = sum(labels)
    tp = fp = 0.0
    step = clus = 0.0
    for threshold in sorted(set(scores), reverse=True):
        here = [y for s, y in zip(scores, labels, strict=True) if s == threshold]
        gained, wrong = sum(here), len(here) - sum(here)
        for i in range(gained):
            ends = []
            for k in (i, i + 1):
                f = fp + wrong * k / gained
                ends.append((tp + k) / (tp + k + f) if tp + k + f else None)
            clus += ((ends[1] if ends[0] is None else ends[0]) + ends[1]) / 2 / total
        tp, fp = tp + gained, fp + wrong
        step += gained / total * tp / (tp + fp)
    return step, clus


@given(data=st.data())
def test_areas_equal_a_walk_over_the_thresholds(data: st.DataObject) -> None:
    p = data.draw(hl.hierarchies())
    scores = data.draw(st.one_of(hl.tied_scores(p.n, 3), hl.distinct_scores(p.n, 3)))
    target = data.draw(hl.targets(p, 3))
    target[0, data.draw(st.integers(0, p.n - 1))] = 1
    step, _ = by_thresholds(scores.flatten().tolist(), target.flatten().tolist())
    assert_close(average_precision(scores, target), step)
    kept = target.any(0)
    _, clus = by_thresholds(scores[:, kept].flatten().tolist(), target[:, kept].flatten().tolist())
    assert_close(interpolated_auprc(scores, target), clus)


@areas
@given(data=st.data())
def test_areas_follow_the_order_of_the_scores_only(area, data: st.DataObject) -> None:
    p = data.draw(hl.hierarchies())
    scores, target = data.draw(hl.tied_scores(p.n)), data.draw(hl.targets(p))
    target[0, 0] = 1
    assert_close(area(scores.sigmoid(), target), area(scores, target))
    assert 0 < area(scores, target) <= 1
    assert_close(area(target.double(), target), 1.0)


@given(data=st.data())
def test_average_precision_equals_that_of_scikit_learn(data: st.DataObject) -> None:
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is missing")
    p = data.draw(hl.hierarchies())
    scores, target = data.draw(hl.tied_scores(p.n)), data.draw(hl.targets(p))
    target[0, 0] = 1
    expected = metrics.average_precision_score(target.ravel(), scores.ravel())
    assert_close(average_precision(scores, target), expected, rtol=1e-12, atol=0)


def test_average_precision_of_more_pairs_than_are_looked_up_at_once(monkeypatch) -> None:
    scores, target = torch.randn(50, 7).round(decimals=1), torch.rand(50, 7) > 0.8
    expected = average_precision(scores, target)
    monkeypatch.setattr(_counts, "PAIRS", 16)
    assert_close(average_precision(scores, target), expected, rtol=0, atol=0)


@areas
def test_unknown_labels_do_not_count(area) -> None:
    scores = torch.cat([SCORES, torch.tensor([[0.0, 1.0, 0.5, 0.2]])])
    unknown = torch.cat([MATRIX, torch.full((1, 4), -1)])
    assert_close(area(scores, unknown), area(SCORES, MATRIX))
    nan = unknown.float().masked_fill(unknown == -1, torch.nan)
    assert_close(area(scores, nan), area(SCORES, MATRIX))


@areas
def test_areas_without_positives_are_nan(area) -> None:
    assert math.isnan(area(SCORES, torch.zeros(3, 4)))
    assert math.isnan(area(SCORES, MATRIX, torch.zeros(4, dtype=torch.bool)))


@areas
def test_areas_take_any_shape_and_type(area) -> None:
    expected = area(SCORES, MATRIX)
    assert_close(area(SCORES.reshape(3, 1, 4), MATRIX.bool().reshape(3, 1, 4)), expected)
    assert_close(area(SCORES, MATRIX.to_sparse()), expected)
    assert_close(area(SCORES.clone().requires_grad_(), MATRIX), expected)
    assert_close(area(SCORES.bfloat16(), MATRIX), area(SCORES.bfloat16().float(), MATRIX))


@areas
def test_wrong_input_says_what_was_expected(area) -> None:
    with pytest.raises(ValueError, match=r"scores of shape \(3, 4\), got \(4,\)"):
        area(SCORES[0], MATRIX)
    with pytest.raises(TypeError, match="expected scores that is a Tensor, got list"):
        area([0.1], MATRIX)
    with pytest.raises(TypeError, match=r"classes of bool, such as weight > 0, got torch.float32"):
        average_precision(SCORES, MATRIX, torch.ones(4))
    with pytest.raises(ValueError, match="a bool for each class"):
        average_precision(SCORES, MATRIX, torch.ones(3, dtype=torch.bool))
    with pytest.raises(ValueError, match="scores that are numbers, got NaN"):
        area(SCORES * torch.nan, MATRIX)


def test_violation_rate() -> None:
    h = Hierarchy.from_parents([None, 0, 0, 1])
    scores = torch.tensor([[0.5, 0.6, 0.4, 0.7], [0.5, 0.5, 0.5, 0.5]])
    assert_close(violation_rate(scores, h), 2 / 6)
    assert violation_rate(scores, Hierarchy.from_edges([], names=list("abcd"))) == 0
    assert violation_rate(scores[:0], h) == 0
    below = torch.tensor([False, True, True, True])
    assert_close(violation_rate(scores, h, below), 1 / 2)
    assert violation_rate(scores, h, torch.tensor([True, False, False, False])) == 0
    with pytest.raises(ValueError, match="a bool for each class"):
        violation_rate(scores, h, below[:3])


def test_hierarchical_scores_by_hand() -> None:
    """Three chains of three classes; of two samples one is right and one shares nothing."""
    h = Hierarchy.from_parents([None, 0, 1, None, 3, 4, None, 6, 7])
    predicted, target = (h.encode([["2"], [leaf]]) for leaf in "85")
    for average in ("micro", "macro"):
        assert hierarchical_scores(predicted, target, h, average=average) == (0.5, 0.5, 0.5)
    rooted = Hierarchy.from_edges([*h.edges, *((root, "r") for root in h.roots)])
    predicted, target = (rooted.encode([["2"], [leaf]]) for leaf in "85")
    assert_close(hierarchical_scores(predicted, target, rooted).f, 5 / 8)
    below = torch.tensor([name != "r" for name in rooted])
    assert hierarchical_scores(predicted, target, rooted, below) == (0.5, 0.5, 0.5)


def test_hierarchical_scores_close_what_they_are_given() -> None:
    h = Hierarchy.from_parents([None, 0, 1])
    leaf, middle = torch.tensor([[0, 0, 1]]), torch.tensor([[0, 1, 0]])
    precision, recall, f = hierarchical_scores(leaf, middle, h, beta=2.0)
    assert_close((precision, recall), (2 / 3, 1.0))
    assert_close(f, 5 * (2 / 3) / (4 * 2 / 3 + 1))


def test_hierarchical_scores_of_nothing_are_0() -> None:
    h = Hierarchy.from_parents([None, 0])
    nothing, top = torch.zeros(1, 2), torch.tensor([[1, 0]])
    assert hierarchical_scores(nothing, top, h) == (0, 0, 0)
    assert hierarchical_scores(nothing, nothing, h, average="macro") == (0, 0, 0)
    unknown = torch.tensor([[1, -1]])
    assert hierarchical_scores(torch.ones(1, 2), unknown, h) == (1, 1, 1)
    with pytest.raises(ValueError, match=r"expected an average of .* got 'weighted'"):
        hierarchical_scores(top, top, h, average="weighted")
    assert hierarchical_scores(top.to_sparse(), top, h) == (1, 1, 1)
    for other in ([[0.2, 0.7]], [[1, -1]], [[1, torch.nan]]):
        with pytest.raises(ValueError, match="expected predictions of 0 and 1"):
            hierarchical_scores(torch.tensor(other), top, h)


@given(data=st.data())
def test_hierarchical_scores_equal_sets(data: st.DataObject) -> None:
    p = data.draw(hl.hierarchies())
    predicted, target = data.draw(hl.targets(p, 3)), data.draw(hl.targets(p, 3))
    sets = [
        [{i for i, y in enumerate(row) if y} for row in m.tolist()] for m in (predicted, target)
    ]
    both = sum(len(a & b) for a, b in zip(*sets, strict=True))
    sizes = [sum(map(len, s)) for s in sets]
    scores = hierarchical_scores(predicted, target, p.hierarchy)
    assert_close(scores.precision, both / sizes[0] if sizes[0] else 0.0)
    assert_close(scores.recall, both / sizes[1] if sizes[1] else 0.0)


def test_level_scores_by_hand() -> None:
    """A class whose parents are on two levels belongs to the level below the lower."""
    h = Hierarchy.from_parents([None, 0, (0, 1), None])
    predicted = torch.tensor([[0, 0, 1, 0], [0, 0, 0, 1]])
    target = torch.tensor([[0, 1, 0, 0], [0, 0, 0, 0]])
    top, middle, bottom = level_scores(predicted, target, h, beta=2.0)
    assert_close(top, (0.5, 1.0, 5 * 0.5 / (4 * 0.5 + 1)))
    assert middle == (1, 1, 1)
    assert bottom == (0, 0, 0)


@given(data=st.data())
def test_level_scores_are_those_of_the_classes_of_a_level(data: st.DataObject) -> None:
    p = data.draw(hl.hierarchies())
    predicted, target = data.draw(hl.targets(p, 3)), data.draw(hl.unknown_targets(p, 3))
    found = level_scores(predicted, target, p.hierarchy)
    assert len(found) == p.hierarchy.depth + 1
    levels = torch.tensor(p.hierarchy.levels)
    for level, scores in enumerate(found):
        assert_close(scores, hierarchical_scores(predicted, target, p.hierarchy, levels == level))


def test_a_single_sample_has_areas() -> None:
    scores, target = torch.tensor([0.9, 0.5, 0.4]), torch.tensor([1, 1, 0])
    assert interpolated_auprc(scores, target) == average_precision(scores, target) == 1


@areas
def test_what_is_no_label_is_no_unknown_one(area) -> None:
    h = Hierarchy.from_parents([None, 0, 0, (1, 2)])
    y = h.encode([["3"], ["1"], [], ["0"]]).float()
    p = torch.tensor([[1.0, 1, 0, 0], [1, 0.2, 0, 0], [0.4, 0.3, 0, 0], [1, 0, 0, 0]])
    for scores, target in ((y, p), (p, 2 * y - 1), (p, y + 1), (p, 0.7 * y)):
        with pytest.raises(ValueError, match="expected targets of 0, 1 or NaN"):
            area(scores, target)
    assert area(p, torch.where(y == 1, 1, -1)) == 1  # in integers -1 is unknown


@areas
def test_infinite_scores_have_their_places(area) -> None:
    target = torch.tensor([[1, 0, 0], [0, 1, 1]])
    scores = torch.tensor([[torch.inf, torch.inf, -torch.inf], [2.0, -torch.inf, 0.5]])
    finite = torch.tensor([[9.0, 9, -9], [2.0, -9, 0.5]])
    for rows in ([0, 1], [1, 0]):
        assert_close(area(scores[rows], target[rows]), area(finite, target))


def test_classes_and_beta_are_checked_and_no_samples_are_0() -> None:
    h = Hierarchy.from_paths(["a/b"])
    p, y = torch.rand(3, 2), torch.ones(3, 2)
    for area in (average_precision, interpolated_auprc):
        with pytest.raises(ValueError, match="a bool for each class"):
            area(p, y, torch.tensor([True]))
    for scores in (hierarchical_scores, level_scores):
        for beta in (-1.0, float("nan")):
            with pytest.raises(ValueError, match="beta"):
                scores(p > 0.5, y, h, beta=beta)
    for average in ("micro", "macro"):
        assert hierarchical_scores(p[:0] > 0.5, y[:0], h, average=average) == (0, 0, 0)
    with pytest.raises(TypeError, match="a dense Tensor, got a sparse one"):
        average_precision(p.to_sparse(), y)
