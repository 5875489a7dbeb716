"""The measures of CAFA: known values, sets and loops, laws."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

import strategies as hl
from hierloss import MCM, Hierarchy
from hierloss import cafa as module
from hierloss.cafa import Curve, coverage, curve, fmax, smin
from oracles import Problem

H = Hierarchy.from_edges(
    [("A", "R"), ("B", "R"), ("C", "A"), ("C", "B"), ("D", "A")], names=list("RABCD")
)
Y = H.encode([["C"], ["D"], ["B"]])
SCORES = torch.tensor(
    [[0, 0, 0, 0.9, 0.4], [0, 0.8, 0, 0.3, 0], [0, 0, 0.5, 0, 0.6]], dtype=torch.float64
)
INFORMATION = torch.tensor([0, 0.585, 0.585, 1, 1.585], dtype=torch.float64)
TENTHS = torch.arange(1, 10, dtype=torch.float64) / 10
BELOW = torch.tensor([False, True, True, True, True])


@pytest.mark.parametrize(
    ("classes", "f", "micro", "s"),
    [(None, 0.8602150538, 0.8421052632, 0.7453559925), (BELOW, 0.8045977011, 0.8, 2 / 3)],
)
def test_known_values(classes: Tensor | None, f: float, micro: float, s: float) -> None:
    found = curve(SCORES, Y, H, classes, thresholds=TENTHS)
    assert_close(float(found.f.max()), f)
    assert found.thresholds[found.f.argmax()] == 0.5
    assert_close(float(found.s.min()), s)
    assert_close(fmax(SCORES, Y, H, classes, thresholds=TENTHS), f)
    assert_close(fmax(SCORES, Y, H, classes, thresholds=TENTHS, average="micro"), micro)


@pytest.mark.parametrize("classes", [None, BELOW])
def test_known_values_with_information(classes: Tensor | None) -> None:
    options = {"information": INFORMATION, "thresholds": TENTHS}
    assert_close(fmax(SCORES, Y, H, classes, **options), 0.7468658865)
    assert_close(fmax(SCORES, Y, H, classes, average="micro", **options), 0.7174479167)
    assert_close(smin(SCORES, Y, H, classes, **options), 0.7233333333)
    found = curve(SCORES, Y, H, classes, **options)
    assert found.thresholds[found.s.argmin()] in (0.6, 0.7)  # equal, for no score is between
    assert_close(found.remaining[6].item(), 0.7233333333)
    assert found.misinformation[6] == 0


def test_coverage_by_hand() -> None:
    for threshold, expected in ((0.3, 1.0), (0.6, 1.0), (0.61, 2 / 3), (0.9, 1 / 3), (0.91, 0.0)):
        assert_close(coverage(SCORES, Y, H, threshold=threshold), expected)


def test_a_score_reaches_a_threshold_that_it_equals_in_any_type() -> None:
    h = Hierarchy.from_parents([None])
    for dtype in (torch.float64, torch.float32, torch.bfloat16):
        scores = (torch.arange(1, 100, dtype=torch.float64) / 100).to(dtype)[:, None]
        found = curve(scores, torch.ones(99, 1), h)
        assert_close(found.coverage, torch.arange(99, 0, -1, dtype=torch.float64) / 99)
        if dtype == torch.float32:
            assert coverage(torch.tensor([[0.7]]), torch.ones(1, 1), h, threshold=0.7) == 1


def measures(
    p: Problem, scores: Tensor, target: Tensor, threshold: float, weight: list[float]
) -> dict[str, float]:
    """The measures at one threshold, from sets; a class of weight 0 does not count."""
    rows = []
    for row, labels in zip(scores.tolist(), target.tolist(), strict=True):
        known = {j for j in range(p.n) if labels[j] >= 0 and weight[j] > 0}
        above = {j for i, y in enumerate(labels) if y == 1 for j in p.above[i]}
        true = known & above
        predicted = known & {j for i, s in enumerate(row) if s >= threshold for j in p.above[i]}
        if true:
            size = [sum(weight[j] for j in s) for s in (true & predicted, predicted, true)]
            lost, wrong = (sum(weight[j] for j in s) for s in (true - predicted, predicted - true))
            rows.append((*size, lost, wrong))
    n = len(rows)
    covered = [r for r in rows if r[1] > 0]
    tp, predicted, true = (sum(r[i] for r in rows) for i in range(3))
    return {
        "precision": sum(r[0] / r[1] for r in covered) / len(covered) if covered else 0.0,
        "recall": sum(r[0] / r[2] for r in rows) / n if n else math.nan,
        "coverage": len(covered) / n if n else math.nan,
        "remaining": sum(r[3] for r in rows) / n if n else math.nan,
        "misinformation": sum(r[4] for r in rows) / n if n else math.nan,
        "micro_precision": tp / predicted if predicted else 0.0,
        "micro_recall": tp / true if true else math.nan,
    }


@given(data=st.data())
def test_curves_equal_sets(data: st.DataObject) -> None:
    p = data.draw(hl.hierarchies())
    scores, target = data.draw(hl.tied_scores(p.n, 3)), data.draw(hl.unknown_targets(p, 3))
    thresholds = [-1.0, -0.5, 0.0, 1.0, 2.0]
    weights = st.sampled_from([0.0, 0.5, 1.0, 2.25])
    weight = data.draw(st.lists(weights, min_size=p.n, max_size=p.n))
    counts = [data.draw(st.booleans()) for _ in range(p.n)]
    grid = torch.tensor(thresholds)
    for information in (None, torch.tensor(weight)):
        used = [
            c * (1.0 if information is None else w) for w, c in zip(weight, counts, strict=True)
        ]
        for prefix, average in (("", "macro"), ("micro_", "micro")):
            found = curve(
                scores,
                target,
                p.hierarchy,
                torch.tensor(counts),
                information=information,
                thresholds=grid,
                average=average,
            )
            expected = [measures(p, scores, target, t, used) for t in thresholds]
            for name in ("precision", "recall", "coverage", "remaining", "misinformation"):
                key = prefix + name if prefix + name in expected[0] else name
                wanted = torch.tensor([e[key] for e in expected], dtype=torch.float64)
                assert_close(getattr(found, name), wanted, equal_nan=True)


def test_samples_in_blocks_come_to_the_same(monkeypatch) -> None:
    scores, target = SCORES.repeat(3, 1, 1), Y.repeat(3, 1, 1)
    whole = curve(scores, target, H)
    monkeypatch.setattr(module, "BLOCK", 10)
    assert_close(curve(scores, target, H), whole)


def test_coherent_scores_give_the_same() -> None:
    assert_close(curve(MCM(H)(SCORES), Y, H), curve(SCORES, Y, H))
    perfect = Y.double()
    assert fmax(perfect, Y, H) == 1
    assert smin(perfect, Y, H, information=INFORMATION) == 0
    assert coverage(perfect, Y, H) == 1


def test_unknown_labels_do_not_count() -> None:
    target = torch.tensor([[1, 1, -1, -1, 0], [-1, -1, -1, -1, -1]])
    scores = torch.tensor([[0.9, 0.6, 0.9, 0.1, 0.2], [0.9, 0.9, 0.9, 0.9, 0.9]])
    nan = target.float().masked_fill(target < 0, torch.nan)
    for y in (target, nan):
        assert fmax(scores, y, H) == 1
        assert coverage(scores, y, H, threshold=0.95) == 0


def test_nothing_positive_is_nan() -> None:
    for y, s in ((torch.zeros(3, 5), SCORES), (torch.zeros(0, 5), SCORES[:0])):
        values = fmax(s, y, H), smin(s, y, H, information=INFORMATION), coverage(s, y, H)
        assert all(map(math.isnan, values))
        assert math.isnan(fmax(s, y, H, average="micro"))
    assert math.isnan(fmax(SCORES, Y, H, information=torch.zeros(5)))


def test_wrong_input_says_what_was_expected() -> None:
    with pytest.raises(ValueError, match=r"expected probabilities, got scores from -2 to 3; apply"):
        fmax(torch.tensor([[-2.0, 3, 0, 0, 0]]), Y[:1], H)
    assert fmax(torch.tensor([[-2.0, 3, 0, 0, 0]]), Y[:1], H, thresholds=torch.zeros(1)) > 0
    with pytest.raises(ValueError, match=r"scores of shape \(3, 5\), got \(1, 5\)"):
        fmax(SCORES[:1], Y, H)
    with pytest.raises(ValueError, match="scores that are numbers, got NaN"):
        fmax(SCORES * torch.nan, Y, H)
    for wrong in (TENTHS.flip(0), TENTHS[:0], TENTHS[None], TENTHS[[0, 0]]):
        with pytest.raises(ValueError, match="expected ascending thresholds in one dimension"):
            fmax(SCORES, Y, H, thresholds=wrong)
    with pytest.raises(TypeError, match="thresholds that is a Tensor, got list"):
        fmax(SCORES, Y, H, thresholds=[0.5])
    with pytest.raises(ValueError, match=r"information, a number for each class, of shape \(5,\)"):
        smin(SCORES, Y, H, information=INFORMATION[:4])
    for bad in (-1.0, torch.nan, torch.inf):
        with pytest.raises(ValueError, match="expected information of 0 or more, got"):
            smin(SCORES, Y, H, information=torch.tensor([0, 0, 0, 0, bad]))
    with pytest.raises(
        TypeError, match="expected information, a number for each class, got a mask"
    ):
        smin(SCORES, Y, H, information=torch.ones(5, dtype=torch.bool))
    with pytest.raises(ValueError, match=r"expected an average of .* got 'cafa'"):
        fmax(SCORES, Y, H, average="cafa")
    with pytest.raises(TypeError, match="expected scores that is a Tensor"):
        fmax([0.5], Y, H)


def test_curves_take_any_shape_and_type() -> None:
    expected = fmax(SCORES, Y, H)
    assert_close(fmax(SCORES.view(3, 1, 5), Y.view(3, 1, 5), H), expected)
    assert_close(fmax(SCORES.float(), Y.to_sparse(), H), expected)
    assert_close(fmax(SCORES.clone().requires_grad_(), Y.float(), H), expected)
    assert isinstance(curve(SCORES, Y, H), Curve)
