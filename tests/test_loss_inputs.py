"""What the losses take, what they refuse, and their modules."""

from __future__ import annotations

import math
import pickle

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

import hierloss.functional as HF
import strategies as hl
from hierloss import Hierarchy, HybridLoss, LHLoss, MCLoss
from table import CLOSED, DAG, losses


@losses
def test_unknown_targets_take_no_part(loss, oracle) -> None:
    h = Hierarchy.from_parents([None, 0, 0])
    scores = torch.tensor([0.1, torch.nan, 0.3], requires_grad=True)
    for target in (torch.tensor([1, -1, 0]), torch.tensor([1.0, torch.nan, 0.0])):
        result = loss(scores, target, h)
        (gradient,) = torch.autograd.grad(result, scores)
        assert result.isfinite()
        assert gradient.tolist()[1] == 0
        assert gradient.isfinite().all()


@losses
@given(data=st.data())
def test_unknown_targets_need_no_validation(loss, oracle, data) -> None:
    p = data.draw(hl.hierarchies())
    scores, target = data.draw(hl.distinct_scores(p.n)), data.draw(hl.unknown_targets(p))
    unchecked = loss(scores, target, p.hierarchy, validate_targets=False)
    assert torch.equal(unchecked, loss(scores, target, p.hierarchy))


def test_a_positive_class_is_not_decided_by_an_unknown_descendant() -> None:
    h = Hierarchy.from_paths(["a/b/c"])
    scores, target = torch.tensor([0.0, 5.0, 1.0]), torch.tensor([1, -1, 1])
    terms = HF.mc_loss(scores, target, h, reduction="none")
    assert_close(terms[0], F.softplus(torch.tensor(-1.0)))
    negative = HF.mc_loss(scores, torch.tensor([0, -1, 0]), h, reduction="none")
    assert_close(negative[0], F.softplus(torch.tensor(5.0)))


@losses
def test_a_batch_without_known_targets_costs_nothing(loss, oracle) -> None:
    scores = torch.randn(2, 5, requires_grad=True)
    result = loss(scores, torch.full((2, 5), -1), DAG)
    result.backward()
    assert result.item() == 0
    assert not scores.grad.any()


@losses
@pytest.mark.parametrize("reduction", ["mean", "sum", "batchmean"])
def test_empty_batches_cost_nothing(loss, oracle, reduction) -> None:
    scores = torch.randn(0, 5, requires_grad=True)
    result = loss(scores, torch.zeros(0, 5), DAG, reduction=reduction)
    result.backward()
    assert result.item() == 0
    assert scores.grad.shape == (0, 5)
    assert loss(torch.randn(2, 0, 5), torch.zeros(2, 0, 5), DAG, reduction="none").numel() == 0


@losses
@pytest.mark.parametrize("shape", [(), (1,), (2, 3)])
def test_any_leading_dimensions(loss, oracle, shape) -> None:
    scores, target = torch.randn(*shape, 5), CLOSED[0].expand(*shape, 5)
    by_sample = torch.rand(shape)
    flat = loss(scores.reshape(-1, 5), target.reshape(-1, 5), DAG, reduction="none")
    assert torch.equal(loss(scores, target, DAG, reduction="none").reshape(-1, 5), flat)
    weighted = loss(scores, target, DAG, reduction="sum", sample_weight=by_sample)
    assert_close(weighted, (flat * by_sample.reshape(-1, 1)).sum())


@losses
def test_non_contiguous_input(loss, oracle) -> None:
    scores, target = torch.randn(5, 3).t(), CLOSED.t().contiguous().t()
    assert not scores.is_contiguous()
    assert not target.is_contiguous()
    expected = loss(scores.contiguous(), target.contiguous(), DAG)
    assert torch.equal(loss(scores, target, DAG), expected)


@losses
@pytest.mark.parametrize("convert", [Tensor.bool, Tensor.to_sparse, Tensor.float, Tensor.byte])
def test_targets_of_every_type(loss, oracle, convert) -> None:
    scores = torch.randn(3, 5)
    assert torch.equal(loss(scores, convert(CLOSED), DAG), loss(scores, CLOSED, DAG))


@losses
@pytest.mark.filterwarnings("ignore:Sparse CSR tensor support is in beta")
def test_compressed_sparse_targets(loss, oracle) -> None:
    scores = torch.randn(3, 5)
    assert torch.equal(loss(scores, CLOSED.to_sparse_csr(), DAG), loss(scores, CLOSED, DAG))
    labels = [DAG.names[i] for i in (2,)], [DAG.names[i] for i in (4,)], []
    sparse = DAG.encode(labels, sparse=True)
    assert sparse.is_sparse
    assert torch.equal(loss(scores, sparse, DAG), loss(scores, CLOSED, DAG))


OPEN = torch.tensor([[[0, 0, 0, 0, 0], [1, 0, 0, 0, 1], [1, 0, 0, 1, 0]]])


@losses
def test_a_target_that_is_not_closed_is_refused_by_name(loss, oracle) -> None:
    with pytest.raises(
        ValueError, match=r"'3' = 1 .* ancestor '1' = 0 in sample \[0, 2\]; .*close"
    ):
        loss(torch.randn(1, 3, 5), OPEN, DAG)
    assert loss(torch.randn(1, 3, 5), DAG.close(OPEN), DAG).isfinite()
    assert loss(torch.randn(1, 3, 5), OPEN, DAG, validate_targets=False).isfinite()


@losses
def test_a_contradiction_across_an_unknown_class_is_refused(loss, oracle) -> None:
    h = Hierarchy.from_paths(["a/b/c"])
    with pytest.raises(ValueError, match=r"'a/b/c' = 1 and its ancestor 'a' = 0"):
        loss(torch.randn(3), torch.tensor([0, -1, 1]), h)


@losses
@pytest.mark.parametrize(
    ("target", "message"),
    [
        (torch.full((3, 5), 0.5), r"0, 1 or NaN.* got 0.5 at \[0, 0\]"),
        (torch.full((3, 5), -1.0), r"0, 1 or NaN.* got -1.0"),
        (torch.full((3, 5), 2), r"0, 1 or -1.* got 2"),
        (torch.zeros(3, 4), r"target of shape \(3, 5\), got \(3, 4\)"),
    ],
)
def test_targets_that_are_no_labels_are_refused(loss, oracle, target, message) -> None:
    with pytest.raises(ValueError, match=message):
        loss(torch.randn(3, 5), target, DAG)


@losses
@pytest.mark.parametrize(
    "target",
    [
        torch.tensor([0.0, 0.5, 0.0, 0.0, 0.0]),
        torch.tensor([0.0, torch.inf, 0.0, 0.0, 0.0]),
        torch.tensor([0, -2, 0, 0, 0]),
        torch.tensor([0, 255, 0, 0, 0], dtype=torch.uint8),
    ],
    ids=["half", "inf", "-2", "255"],
)
def test_what_is_no_label_is_refused_or_nan_but_never_unknown(loss, oracle, target) -> None:
    scores = torch.randn(5)
    with pytest.raises(ValueError, match=r"expected targets of .* at \[1\]"):
        loss(scores, target, DAG)
    terms = loss(scores, target, DAG, reduction="none", validate_targets=False)
    assert terms.isnan().tolist() == [False, True, False, False, False]


@losses
def test_targets_are_tensors(loss, oracle) -> None:
    with pytest.raises(TypeError, match="a target that is a Tensor, got list"):
        loss(torch.randn(1, 5), [[1, 0, 0, 0, 0]], DAG)


@losses
@pytest.mark.parametrize("name", ["weight", "pos_weight", "sample_weight"])
def test_weights_are_tensors(loss, oracle, name: str) -> None:
    with pytest.raises(TypeError, match=f"a {name} for each .* that is a Tensor, got list"):
        loss(torch.randn(1, 5), CLOSED[:1], DAG, **{name: [1.0]})


@losses
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"reduction": "avg"}, "expected a reduction of .*'batchmean'.* got 'avg'"),
        ({"weight": torch.ones(4)}, r"weight for each class of shape \(5,\), got \(4,\)"),
        ({"pos_weight": torch.ones(1)}, r"pos_weight for each class of shape \(5,\), got \(1,\)"),
        ({"sample_weight": torch.ones(5)}, r"sample_weight .* of shape \(3,\), got \(5,\)"),
        ({"from_logits": False}, "probabilities from 0 to 1 .* got 2.0; .* use from_logits=True"),
    ],
)
def test_options_that_make_no_sense_are_refused(loss, oracle, options, message) -> None:
    with pytest.raises(ValueError, match=message):
        loss(torch.full((3, 5), 2.0), CLOSED, DAG, **options)


@pytest.mark.parametrize("loss", [MCLoss, LHLoss, HybridLoss])
@pytest.mark.parametrize("name", ["weight", "pos_weight"])
@pytest.mark.parametrize("value", [-1.0, math.inf, math.nan])
def test_weights_that_cannot_be_are_refused(loss, name: str, value: float) -> None:
    weight = torch.ones(5)
    weight[3] = value
    with pytest.raises(ValueError, match=f"a {name} of finite .* got {value} for '3'"):
        loss(DAG, **{name: weight})
    loss(DAG, **{name: torch.zeros(5)})
    loss(DAG, **{name: torch.ones(5, dtype=torch.int64)})
    loss(DAG, **{name: weight.to("meta")})


@pytest.mark.parametrize("balance", [-0.1, 1.1, float("nan")])
def test_a_balance_is_a_share(balance: float) -> None:
    with pytest.raises(ValueError, match="balance from 0 to 1"):
        HF.hybrid_loss(torch.randn(3, 5), CLOSED, DAG, balance=balance)
    with pytest.raises(ValueError, match="balance from 0 to 1"):
        HybridLoss(DAG, balance=balance)


def test_a_balance_is_a_number() -> None:
    with pytest.raises(TypeError, match="balance that is a number, got NoneType"):
        HybridLoss(DAG, balance=None)


@losses
def test_complex_targets_are_refused(loss, oracle) -> None:
    with pytest.raises(TypeError, match=r"bool, integers or floats, got torch\.complex64"):
        loss(torch.randn(3, 5), CLOSED.to(torch.complex64), DAG)


def test_a_local_input_of_logits_is_no_probability() -> None:
    p = torch.rand(3, 5)
    with pytest.raises(ValueError, match=r"a local_input of probabilities .* got 2\.0"):
        HF.hybrid_loss(p, CLOSED, DAG, local_input=torch.full((3, 5), 2.0), from_logits=False)


def test_weights_of_samples_have_a_name() -> None:
    with pytest.raises(ValueError, match=r"got \(3,\); pass weights of samples as sample_weight="):
        HybridLoss(DAG)(torch.randn(3, 5), CLOSED, torch.ones(3))


def test_local_input_has_the_shape_of_the_input() -> None:
    with pytest.raises(ValueError, match=r"local_input of shape \(3, 5\), got \(2, 5\)"):
        HF.hybrid_loss(torch.randn(3, 5), CLOSED, DAG, local_input=torch.randn(2, 5))


MODULES = {
    "mc": (MCLoss, HF.mc_loss),
    "lh": (LHLoss, HF.lh_loss),
    "hybrid": (HybridLoss, HF.hybrid_loss),
}
modules = pytest.mark.parametrize(("module", "function"), MODULES.values(), ids=MODULES)


@modules
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"from_logits": False, "reduction": "none"},
        {"weight": torch.rand(5), "pos_weight": torch.rand(5), "reduction": "batchmean"},
    ],
)
def test_modules_call_the_functions(module, function, options) -> None:
    scores, by_sample = torch.rand(3, 5), torch.rand(3)
    criterion = module(DAG, **options)
    actual = criterion(scores, CLOSED, sample_weight=by_sample)
    assert torch.equal(actual, function(scores, CLOSED, DAG, sample_weight=by_sample, **options))


@modules
def test_modules_refuse_wrong_options_when_they_are_made(module, function) -> None:
    with pytest.raises(ValueError, match="reduction"):
        module(DAG, reduction="avg")
    with pytest.raises(ValueError, match="weight"):
        module(DAG, weight=torch.ones(3))
    with pytest.raises(TypeError, match="expected a Hierarchy"):
        module([("b", "a")])


@modules
def test_modules_keep_checkpoints_clean_and_pickle(module, function) -> None:
    criterion = module(DAG, weight=torch.rand(5))
    scores = torch.randn(3, 5)
    assert criterion.state_dict() == {}
    again = pickle.loads(pickle.dumps(criterion))
    assert torch.equal(again(scores, CLOSED), criterion(scores, CLOSED))
    assert criterion.double().weight.dtype == torch.float64


@modules
def test_modules_show_their_options(module, function) -> None:
    assert "reduction='sum'" in repr(module(DAG, reduction="sum"))


@modules
def test_validation_can_be_switched_off(module, function) -> None:
    scores = torch.randn(1, 3, 5)
    with pytest.raises(ValueError, match="closed upward"):
        module(DAG)(scores, OPEN)
    assert module(DAG, validate_targets=False)(scores, OPEN).isfinite()
