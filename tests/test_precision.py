"""Extreme scores, low precision, and what PyTorch does to a function."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.testing import assert_close
from torch.utils._python_dispatch import TorchDispatchMode

import hierloss.functional as HF
from hierloss import Hierarchy, HybridLoss, kernels
from oracles import Problem
from table import CLOSED, DAG, forms, losses


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


@losses
def test_costs_of_float64_are_exact_where_softplus_turns_linear(loss, oracle) -> None:
    single = Hierarchy.from_parents([None])
    scores = torch.tensor([[25.0], [39.0], [41.0]], dtype=torch.float64)
    expected = scores + torch.log1p(torch.exp(-scores))
    terms = loss(scores, torch.zeros(3, 1), single, reduction="none")
    assert_close(terms, expected, rtol=torch.finfo(torch.float64).eps, atol=0)


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


@losses
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_sums_count_every_class(loss, oracle, dtype) -> None:
    n = 20_000  # more than one block of rows
    flat = Hierarchy.from_edges([], names=[str(i) for i in range(n)])
    total = loss(torch.full((1, n), 2.0, dtype=dtype), torch.ones(1, n), flat, reduction="sum")
    half_a_unit = torch.finfo(dtype).eps / 2  # to which the reference rounds each cost
    assert_close(total, n * F.softplus(torch.tensor(-2.0)), rtol=half_a_unit, atol=0)


@losses
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_probabilities_are_computed_in_float32(loss, oracle, dtype) -> None:
    p = torch.rand(3, 5).to(dtype)
    actual = loss(p, CLOSED, DAG, from_logits=False)
    assert_close(actual, loss(p.float(), CLOSED, DAG, from_logits=False))


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
@pytest.mark.parametrize("name", ["auto", "reference"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_never_makes_a_float32_copy(loss, oracle, dtype, name: str) -> None:
    samples, n = 64, 5000
    h = Hierarchy.from_parents([None] + [0] * (n - 1))
    scores = torch.randn(samples, n, dtype=dtype, requires_grad=True)
    weights = {"weight": n, "pos_weight": n, "sample_weight": samples}
    with kernels.use(name), LargestFloat32() as seen, torch.autocast("cpu", dtype=dtype):
        factors = {key: torch.rand(size, dtype=dtype) for key, size in weights.items()}
        loss(scores, torch.ones(samples, n, dtype=torch.bool), h, **factors).backward()
    # A block of samples, never all; but for the gradient, too small for float16 until it is scaled.
    gradient = dtype == torch.float16 and name == "auto"
    assert seen.size <= (scores.numel() if gradient else scores.numel() // 4)
    assert scores.grad.dtype == dtype
    assert scores.grad.any()


@losses
def test_autocast_is_off_inside(loss, oracle, monkeypatch) -> None:
    seen = []
    plain = HF.costs
    monkeypatch.setattr(
        HF, "costs", lambda *args: seen.append(torch.is_autocast_enabled("cpu")) or plain(*args)
    )
    with torch.autocast("cpu", dtype=torch.bfloat16), kernels.use("reference"):
        loss(torch.randn(3, 5), CLOSED, DAG)
    assert seen
    assert not any(seen)


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
        return loss(s, y, DAG, **options)

    per_sample = torch.func.vmap(torch.func.grad(single))(scores, CLOSED.bool())
    leaf = scores.clone().requires_grad_()
    loss(leaf, CLOSED.bool(), DAG, **options).backward()
    assert_close(per_sample, leaf.grad)


@losses
@forms
@pytest.mark.parametrize("mapped", ["scores", "targets"])
def test_one_of_scores_and_targets_through_vmap(loss, oracle, from_logits: bool, mapped) -> None:
    scores, targets = torch.rand(3, 5), CLOSED.bool()

    def single(i: int, s: Tensor, y: Tensor) -> Tensor:
        given = (s, targets[i]) if mapped == "scores" else (scores[i], y)
        return loss(*given, DAG, from_logits=from_logits)

    for i in range(3):
        each = torch.func.vmap(lambda s, y, i=i: single(i, s, y))(scores, targets)
        expected = [single(i, s, y) for s, y in zip(scores, targets, strict=True)]
        assert_close(each, torch.stack(expected))


@losses
@forms
def test_shapes_follow_on_the_meta_device(loss, oracle, from_logits: bool) -> None:
    scores = torch.rand(3, 5, device="meta", requires_grad=True)
    target = torch.ones(3, 5, device="meta")
    for reduction, shape in (("mean", ()), ("none", (3, 5))):
        terms = loss(scores, target, DAG, from_logits=from_logits, reduction=reduction)
        assert (terms.shape, terms.device.type) == (shape, "meta")
    terms.sum().backward()
    assert scores.grad.shape == (3, 5)


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
def test_a_compiled_loss_says_where_its_error_is_told(loss, oracle) -> None:
    def step(scores: Tensor) -> Tensor:
        return loss(scores, 1 - CLOSED, DAG, validate_targets=True)

    with pytest.raises(ValueError, match=r"if it is called without torch\.compile"):
        torch.compile(step, backend="eager")(torch.randn(3, 5))
    with pytest.raises(ValueError, match="and its ancestor"):
        step(torch.randn(3, 5))
