"""The fast kernels against the reference: value, routes and gradient."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

import hierloss.functional as HF
import strategies as hl
from hierloss import LMC, MCM, Hierarchy, HybridLoss, kernels
from hierloss.kernels import _cpu as cpu
from hierloss.kernels import _ops as ops
from hierloss.kernels import _tables, reference
from hierloss.topology import Topology, to_rows
from oracles import Problem
from table import CLOSED, DAG, losses

SCORES = [torch.float32, torch.float64, torch.float16, torch.bfloat16]
TARGETS = [
    torch.bool,
    torch.uint8,
    torch.int8,
    torch.int64,
    torch.float16,
    torch.float32,
    torch.float64,
]
BATCHES = [0, 1, 3, 16, 17, 37]
problems = st.one_of(hl.hierarchies(), hl.hierarchies(max_size=40), hl.extremes())
precisions = pytest.mark.parametrize("dtype", SCORES)


@pytest.fixture(params=[1, 2, 3, 8])
def threads(request) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def rough(samples: int, n: int, dtype: torch.dtype) -> Tensor:
    """Scores with many ties, and with infinities of both signs."""
    values = torch.tensor([-torch.inf, -2.0, -0.5, 0.0, -0.0, 1.5, torch.inf])
    return values[torch.randint(7, (samples, n))].to(dtype)


def labels(p: Problem, samples: int, unknown: bool, dtype: torch.dtype) -> Tensor:
    """Targets that are closed upward, some labels hidden where the type can say so."""
    picked = torch.rand(samples, p.n) < 2 / p.n
    target = p.hierarchy.close(picked).to(dtype)
    if unknown and dtype.is_signed:
        missing = torch.nan if dtype.is_floating_point else -1
        target.masked_fill_(torch.rand(samples, p.n) < 0.2, missing)
    return target


def both(compute) -> tuple:
    """What a computation gives with the fast kernels, and with the reference."""
    with kernels.use("numba"):
        fast = compute()
    with kernels.use("reference"):
        return fast, compute()


def both_losses(loss, scores: Tensor) -> tuple:
    """Value and gradient by the fast kernels, and by the reference in float64."""
    with kernels.use("numba"):
        fast = value_and_gradient(loss, scores)
    with kernels.use("reference"):
        exact = value_and_gradient(loss, scores.double())
    return fast, tuple(x.to(scores.dtype) for x in exact)


def value_and_gradient(loss, scores: Tensor) -> tuple[Tensor, Tensor]:
    leaf = scores.detach().clone().requires_grad_()
    value = loss(leaf)
    value.backward()
    return value.detach(), leaf.grad


def test_the_fast_kernel_is_what_runs(monkeypatch) -> None:
    calls = []
    monkeypatch.setattr(ops, "_loss", lambda *args: calls.append(args) or (torch.zeros(()),))
    HF.hybrid_loss(torch.randn(3, 5), CLOSED, DAG)
    assert len(calls) == 1
    with kernels.use("reference"):
        HF.hybrid_loss(torch.randn(3, 5), CLOSED, DAG)
    assert len(calls) == 1


@pytest.mark.parametrize("kind", ["max", "min", "min_all"])
@precisions
@given(p=problems, samples=st.sampled_from(BATCHES), missing=st.booleans())
def test_routes_and_values_are_those_of_the_reference(kind, dtype, p, samples, missing) -> None:
    scores = rough(samples, p.n, dtype)
    if missing:
        scores[torch.rand(samples, p.n) < 0.1] = torch.nan
    topology = Topology(p.hierarchy)
    values, routes = cpu.select(scores, topology.tables, kind, True)
    rows = to_rows(scores)
    if kind == "max":
        expected = reference.max_routes(rows, topology)
    else:
        expected = reference.min_routes(rows, topology, closure=kind == "min_all")
    assert torch.equal(routes.long(), expected.t())
    assert_close(values, rows.gather(0, expected).t(), rtol=0, atol=0, equal_nan=True)
    assert values.dtype == dtype


@given(p=problems, samples=st.sampled_from(BATCHES), unknown=st.booleans(), missing=st.booleans())
def test_counts_are_those_of_the_routes_of_the_reference(p, samples, unknown, missing) -> None:
    scores = rough(samples, p.n, torch.float32)
    if missing:
        scores[torch.rand(samples, p.n) < 0.1] = torch.nan
    target = labels(p, samples, unknown, torch.int64)
    topology = Topology(p.hierarchy)
    rows, positive, known = to_rows(scores), to_rows(target == 1), to_rows(target >= 0)
    closed = reference.reach(positive, topology)
    for shares, routes in (
        ((1.0, 0.0), reference.min_routes(rows, topology, closure=False)),
        ((0.0, 1.0), reference.mc_routes(rows, positive, closed, topology)),
    ):
        counted = cpu.counts(scores, target, topology.tables, None, None, *shares)
        for actual, judged in zip(counted, (positive, known & ~positive), strict=True):
            expected = torch.zeros(rows.shape).scatter_add_(0, routes, judged.float())
            assert torch.equal(actual, expected.t())


@pytest.mark.parametrize("loss", [HF.mc_loss, HF.lh_loss, HF.hybrid_loss])
@pytest.mark.parametrize("target_dtype", TARGETS)
@given(p=problems, samples=st.sampled_from(BATCHES), data=st.data())
def test_losses_are_those_of_the_reference(loss, target_dtype, p, samples, data) -> None:
    target = labels(p, samples, data.draw(st.booleans()), target_dtype)
    scores = rough(samples, p.n, data.draw(st.sampled_from([torch.float32, torch.float64])))
    scores = scores.clamp(-30, 30) + torch.randn(()).item()
    options = {
        "reduction": data.draw(st.sampled_from(["mean", "sum", "batchmean"])),
        "validate_targets": data.draw(st.booleans()),
        **{
            name: torch.rand(size).mul(3).floor()  # zeros among them
            for name, size in (("weight", p.n), ("pos_weight", p.n), ("sample_weight", samples))
            if data.draw(st.booleans())
        },
    }
    assert_close(*both_losses(lambda x: loss(x, target, p.hierarchy, **options), scores))


@losses
@given(p=problems, samples=st.sampled_from(BATCHES))
def test_infinite_and_missing_scores_are_as_in_the_reference(loss, oracle, p, samples) -> None:
    target = labels(p, samples, True, torch.int64)
    scores = rough(samples, p.n, torch.float32)
    scores[torch.rand(samples, p.n) < 0.05] = torch.nan
    weight = (torch.rand(p.n) < 0.7).float()  # what is left out must not matter, whatever it is
    options = {"reduction": "sum", "weight": weight}
    fast, exact = both_losses(lambda x: loss(x, target, p.hierarchy, **options), scores)
    assert_close(fast, exact, equal_nan=True)


@losses
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@given(p=problems, samples=st.sampled_from(BATCHES))
def test_half_precision_is_float32_on_the_same_scores(loss, oracle, dtype, p, samples) -> None:
    target = labels(p, samples, True, torch.float32)
    scores = torch.randn(samples, p.n).to(dtype)
    value, gradient = value_and_gradient(lambda x: loss(x, target, p.hierarchy), scores)
    exact, slopes = value_and_gradient(lambda x: loss(x, target, p.hierarchy), scores.float())
    assert torch.equal(value, exact)
    assert gradient.dtype == dtype
    precision = torch.finfo(dtype)  # half a unit for the slope, in bfloat16 one more when scaled
    assert_close(gradient.float(), slopes, rtol=precision.eps, atol=precision.smallest_normal)


@pytest.mark.parametrize("samples", BATCHES)
def test_local_scores_have_a_gradient_of_their_own(samples) -> None:
    target = DAG.close(torch.rand(samples, 5) < 0.3)
    local, globl = torch.randn(samples, 5), torch.randn(samples, 5)

    def compute() -> tuple[Tensor, ...]:
        leaves = [x.clone().requires_grad_() for x in (local, globl)]
        value = HF.hybrid_loss(leaves[1], target, DAG, balance=0.3, local_input=leaves[0])
        return value.detach(), *torch.autograd.grad(value, leaves)

    assert_close(*both(compute))


@losses
def test_layout_does_not_matter(loss, oracle) -> None:
    scores, target = torch.randn(5, 4, 3), DAG.close(torch.rand(3, 4, 5) < 0.3)
    expected = value_and_gradient(
        lambda x: loss(x, target, DAG), scores.permute(2, 1, 0).contiguous()
    )
    turned = value_and_gradient(lambda x: loss(x.permute(2, 1, 0), target, DAG), scores)
    assert_close(turned[0], expected[0])
    assert_close(turned[1].permute(2, 1, 0), expected[1])
    strided = torch.stack([target, ~target], 3)[..., 0]
    assert_close(loss(scores.permute(2, 1, 0), strided, DAG), expected[0])
    assert_close(MCM(DAG)(scores.permute(2, 1, 0)), MCM(DAG)(scores.permute(2, 1, 0).contiguous()))


@losses
def test_threads_do_not_matter(loss, oracle, threads) -> None:
    h = Hierarchy.from_parents([None, *(i // 3 for i in range(2999))])
    scores, target = torch.randn(100, 3000), h.close(torch.rand(100, 3000) < 0.001)

    def compute() -> tuple[Tensor, ...]:
        leaf = scores.clone().requires_grad_()
        value, coherent = loss(leaf, target, h), MCM(h)(leaf)
        grads = (torch.autograd.grad(x, leaf)[0] for x in (value, coherent.square().sum()))
        return value, coherent, *grads

    by_threads = compute()
    torch.set_num_threads(1)
    assert_close(by_threads, compute(), rtol=0, atol=0)


def test_a_thread_may_outlive_the_main_one() -> None:
    """Then no pool takes work any more."""
    program = """
import threading, torch
from hierloss import MCM, Hierarchy
h = Hierarchy.from_parents([None] + [0] * 299)
x = torch.randn(600, 300)
expected = MCM(h)(x)
def late():
    threading.main_thread().join()
    print(torch.equal(MCM(h)(x), expected))
torch.set_num_threads(2)
threading.Thread(target=late).start()
"""
    asked = [sys.executable, "-c", program]
    done = subprocess.run(asked, capture_output=True, text=True, timeout=300, check=False)
    assert (done.stdout, done.stderr) == ("True\n", "")


@losses
def test_backward_can_be_called_twice(loss, oracle) -> None:
    scores = torch.randn(3, 5, requires_grad=True)
    value = loss(scores, CLOSED, DAG)
    (first,) = torch.autograd.grad(value, scores, retain_graph=True)
    kept = first.clone()
    (second,) = torch.autograd.grad(2 * value, scores)
    assert torch.equal(first, kept)
    assert_close(second, 2 * first)


@losses
@pytest.mark.parametrize("reduction", ["mean", "sum", "batchmean"])
@given(data=st.data())
def test_second_derivatives_are_those_of_the_reference(loss, oracle, reduction, data) -> None:
    p = data.draw(hl.hierarchies())
    scores = data.draw(hl.distinct_scores(p.n))
    target = data.draw(hl.unknown_targets(p))
    factors = {"sample_weight": torch.rand(2), "weight": torch.rand(p.n)}

    def compute() -> tuple[Tensor, Tensor]:
        leaf = scores.clone().requires_grad_()
        value = loss(leaf, target, p.hierarchy, reduction=reduction, **factors)
        (slope,) = torch.autograd.grad(value, leaf, create_graph=True)
        return slope.detach(), torch.autograd.grad((slope**2).sum(), leaf)[0]

    assert_close(*both(compute))


@pytest.mark.parametrize("layer", [MCM, LMC])
def test_layers_have_second_derivatives(layer) -> None:
    scores = torch.randn(4, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(layer(DAG), scores)
    assert torch.autograd.gradgradcheck(layer(DAG), scores)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_exponentials_and_logarithms_are_right_to_the_last_places(dtype) -> None:
    from numba import njit

    from hierloss.kernels._simd import LANES, exp, load, log1p, store

    @njit
    def compute(x, y, z):
        for row in range(x.size // LANES):
            small = exp(load(x, row))
            store(y, row, small)
            store(z, row, log1p(small))

    limit = 87 if dtype == np.float32 else 708
    x = -np.concatenate([np.linspace(0, limit - 0.5, 1600), np.logspace(-8, 1, 1600)]).astype(dtype)
    y, z = np.empty_like(x), np.empty_like(x)
    compute(x, y, z)
    exact = np.exp(x.astype(np.longdouble))
    precision = 3 * np.finfo(dtype).eps
    np.testing.assert_allclose(y, exact, rtol=precision)
    np.testing.assert_allclose(z, np.log1p(exact), rtol=precision)
    x[:5] = -np.inf, np.nan, -1e30, 0, -(limit + 1)
    compute(x, y, z)
    np.testing.assert_array_equal(y[:5], [0, np.nan, 0, 1, 0])


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_full_ontology(go, dtype, threads) -> None:
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(33, len(go), generator=generator).to(dtype)
    scores[:, ::7] = scores[:, ::7].round()  # ties
    target = go.close(torch.rand(33, len(go), generator=generator) < 1e-4).float()
    target[torch.rand(33, len(go), generator=generator) < 0.01] = torch.nan
    criterion, layer = HybridLoss(go), MCM(go)
    assert_close(*both_losses(lambda x: criterion(x, target), scores))
    assert_close(*both(lambda: layer(scores)), rtol=0, atol=0)


@given(p=st.one_of(hl.hierarchies(), hl.extremes()))
def test_tiles_have_classes_of_one_level_and_kind(p: Problem) -> None:
    h = p.hierarchy
    tables = _tables.unpack(_tables.pack(*h.edge_index, h.levels))
    tiles = tables.tile.reshape(-1, 3).tolist()
    assert [i for start, stop, _ in tiles for i in range(start, stop)] == list(range(p.n))
    children, level = np.diff(tables.child_start), np.array(h.levels)[tables.column]
    for start, stop, kind in tiles:
        some = children[start:stop]
        assert 0 < stop - start <= _tables.TILE >> 2 * kind
        assert len(set(level[start:stop])) == 1
        assert set(np.searchsorted(_tables.MOST, some)) == {kind}
        assert kind == len(_tables.MOST) or some.max() <= (4**kind if kind else 0)
    starts = tables.kind.reshape(-1, _tables.KINDS).tolist()
    for depth, at in enumerate(starts):
        own = children[level == depth].tolist()
        bounds = [first - at[0] for first in at]
        assert own == sorted(own)
        assert bounds == [sum(x <= most for x in own) for most in (-1, *_tables.MOST)]
