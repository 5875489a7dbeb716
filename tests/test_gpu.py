"""The GPU kernels: on a GPU where there is one, else in Triton's interpreter."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

import hierloss.functional as HF
import strategies as hl
from hierloss import Hierarchy, kernels
from hierloss.kernels import reference
from hierloss.kernels._tables import pack
from hierloss.topology import Topology
from oracles import Problem
from table import CLOSED, DAG

pytest.importorskip("triton", reason='needs pip install "hierloss[interpret]"')
INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
if not torch.cuda.is_available() and not INTERPRETED:
    pytest.skip("needs a GPU, or TRITON_INTERPRET=1 from the start", allow_module_level=True)

from hierloss.kernels import _gpu as gpu  # noqa: E402  # it imports Triton

DEVICE = torch.device("cpu" if INTERPRETED else "cuda")
needs_gpu = pytest.mark.skipif(INTERPRETED, reason="the interpreter is no GPU")
KINDS = ["max", "min", "min_all"]
LARGEST = max(x.rows for x in vars(gpu).values() if isinstance(x, gpu.Tile))
REDUCTIONS = ["mean", "sum", "batchmean"]
floats = pytest.mark.parametrize(
    "dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16], ids=str
)
kinds = pytest.mark.parametrize("kind", KINDS)
reductions = pytest.mark.parametrize("reduction", REDUCTIONS)
# The interpreter takes a while for every step of every program.
few = settings(max_examples=10)


@dataclass(frozen=True)
class Options:
    """What there is to choose for a loss."""

    local: float = 0.7
    globl: float = 0.3
    weight: Tensor | None = None
    pos_weight: Tensor | None = None
    sample_weight: Tensor | None = None


def moved(*tensors: Tensor | None) -> list[Tensor | None]:
    return [x if x is None else x.to(DEVICE) for x in tensors]


def tables_of(h: Hierarchy) -> Tensor:
    return torch.from_numpy(pack(*h.edge_index, h.levels)).to(DEVICE)


def select(scores: Tensor, h: Hierarchy, kind: str) -> tuple[Tensor, Tensor]:
    values, routes = gpu.select(scores.to(DEVICE), tables_of(h), kind, True)
    assert routes.dtype == torch.int32
    return values.cpu(), routes.cpu()


def routes_of(scores: Tensor, h: Hierarchy, kind: str) -> Tensor:
    rows, topology = scores.t().contiguous(), Topology(h)
    if kind == "max":
        return reference.max_routes(rows, topology).t().contiguous()
    return reference.min_routes(rows, topology, closure=kind == "min_all").t().contiguous()


def scatter(grad: Tensor, routes: Tensor, h: Hierarchy, kind: str) -> Tensor:
    return gpu.scatter(*moved(grad, routes), tables_of(h), kind).cpu()


def counts(scores: Tensor, target: Tensor, h: Hierarchy, o: Options) -> tuple[Tensor, Tensor]:
    given = *moved(scores, target), tables_of(h), *moved(o.weight, o.pos_weight)
    p, n = gpu.counts(*given, o.local, o.globl)
    return p.cpu(), n.cpu()


def counts_of(scores: Tensor, target: Tensor, h: Hierarchy, o: Options) -> tuple[Tensor, Tensor]:
    rows, topology = scores.t().contiguous(), Topology(h)
    positive, negative = (target == 1).t(), (target == 0).t()
    weight = torch.ones(len(h)) if o.weight is None else o.weight
    positive_weight = weight if o.pos_weight is None else weight * o.pos_weight
    closed = reference.reach(positive.contiguous(), topology)
    parts = (
        (o.globl, reference.mc_routes(rows, positive, closed, topology)),
        (o.local, reference.min_routes(rows, topology, closure=False)),
    )
    p, n = (torch.zeros(rows.shape, dtype=torch.float64) for _ in range(2))
    for share, routes in parts:
        p.scatter_add_(0, routes, share * positive.double() * positive_weight[:, None])
        n.scatter_add_(0, routes, share * negative.double() * weight[:, None])
    dtype = torch.promote_types(scores.dtype, torch.float32)
    return p.t().to(dtype), n.t().to(dtype)


def loss(
    scores: Tensor, target: Tensor, h: Hierarchy, o: Options, reduction: str = "mean"
) -> tuple[Tensor, Tensor]:
    weights = moved(o.weight, o.pos_weight, o.sample_weight)
    given = *moved(scores, target), tables_of(h), *weights, reduction, o.local, o.globl
    total, slopes, scale = gpu.loss(*given, False, True)
    assert slopes.dtype == kernels.slope_type(scores)
    assert total.dtype == scale.dtype == torch.promote_types(scores.dtype, torch.float32)
    return total.cpu(), slopes.cpu().to(scale.dtype) * scale.cpu()


def loss_of(
    scores: Tensor, target: Tensor, h: Hierarchy, o: Options, reduction: str = "mean"
) -> tuple[Tensor, Tensor]:
    """What the reference says of scores at their own values, half precision or not."""
    x = scores.to(torch.promote_types(scores.dtype, torch.float32)).requires_grad_()
    with kernels.use("reference"):
        total = HF.hybrid_loss(
            x,
            target,
            h,
            balance=o.globl,
            reduction=reduction,
            weight=o.weight,
            pos_weight=o.pos_weight,
            sample_weight=o.sample_weight,
            validate_targets=False,
        )
    return total.detach(), torch.autograd.grad(total, x)[0]


def precision(dtype: torch.dtype) -> float:
    """The relative error of a slope: its rounding, or what is usual where it is less."""
    return max(torch.finfo(dtype).eps, {torch.float64: 1e-7}.get(dtype, 1.3e-6))


def assert_same_sums(
    actual: tuple[Tensor, Tensor], expected: tuple[Tensor, Tensor], dtype: torch.dtype
) -> None:
    """Up to the rounding of the largest sum: thousands of terms are added in another order."""
    largest = expected[1].abs().max()
    assert_close(actual[0], expected[0])
    a, b = actual[1] / largest, expected[1] / largest
    assert_close(a, b, rtol=10 * precision(dtype), atol=1e-6)


def random_dag(n: int) -> Hierarchy:
    """Of many levels, some of them wide, with lists of every length."""
    edges = {(i, int(i * torch.rand(()) ** 2)) for i in range(1, n) for _ in range(i % 4)}
    return Problem(n, frozenset(edges)).hierarchy


@st.composite
def any_scores(draw: st.DrawFn, n: int) -> Tensor:
    """Scores of which most tie, `(2, n)`; the infinities and NaN among them."""
    values = st.sampled_from([-2.0, -0.5, 0.0, 1.5, torch.inf, -torch.inf, torch.nan])
    row = st.lists(values, min_size=n, max_size=n)
    return torch.tensor(draw(st.lists(row, min_size=2, max_size=2)))


@st.composite
def problems(draw: st.DrawFn) -> tuple[Hierarchy, Tensor, Tensor]:
    """A hierarchy, finite scores of which most tie, and a target with unknown labels."""
    p = draw(st.one_of(hl.hierarchies(), hl.extremes()))
    if p.n < 20:
        return p.hierarchy, draw(hl.tied_scores(p.n)), draw(hl.unknown_targets(p))
    return p.hierarchy, torch.randint(-2, 3, (2, p.n)).double(), draw(hl.targets(p))


@st.composite
def options(draw: st.DrawFn, n: int) -> Options:
    def maybe(size: int) -> Tensor | None:
        # In quarters, zero among them, so that sums do not depend on their order.
        return torch.randint(0, 8, (size,)) / 4 if draw(st.booleans()) else None

    share = draw(st.sampled_from([0.0, 0.25, 1.0]))
    return Options(1 - share, share, maybe(n), maybe(n), maybe(2))


@kinds
@floats
@few
@given(data=st.data())
def test_select_is_what_the_reference_selects(kind: str, dtype: torch.dtype, data) -> None:
    h = data.draw(hl.hierarchies()).hierarchy
    scores = data.draw(any_scores(len(h))).to(dtype)
    values, routes = select(scores, h, kind)
    expected = routes_of(scores, h, kind)
    assert torch.equal(routes.long(), expected)
    assert_close(values, scores.gather(1, expected), rtol=0, atol=0, equal_nan=True)


@kinds
@few
@given(p=hl.extremes())
def test_select_knows_chains_and_stars(kind: str, p: Problem) -> None:
    scores = torch.randint(-9, 9, (3, p.n)).float()
    values, routes = select(scores, p.hierarchy, kind)
    expected = routes_of(scores, p.hierarchy, kind)
    assert torch.equal(routes.long(), expected)
    assert torch.equal(values, scores.gather(1, expected))


@kinds
def test_select_goes_over_many_tiles(kind: str) -> None:
    h = random_dag(3 * LARGEST)
    scores = torch.randint(-99, 99, (2, len(h))).float()
    assert torch.equal(select(scores, h, kind)[1].long(), routes_of(scores, h, kind))


@kinds
def test_select_without_routes(kind: str) -> None:
    scores, tables = torch.randn(3, 5).to(DEVICE), tables_of(DAG)
    values, routes = gpu.select(scores, tables, kind, False)
    assert torch.equal(values, gpu.select(scores, tables, kind, True)[0])
    assert routes.shape == (0, 5)


@kinds
@floats
@few
@given(data=st.data())
def test_scatter_gives_each_class_what_it_decided(kind: str, dtype: torch.dtype, data) -> None:
    p = data.draw(st.one_of(hl.hierarchies(), hl.extremes()))
    scores = data.draw(any_scores(p.n)) if p.n < 20 else torch.randint(-2, 3, (2, p.n)).float()
    routes = routes_of(scores, p.hierarchy, kind)
    grad = torch.randint(-3, 4, scores.shape).to(dtype)
    expected = torch.zeros_like(grad).scatter_add_(1, routes, grad)
    assert torch.equal(scatter(grad, routes.int(), p.hierarchy, kind), expected)


@kinds
def test_scatter_goes_over_many_tiles(kind: str) -> None:
    h = random_dag(3 * LARGEST)
    routes = routes_of(torch.randint(-99, 99, (2, len(h))).float(), h, kind)
    grad = torch.randint(-9, 9, routes.shape).float()
    expected = torch.zeros_like(grad).scatter_add_(1, routes, grad)
    assert torch.equal(scatter(grad, routes.int(), h, kind), expected)


@pytest.mark.parametrize("kind", ["max", "min_all"])
def test_scatter_passes_nan_and_infinity_to_their_decider_alone(kind: str) -> None:
    h = Hierarchy.from_parents([None, 0, 1, None])
    routes = torch.tensor([[1, 1, 2, 3]] if kind == "max" else [[0, 1, 1, 3]])
    grad = torch.tensor([[torch.nan, 1.0, torch.inf, 2.0]])
    expected = torch.zeros_like(grad).scatter_add_(1, routes, grad)
    actual = scatter(grad, routes.int(), h, kind)
    assert_close(actual, expected, rtol=0, atol=0, equal_nan=True)


@floats
@few
@given(data=st.data())
def test_counts_are_those_of_the_reference(dtype: torch.dtype, data) -> None:
    h, scores, target = data.draw(problems())
    o = data.draw(options(len(h)))
    actual = counts(scores.to(dtype), target, h, o)
    assert_close(actual, counts_of(scores.to(dtype), target, h, o), rtol=0, atol=0)


def test_counts_are_precise_in_float64() -> None:
    o = Options(0.9, 0.1, torch.rand(5).double(), torch.rand(5).double())
    scores = torch.randn(3, 5).double()
    roundings = 8 * torch.finfo(torch.float64).eps
    expected = counts_of(scores, CLOSED, DAG, o)
    assert_close(counts(scores, CLOSED, DAG, o), expected, rtol=roundings, atol=0)


@floats
@few
@given(data=st.data())
def test_loss_is_that_of_the_reference(dtype: torch.dtype, data) -> None:
    h, scores, target = data.draw(problems())
    o = data.draw(options(len(h)))
    reduction = data.draw(st.sampled_from(REDUCTIONS))
    scores = scores.to(dtype)
    total, gradient = loss(scores, target, h, o, reduction)
    expected = loss_of(scores, target, h, o, reduction)
    assert_close(total, expected[0])
    assert_close(gradient, expected[1], rtol=precision(dtype), atol=1e-7)


@few
@given(data=st.data())
def test_loss_of_extreme_scores_is_that_of_the_reference(data) -> None:
    p = data.draw(hl.hierarchies())
    scores, target = data.draw(any_scores(p.n)), data.draw(hl.unknown_targets(p))
    o = data.draw(options(p.n))
    actual, expected = loss(scores, target, p.hierarchy, o), loss_of(scores, target, p.hierarchy, o)
    assert_close(actual, expected, equal_nan=True)


@floats
def test_loss_without_gradient(dtype: torch.dtype) -> None:
    scores = torch.randn(3, 5, dtype=dtype)
    given = *moved(scores, CLOSED), tables_of(DAG), None, None, None, "mean", 0.7, 0.3, False
    total, slopes, _ = gpu.loss(*given, False)
    assert torch.equal(total.cpu(), loss(scores, CLOSED, DAG, Options())[0])
    assert slopes.shape == (0, 5)
    assert slopes.dtype == kernels.slope_type(scores)


@floats
@pytest.mark.parametrize("size", [0.1, 3.0, 20.0, 80.0])
def test_costs_are_precise_far_from_zero(dtype: torch.dtype, size: float) -> None:
    h = Hierarchy.from_parents([None])
    scores = torch.tensor([[size]], dtype=dtype)
    for target, sign in ((1, -1), (0, 1)):
        total, gradient = loss(scores, torch.tensor([[target]]), h, Options())
        exact = sign * scores.double()
        # An exponential on a GPU rounds its argument times log2(e) to float32.
        rtol = max(4, size) * torch.finfo(total.dtype).eps
        assert_close(total.double(), F.softplus(exact, threshold=1000).sum(), rtol=rtol, atol=0)
        expected, smallest = sign * exact.sigmoid(), torch.finfo(dtype)
        rtol, atol = max(rtol, smallest.eps), smallest.smallest_normal * smallest.eps
        assert_close(gradient.double(), expected, rtol=rtol, atol=atol)


def test_costs_are_exact_at_infinity() -> None:
    h = Hierarchy.from_parents([None])
    for score in (torch.inf, -torch.inf):
        for target in (0, 1):
            total, gradient = loss(torch.tensor([[score]]), torch.tensor([[target]]), h, Options())
            wrong = (score > 0) != (target == 1)
            assert total.item() == (torch.inf if wrong else 0)
            assert gradient.item() == (1 - 2 * target if wrong else 0)


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_what_is_not_counted_costs_nothing(value: float) -> None:
    h = Hierarchy.from_parents([None, None])
    scores = torch.tensor([[0.3, value], [0.3, 0.3]])
    target = torch.tensor([[1, 0], [1, 1]])
    single = F.softplus(torch.tensor(-0.3))
    total, gradient = loss(scores, target, h, Options(weight=torch.tensor([1.0, 0.0])), "sum")
    assert_close(total, 2 * single)
    assert gradient[:, 1].tolist() == [0, 0]
    by_sample = Options(sample_weight=torch.tensor([0.0, 1.0]))
    assert_close(loss(scores, target, h, by_sample, "sum")[0], 2 * single)
    unknown = torch.tensor([[1, -1], [1, 1]])
    assert_close(loss(scores, unknown, h, Options(), "sum")[0], 3 * single)


@pytest.mark.parametrize("o", [Options(1.0, 0.0), Options(0.0, 1.0)])
def test_nan_that_is_counted_is_not_lost(o: Options) -> None:
    h = Hierarchy.from_parents([None, 0])
    total, gradient = loss(torch.tensor([[0.5, torch.nan]]), torch.tensor([[1, 0]]), h, o)
    assert total.isnan()
    assert gradient.isnan().tolist() == [[False, True]]


TYPES = [
    torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64,
    torch.float16, torch.bfloat16, torch.float32, torch.float64,
]  # fmt: skip


@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_targets_of_every_type(dtype: torch.dtype) -> None:
    scores = torch.randn(3, 5)
    expected = loss(scores, CLOSED, DAG, Options())
    assert_close(loss(scores, CLOSED.to(dtype), DAG, Options()), expected, rtol=0, atol=0)


@pytest.mark.parametrize("dtype", TYPES[2:], ids=str)
def test_unknown_labels_of_every_type(dtype: torch.dtype) -> None:
    mark = torch.nan if dtype.is_floating_point else -1
    unknown = torch.tensor([[0, 1, 0, 0, 0], [0, 0, 1, 0, 1], [1, 1, 1, 1, 1]]).bool()
    scores, target = torch.randn(3, 5), CLOSED.to(dtype).masked_fill(unknown, mark)
    assert_close(loss(scores, target, DAG, Options()), loss_of(scores, target, DAG, Options()))


@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        (0.5, torch.float32),
        (-1.0, torch.float64),
        (1 + 1e-12, torch.float64),
        (torch.inf, torch.bfloat16),
        (2, torch.int64),
        (-2, torch.int8),
        (255, torch.uint8),
    ],
)
@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_what_is_no_label_makes_the_loss_nan_and_counts_nothing(value, dtype, weight) -> None:
    target = CLOSED.to(dtype, copy=True)
    target[1, 1] = value
    o = Options(weight=torch.full((5,), weight))
    scores = torch.randn(3, 5)
    total, gradient = loss(scores, target, DAG, o)
    assert total.isnan()
    assert_close(gradient, loss_of(scores, target, DAG, o)[1])
    assert_close(counts(scores, target, DAG, o), counts_of(scores, target, DAG, o))


@reductions
def test_empty_batches_cost_nothing(reduction: str) -> None:
    total, gradient = loss(torch.randn(0, 5), torch.zeros(0, 5), DAG, Options(), reduction)
    assert total.item() == 0
    assert gradient.shape == (0, 5)
    assert counts(torch.randn(0, 5), torch.zeros(0, 5), DAG, Options())[0].shape == (0, 5)
    assert select(torch.randn(0, 5), DAG, "max")[1].shape == (0, 5)
    assert scatter(torch.randn(0, 5), torch.zeros(0, 5).int(), DAG, "max").shape == (0, 5)


@reductions
def test_a_batch_without_known_labels_costs_nothing(reduction: str) -> None:
    o = Options(sample_weight=torch.tensor([1.0, torch.nan]))
    total, gradient = loss(torch.randn(2, 5), torch.full((2, 5), -1), DAG, o, reduction)
    assert total.item() == 0
    assert not gradient.any()


@pytest.mark.parametrize("samples", [1, 7])
@pytest.mark.parametrize("h", [DAG, Hierarchy.from_parents([None])], ids=["dag", "one class"])
def test_batches_of_any_size(samples: int, h: Hierarchy) -> None:
    scores, target = torch.randn(samples, len(h)), CLOSED[torch.randint(3, (samples,)), : len(h)]
    assert_close(loss(scores, target, h, Options()), loss_of(scores, target, h, Options()))
    for kind in KINDS:
        assert torch.equal(select(scores, h, kind)[1].long(), routes_of(scores, h, kind))


@pytest.mark.parametrize("shares", [(1.0, 0.0), (0.5, 0.5)])
@pytest.mark.parametrize(
    ("last", "right"),
    [
        ([1, 1, 1, 1, 0], True),
        ([1, torch.nan, 1, 1, 0], True),
        ([1, 1, 1, 0, 0.5], False),
        ([1, 0, 1, 0, 0], False),
        ([0, 1, torch.nan, 1, 0], False),
    ],
)
def test_validates_when_it_is_told_to(shares, last: list[float], right: bool) -> None:
    target = torch.cat([CLOSED, torch.tensor([last])])
    given = *moved(torch.randn(4, 5), target), tables_of(DAG), None, None, None, "mean", *shares
    if right:
        assert gpu.loss(*given, True, True)[0].isfinite()
    else:
        with pytest.raises(kernels.InvalidTarget):
            gpu.loss(*given, True, True)


def test_goes_over_many_tiles_and_is_the_same_again() -> None:
    h = random_dag(3 * LARGEST)
    scores = torch.randn(2, len(h))
    target = h.close(torch.rand(2, len(h)) < 0.01)
    o = Options(weight=torch.rand(len(h)), sample_weight=torch.rand(2))
    once, again = (loss(scores, target, h, o, "sum") for _ in range(2))
    assert_same_sums(once, loss_of(scores, target, h, o, "sum"), scores.dtype)
    assert_close(again, once, rtol=0, atol=0)
    o = replace(o, sample_weight=o.sample_weight[1:])
    _, alone = loss(scores[1:], target[1:], h, o, "sum")
    assert torch.equal(alone, once[1][1:])


def test_many_samples_have_tiles_of_their_own(monkeypatch) -> None:
    h = random_dag(3 * gpu.LEAD_OF_MANY.rows)
    scores, target = torch.randn(2, len(h)), h.close(torch.rand(2, len(h)) < 0.01)
    few = loss(scores, target, h, Options())
    monkeypatch.setattr(gpu, "MANY", 1)
    assert_close(loss(scores, target, h, Options()), few, rtol=0, atol=0)
    assert torch.equal(select(scores, h, "max")[1].long(), routes_of(scores, h, "max"))


@needs_gpu
@pytest.mark.filterwarnings("ignore:Synchronization debug mode is a prototype")
def test_nothing_waits_and_a_graph_repeats_it() -> None:
    h, o = random_dag(3000), Options(weight=torch.rand(3000))
    scores = torch.randn(4, 3000)
    target = h.close(torch.rand(4, 3000) < 0.01)
    x, y, tables, weight = *moved(scores, target), tables_of(h), *moved(o.weight)

    def run() -> list[Tensor]:
        values, routes = gpu.select(x, tables, "max", True)
        parts = gpu.loss(x, y, tables, weight, None, None, "mean", 0.7, 0.3, False, True)
        return [values, *parts, gpu.scatter(parts[1], routes, tables, "max")]

    run()
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        run()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        captured = run()
    x.copy_(scores.flip(0))
    y.copy_(target.flip(0))
    graph.replay()
    assert_close(captured, run(), rtol=0, atol=0)


@needs_gpu
@pytest.mark.slow
@floats
def test_the_gene_ontology_is_as_the_reference_has_it(go: Hierarchy, dtype: torch.dtype) -> None:
    scores = (3 * torch.randn(33, len(go))).to(dtype)
    target = go.close(torch.rand(33, len(go)) < 1e-3).float()
    target[torch.rand(target.shape) < 0.01] = torch.nan
    for kind in KINDS:
        routes = routes_of(scores, go, kind)
        assert torch.equal(select(scores, go, kind)[1].long(), routes)
        grad = torch.randint(-3, 4, scores.shape).float()
        expected = torch.zeros_like(grad).scatter_add_(1, routes, grad)
        assert torch.equal(scatter(grad, routes.int(), go, kind), expected)
    o = Options(pos_weight=1 + torch.rand(len(go)), sample_weight=torch.rand(33))
    once, again = (loss(scores, target, go, o, "sum") for _ in range(2))
    assert_same_sums(once, loss_of(scores, target, go, o, "sum"), dtype)
    assert_close(once, again, rtol=0, atol=0)
