"""Laws of the losses."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck
from torch.testing import assert_close

import hierloss.functional as HF
import strategies as hl
from hierloss import Hierarchy, HybridLoss
from oracles import Problem, brute_force
from table import CLOSED, DAG, LOSSES, forms, losses


@losses
@forms
@given(data=st.data())
def test_equals_the_oracle(loss, oracle, from_logits: bool, data) -> None:
    p = data.draw(st.one_of(hl.hierarchies(), hl.extremes()))
    scores = data.draw(hl.tied_scores(p.n)) if p.n < 20 else torch.randn(2, p.n).double()
    scores = scores if from_logits else scores.sigmoid()
    target = data.draw(hl.unknown_targets(p) if p.n < 20 else hl.targets(p))
    rows = zip(scores.tolist(), target.tolist(), strict=True)
    expected = torch.tensor([oracle(p, s, y, from_logits) for s, y in rows], dtype=torch.float64)
    actual = loss(scores, target, p.hierarchy, from_logits=from_logits, reduction="none")
    assert_close(actual, expected)


@pytest.mark.parametrize("kind", ["mc", "lh"])
@given(data=st.data())
def test_equals_autograd_through_the_closure(kind: str, data) -> None:
    p = data.draw(hl.hierarchies())
    scores = data.draw(hl.distinct_scores(p.n)).requires_grad_()
    target = data.draw(hl.targets(p))
    weight = torch.rand(2, p.n, dtype=torch.float64)
    expected = brute_force(p, scores, target, kind)
    actual = LOSSES[kind][0](scores, target, p.hierarchy, reduction="none")
    assert_close(actual, expected)
    (by_hand,) = torch.autograd.grad((actual * weight).sum(), scores)
    (by_closure,) = torch.autograd.grad((expected * weight).sum(), scores)
    assert_close(by_hand, by_closure)


@losses
@given(data=st.data())
def test_is_bce_on_coherent_scores(loss, oracle, data) -> None:
    p = data.draw(hl.hierarchies())
    scores = HF.mcm(torch.randn(3, p.n, dtype=torch.float64), p.hierarchy)
    target = data.draw(hl.targets(p, 3))
    expected = F.binary_cross_entropy_with_logits(scores, target.double(), reduction="none")
    assert_close(loss(scores, target, p.hierarchy, reduction="none"), expected)


@given(data=st.data())
def test_mc_is_above_bce_on_negatives_and_below_on_positives_and_lh_the_other_way(data) -> None:
    p = data.draw(hl.hierarchies())
    scores = torch.randn(3, p.n, dtype=torch.float64)
    target = data.draw(hl.targets(p, 3))
    bce = F.binary_cross_entropy_with_logits(scores, target.double(), reduction="none")
    mc = HF.mc_loss(scores, target, p.hierarchy, reduction="none")
    lh = HF.lh_loss(scores, target, p.hierarchy, reduction="none")
    sign = 1.0 - 2.0 * target
    rounding = 1e-12
    assert ((mc - bce) * sign >= -rounding).all()
    assert ((lh - bce) * sign <= rounding).all()


@losses
@given(data=st.data())
def test_both_forms_agree(loss, oracle, data) -> None:
    p = data.draw(hl.hierarchies())
    scores = data.draw(hl.distinct_scores(p.n)).requires_grad_()
    target = data.draw(hl.unknown_targets(p))
    logits = loss(scores, target, p.hierarchy, reduction="sum")
    probabilities = loss(scores.sigmoid(), target, p.hierarchy, from_logits=False, reduction="sum")
    assert_close(logits, probabilities)
    by_logits = torch.autograd.grad(logits, scores)
    assert_close(by_logits, torch.autograd.grad(probabilities, scores))


@losses
@given(data=st.data())
def test_reductions_agree(loss, oracle, data) -> None:
    p = data.draw(hl.hierarchies())
    scores = data.draw(hl.distinct_scores(p.n))
    target = data.draw(hl.unknown_targets(p))
    reduced = {
        r: loss(scores, target, p.hierarchy, reduction=r)
        for r in ("none", "sum", "mean", "batchmean")
    }
    total = reduced["none"].sum()
    assert_close(reduced["sum"], total)
    assert_close(reduced["mean"], total / max(1, int((target >= 0).sum())))
    assert_close(reduced["batchmean"], total / 2)


@losses
@given(data=st.data())
def test_permuting_the_columns_permutes_the_loss(loss, oracle, data) -> None:
    p = data.draw(hl.hierarchies())
    order = torch.tensor(data.draw(st.permutations(range(p.n))))
    h = p.hierarchy
    permuted = Hierarchy.from_edges(h.edges, names=[h.names[i] for i in order])
    scores, target = data.draw(hl.distinct_scores(p.n)), data.draw(hl.unknown_targets(p))
    expected = loss(scores, target, h, reduction="none")[:, order]
    actual = loss(scores[:, order], target[:, order], permuted, reduction="none")
    assert_close(actual, expected)


@losses
@given(data=st.data())
def test_samples_do_not_touch_each_other(loss, oracle, data) -> None:
    p = data.draw(hl.hierarchies())
    scores, target = torch.randn(3, p.n), data.draw(hl.unknown_targets(p, 3))
    rows = [loss(s, y, p.hierarchy, reduction="none") for s, y in zip(scores, target, strict=True)]
    assert_close(loss(scores, target, p.hierarchy, reduction="none"), torch.stack(rows))


@losses
@given(data=st.data())
def test_weights_repeat_classes_and_samples(loss, oracle, data) -> None:
    p = data.draw(hl.hierarchies())
    scores, target = data.draw(hl.distinct_scores(p.n)), data.draw(hl.unknown_targets(p))
    times = torch.tensor(data.draw(st.lists(st.integers(0, 3), min_size=p.n, max_size=p.n)))
    terms = loss(scores, target, p.hierarchy, reduction="none")
    repeated = torch.cat([terms[:, [i]].expand(-1, k) for i, k in enumerate(times.tolist())], 1)
    weighted = loss(scores, target, p.hierarchy, reduction="sum", weight=times.double())
    assert_close(weighted, repeated.sum())
    by_sample = torch.tensor([2.0, 0.0])
    weighted = loss(scores, target, p.hierarchy, reduction="sum", sample_weight=by_sample)
    assert_close(weighted, 2 * terms[0].sum())


@losses
@given(data=st.data())
def test_pos_weight_scales_positive_terms_only(loss, oracle, data) -> None:
    p = data.draw(hl.hierarchies())
    scores, target = data.draw(hl.distinct_scores(p.n)), data.draw(hl.targets(p))
    pos_weight = torch.rand(p.n, dtype=torch.float64) * 3
    terms = loss(scores, target, p.hierarchy, reduction="none")
    expected = torch.where(target == 1, pos_weight * terms, terms)
    actual = loss(scores, target, p.hierarchy, reduction="none", pos_weight=pos_weight)
    assert_close(actual, expected)


@losses
@forms
@given(data=st.data())
def test_gradcheck(loss, oracle, from_logits: bool, data) -> None:
    p = data.draw(hl.hierarchies(6))
    scores = data.draw(hl.distinct_scores(p.n))
    scores = (scores if from_logits else scores.sigmoid()).requires_grad_()
    target = data.draw(hl.unknown_targets(p))
    weight = torch.rand(p.n, dtype=torch.float64) + 0.1

    def weighted(x: Tensor) -> Tensor:
        return loss(x, target, p.hierarchy, from_logits=from_logits, weight=weight)

    assert gradcheck(weighted, [scores])
    assert gradgradcheck(weighted, [scores])


@losses
@forms
def test_nan_reaches_every_class_it_can_decide(loss, oracle, from_logits: bool) -> None:
    h = Hierarchy.from_parents([None, 0, 1, 0])
    target = torch.tensor([1, 1, 0, 0])
    scores = torch.full((4,), 0.5, dtype=torch.float64)
    scores[1] = torch.nan
    expected = {HF.mc_loss: [True, True, False, False], HF.lh_loss: [False, True, True, False]}
    scores.requires_grad_()
    terms = loss(scores, target, h, from_logits=from_logits, reduction="none")
    assert terms.isnan().tolist() == expected.get(loss, [True, True, True, False])
    terms.sum().backward()
    assert scores.grad.isnan().tolist() == [False, True, False, False]


def test_nan_of_a_negative_child_cannot_decide_a_positive_parent() -> None:
    h = Hierarchy.from_parents([None, 0])
    terms = HF.mc_loss(torch.tensor([0.5, torch.nan]), torch.tensor([1, 0]), h, reduction="none")
    assert terms.isnan().tolist() == [False, True]


def test_local_input_goes_to_lh_loss_and_input_to_mc_loss() -> None:
    scores, local = torch.randn(3, 5), torch.randn(3, 5)
    expected = 0.3 * HF.mc_loss(scores, CLOSED, DAG) + 0.7 * HF.lh_loss(local, CLOSED, DAG)
    criterion = HybridLoss(DAG, balance=0.3)
    assert_close(criterion(scores, CLOSED, local_input=local), expected)


@losses
@given(data=st.data())
def test_a_weight_of_two_is_a_class_that_is_there_twice(loss, oracle, data) -> None:
    p = data.draw(hl.hierarchies(8))
    a = data.draw(st.integers(0, p.n - 1))
    twin = {(p.n, parent) for parent in p.parents[a]} | {(child, p.n) for child in p.children[a]}
    twice = Problem(p.n + 1, p.edges | twin)
    columns = [*range(p.n), a]
    scores, target = data.draw(hl.distinct_scores(p.n)), data.draw(hl.targets(p))
    weight = torch.ones(p.n, dtype=torch.float64)
    weight[a] = 2
    expected = loss(scores[:, columns], target[:, columns], twice.hierarchy, reduction="sum")
    assert_close(loss(scores, target, p.hierarchy, reduction="sum", weight=weight), expected)


@losses
@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_weight_zero_leaves_out_whatever_decides(loss, oracle, value: float) -> None:
    h = Hierarchy.from_parents([None, None])
    scores = torch.tensor([[0.3, value], [0.3, value]], requires_grad=True)
    target = torch.tensor([[1, 0], [1, 1]])
    result = loss(scores, target, h, reduction="sum", weight=torch.tensor([1.0, 0.0]))
    (gradient,) = torch.autograd.grad(result, scores)
    assert_close(result, 2 * F.softplus(torch.tensor(-0.3)))
    assert gradient[:, 1].tolist() == [0, 0]


@losses
@pytest.mark.parametrize("reduction", ["mean", "batchmean", "none"])
def test_sample_weight_goes_with_every_reduction(loss, oracle, reduction) -> None:
    scores, by_sample = torch.randn(3, 5), torch.tensor([2.0, 0.0, 1.0])
    terms = loss(scores, CLOSED, DAG, reduction="none") * by_sample[:, None]
    expected = {"mean": terms.mean(), "batchmean": terms.sum() / 3, "none": terms}[reduction]
    actual = loss(scores, CLOSED, DAG, reduction=reduction, sample_weight=by_sample)
    assert_close(actual, expected)


def test_local_input_takes_the_gradient_of_lh_loss() -> None:
    scores, local = (torch.randn(3, 5, requires_grad=True) for _ in range(2))
    total = HF.hybrid_loss(scores, CLOSED, DAG, local_input=local, reduction="sum")
    by_scores, by_local = torch.autograd.grad(total, (scores, local))
    parts = (HF.mc_loss, scores, by_scores), (HF.lh_loss, local, by_local)
    for loss, x, gradient in parts:
        (alone,) = torch.autograd.grad(loss(x, CLOSED, DAG, reduction="sum"), x)
        assert_close(gradient, alone / 2)


@losses
@pytest.mark.parametrize("from_logits", [True, False], ids=["logits", "probabilities"])
@pytest.mark.parametrize("what", ["weight", "pos_weight", "sample_weight"])
def test_a_factor_of_0_has_a_gradient(loss, oracle, from_logits: bool, what: str) -> None:
    """So that weights can be learned from 0 on."""
    scores = torch.rand(3, 5, dtype=torch.float64)
    terms = loss(scores, CLOSED, DAG, from_logits=from_logits, reduction="none")
    expected = {
        "weight": terms.sum(0),
        "pos_weight": (terms * CLOSED).sum(0),
        "sample_weight": terms.sum(1),
    }[what]

    def total(factor: Tensor) -> Tensor:
        options = {"from_logits": from_logits, "reduction": "sum", what: factor}
        return loss(scores, CLOSED, DAG, **options)

    factor = torch.zeros_like(expected, requires_grad=True)
    (gradient,) = torch.autograd.grad(total(factor), factor)
    assert_close(gradient, expected)
    assert_close(torch.func.grad(total)(factor.detach()), expected)


def test_scores_are_dense() -> None:
    for call in (HF.mcm, HF.lmc, lambda x, h: HF.mc_loss(x, CLOSED, h)):
        with pytest.raises(TypeError, match="a dense Tensor, got a sparse one"):
            call(torch.ones(3, 5).to_sparse(), DAG)


def test_a_balance_may_be_a_number_of_numpy() -> None:
    scores = torch.randn(3, 5)
    expected = HybridLoss(DAG, balance=0.25)(scores, CLOSED)
    assert_close(HybridLoss(DAG, balance=np.float32(0.25))(scores, CLOSED), expected)
