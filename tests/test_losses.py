"""Laws of the losses; one table of all of them, and every law over all of it."""

from __future__ import annotations

import pickle
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck
from torch.testing import assert_close
from torch.utils._python_dispatch import TorchDispatchMode

import hierloss.functional as HF
import strategies as hl
from hierloss import Hierarchy, HybridLoss, LHLoss, MCLoss
from oracles import Problem, brute_force, lh_loss, mc_loss


def hybrid_oracle(balance: float, p, scores, target, logits: bool = True) -> list[float]:
    parts = zip(lh_loss(p, scores, target, logits), mc_loss(p, scores, target, logits), strict=True)
    return [(1 - balance) * local + balance * globl for local, globl in parts]


LOSSES = {
    "mc": (HF.mc_loss, mc_loss),
    "lh": (HF.lh_loss, lh_loss),
    "hybrid": (HF.hybrid_loss, partial(hybrid_oracle, 0.5)),
    "hybrid 0.2": (partial(HF.hybrid_loss, balance=0.2), partial(hybrid_oracle, 0.2)),
}
losses = pytest.mark.parametrize(("loss", "oracle"), LOSSES.values(), ids=LOSSES)
forms = pytest.mark.parametrize("from_logits", [True, False], ids=["logits", "probabilities"])
DAG = Hierarchy.from_parents([None, None, (0, 1), 2, 0])
CLOSED = torch.tensor([[1, 1, 1, 0, 0], [1, 0, 0, 0, 1], [0, 0, 0, 0, 0]])


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
    actual = loss(scores, target, h, from_logits=from_logits, reduction="none").isnan().tolist()
    assert actual == expected.get(loss, [True, True, True, False])


def test_nan_of_a_negative_child_cannot_decide_a_positive_parent() -> None:
    h = Hierarchy.from_parents([None, 0])
    terms = HF.mc_loss(torch.tensor([0.5, torch.nan]), torch.tensor([1, 0]), h, reduction="none")
    assert terms.isnan().tolist() == [False, True]


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


@losses
@pytest.mark.parametrize("size", [1e4, torch.inf])
def test_huge_logits_stay_finite_where_the_loss_is(loss, oracle, size: float) -> None:
    p = Problem(2, frozenset({(1, 0)}))
    target = torch.tensor([[1, 1], [0, 0], [1, 0]])
    right = torch.tensor([[size, size], [-size, -size], [size, -size]], requires_grad=True)
    wrong = (-right.detach()).requires_grad_()
    best = loss(right, target, p.hierarchy, reduction="sum")
    worst = loss(wrong, target, p.hierarchy, reduction="none")
    rows = zip(wrong.tolist(), target.tolist(), strict=True)
    assert best.item() == 0
    assert_close(worst, torch.tensor([oracle(p, s, y) for s, y in rows]))
    assert not torch.autograd.grad(best, right)[0].any()
    (gradient,) = torch.autograd.grad(worst.sum(), wrong)
    assert gradient.isfinite().all()
    assert gradient[:, 0].all()


@losses
def test_saturated_probabilities_are_cut_as_in_bce_loss(loss, oracle) -> None:
    h = Hierarchy.from_parents([None, 0])
    p = torch.tensor([[1.0, 1.0], [0.0, 0.0]], requires_grad=True)
    terms = loss(p, torch.tensor([[0, 0], [1, 1]]), h, from_logits=False, reduction="none")
    assert_close(terms, torch.full((2, 2), 100.0))
    terms.sum().backward()
    assert p.grad.isfinite().all()


def test_local_input_goes_to_lh_loss_and_input_to_mc_loss() -> None:
    scores, local = torch.randn(3, 5), torch.randn(3, 5)
    expected = 0.3 * HF.mc_loss(scores, CLOSED, DAG) + 0.7 * HF.lh_loss(local, CLOSED, DAG)
    criterion = HybridLoss(DAG, balance=0.3)
    assert_close(criterion(scores, CLOSED, local_input=local), expected)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@losses
def test_low_precision_costs_no_more_than_its_rounding(loss, oracle, dtype) -> None:
    scores = (3 * torch.randn(64, 5)).to(dtype)
    target = CLOSED[torch.randint(3, (64,))]
    exact = loss(scores.double(), target, DAG, reduction="none")
    result = loss(scores, target, DAG, reduction="none")
    precision = torch.finfo(dtype)
    roundings = 1.5 * precision.eps  # half a unit each for the costs, their shares and the sum
    assert_close(result.double(), exact, rtol=roundings, atol=precision.smallest_normal)
    total = loss(scores, target, DAG, reduction="sum")
    assert total.dtype == torch.float32
    assert_close(total.double(), exact.sum(), rtol=torch.finfo(dtype).eps, atol=0)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@losses
def test_half_precision_sums_do_not_overflow(loss, oracle, dtype) -> None:
    scores = torch.full((4000, 5), 20.0, dtype=dtype)
    total = loss(scores, torch.zeros(4000, 5), DAG, reduction="sum")
    assert_close(total, torch.tensor(400_000.0))


class LargestFloat32(TorchDispatchMode):
    """Records the most memory that a float32 result of any operation holds, in numbers."""

    size = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for x in result if isinstance(result, (list, tuple)) else [result]:
            if isinstance(x, Tensor) and x.dtype == torch.float32:
                self.size = max(self.size, x.untyped_storage().nbytes() // 4)
        return result


@losses
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_never_makes_a_float32_copy(loss, oracle, dtype) -> None:
    scores = torch.randn(3, 5, dtype=dtype, requires_grad=True)
    weights = {"weight": torch.rand(5), "pos_weight": torch.rand(5), "sample_weight": torch.rand(3)}
    with LargestFloat32() as seen, torch.autocast("cpu", dtype=dtype):
        loss(scores, CLOSED, DAG, **weights).backward()
    assert seen.size <= 1
    assert scores.grad.dtype == dtype
    assert scores.grad.any()


@losses
@forms
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_trains_under_autocast(loss, oracle, from_logits: bool, dtype) -> None:
    model = torch.nn.Linear(7, 5)
    with torch.autocast("cpu", dtype=dtype):
        scores = model(torch.randn(3, 7))
        scores = scores if from_logits else scores.sigmoid()
        assert scores.dtype == dtype
        result = loss(scores, CLOSED, DAG, from_logits=from_logits)
    result.backward()
    assert result.dtype == torch.float32
    assert model.weight.grad.any()


@losses
@forms
def test_gradients_of_single_samples_through_vmap(loss, oracle, from_logits: bool) -> None:
    scores = torch.rand(3, 5, dtype=torch.float64)
    options = {"from_logits": from_logits, "reduction": "sum"}

    def single(s: Tensor, y: Tensor) -> Tensor:
        return loss(s, y, DAG, validate_targets=False, **options)

    per_sample = torch.func.vmap(torch.func.grad(single))(scores, CLOSED.bool())
    leaf = scores.clone().requires_grad_()
    loss(leaf, CLOSED.bool(), DAG, **options).backward()
    assert_close(per_sample, leaf.grad)


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
def test_targets_are_tensors(loss, oracle) -> None:
    with pytest.raises(TypeError, match="a target that is a Tensor, got list"):
        loss(torch.randn(1, 5), [[1, 0, 0, 0, 0]], DAG)


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


@pytest.mark.parametrize("balance", [-0.1, 1.1, float("nan")])
def test_a_balance_is_a_share(balance: float) -> None:
    with pytest.raises(ValueError, match="balance from 0 to 1"):
        HF.hybrid_loss(torch.randn(3, 5), CLOSED, DAG, balance=balance)
    with pytest.raises(ValueError, match="balance from 0 to 1"):
        HybridLoss(DAG, balance=balance)


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
@given(data=st.data())
def test_unknown_targets_need_no_validation(loss, oracle, data) -> None:
    p = data.draw(hl.hierarchies())
    scores, target = data.draw(hl.distinct_scores(p.n)), data.draw(hl.unknown_targets(p))
    unchecked = loss(scores, target, p.hierarchy, validate_targets=False)
    assert torch.equal(unchecked, loss(scores, target, p.hierarchy))


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
def test_costs_of_float64_are_exact_where_softplus_turns_linear(loss, oracle) -> None:
    single = Hierarchy.from_parents([None])
    scores = torch.tensor([[25.0], [39.0], [41.0]], dtype=torch.float64)
    expected = scores + torch.log1p(torch.exp(-scores))
    terms = loss(scores, torch.zeros(3, 1), single, reduction="none")
    assert_close(terms, expected, rtol=torch.finfo(torch.float64).eps, atol=0)


@losses
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_sums_count_every_class(loss, oracle, dtype) -> None:
    n = 20_000  # more than one block of rows
    flat = Hierarchy.from_edges([], names=[str(i) for i in range(n)])
    total = loss(torch.full((1, n), 2.0, dtype=dtype), torch.ones(1, n), flat, reduction="sum")
    one = F.softplus(torch.tensor(-2.0)).to(dtype).float()
    assert_close(total, n * one)


@losses
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_probabilities_are_computed_in_float32(loss, oracle, dtype) -> None:
    p = torch.rand(3, 5).to(dtype)
    actual = loss(p, CLOSED, DAG, from_logits=False)
    assert_close(actual, loss(p.float(), CLOSED, DAG, from_logits=False))


@losses
def test_autocast_is_off_inside(loss, oracle, monkeypatch) -> None:
    seen = []
    plain = HF.costs
    monkeypatch.setattr(
        HF, "costs", lambda *args: seen.append(torch.is_autocast_enabled("cpu")) or plain(*args)
    )
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss(torch.randn(3, 5), CLOSED, DAG)
    assert seen
    assert not any(seen)


@losses
@forms
def test_compiles_as_one_graph(loss, oracle, from_logits: bool) -> None:
    topology = HybridLoss(DAG).topology
    target = CLOSED.bool()

    def step(scores: Tensor) -> Tensor:
        scores = scores if from_logits else scores.sigmoid()
        return loss(scores, target, topology, from_logits=from_logits)

    compiled = torch.compile(step, backend="aot_eager", fullgraph=True)
    scores = torch.randn(3, 5, requires_grad=True)
    (by_graph,) = torch.autograd.grad(compiled(scores), scores)
    (eager,) = torch.autograd.grad(step(scores), scores)
    assert_close(compiled(scores), step(scores))
    assert_close(by_graph, eager)


@losses
@pytest.mark.parametrize("name", ["weight", "pos_weight", "sample_weight"])
def test_weights_are_tensors(loss, oracle, name: str) -> None:
    with pytest.raises(TypeError, match=f"a {name} for each .* that is a Tensor, got list"):
        loss(torch.randn(1, 5), CLOSED[:1], DAG, **{name: [1.0]})
