"""The metrics of TorchMetrics: values by hand, agreement with functions and peers, laws."""

from __future__ import annotations

import math
import pickle
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.testing import assert_close

import strategies as hl
from hierloss import Hierarchy
from hierloss.cafa import coverage, fmax, smin
from hierloss.metrics import (
    average_precision,
    hierarchical_scores,
    level_scores,
    violation_rate,
)

pytest.importorskip("torchmetrics", reason='needs pip install "hierloss[torchmetrics]"')

import torchmetrics
from torchmetrics.classification import BinaryAveragePrecision

from hierloss_adapters.torchmetrics import (
    Coverage,
    Fmax,
    HierarchicalF,
    HierarchicalPrecision,
    HierarchicalRecall,
    PooledAveragePrecision,
    Smin,
    ViolationRate,
)

Make = Callable[..., torchmetrics.Metric]

H = Hierarchy.from_edges(
    [("A", "R"), ("B", "R"), ("C", "A"), ("C", "B"), ("D", "A")], names=list("RABCD")
)
INFORMATION = torch.tensor([0, 0.585, 0.585, 1, 1.585])
BELOW = torch.tensor([False, True, True, True, True])

#: Every metric with the function that it agrees with, each called with a hierarchy and options.
METRICS: dict[str, tuple[Make, Callable[..., object]]] = {
    "average precision": (
        lambda h, **k: PooledAveragePrecision(**k),
        lambda s, y, h, c: average_precision(s, y, c),
    ),
    "violation rate": (ViolationRate, lambda s, y, h, c: violation_rate(s, h, c)),
    "precision": (
        HierarchicalPrecision,
        lambda s, y, h, c: hierarchical_scores(s > 0.5, y, h, c).precision,
    ),
    "recall": (
        HierarchicalRecall,
        lambda s, y, h, c: hierarchical_scores(s > 0.5, y, h, c).recall,
    ),
    "F": (
        partial(HierarchicalF, beta=2.0, threshold=0.3),
        lambda s, y, h, c: hierarchical_scores(s > 0.3, y, h, c, beta=2.0).f,
    ),
    "macro F": (
        partial(HierarchicalF, average="macro"),
        lambda s, y, h, c: hierarchical_scores(s > 0.5, y, h, c, average="macro").f,
    ),
    "level F": (
        partial(HierarchicalF, average="level"),
        lambda s, y, h, c: [x.f for x in level_scores(s > 0.5, y, h, c)],
    ),
    "Fmax": (Fmax, lambda s, y, h, c: fmax(s, y, h, c)),
    "micro Fmax": (
        partial(Fmax, average="micro"),
        lambda s, y, h, c: fmax(s, y, h, c, average="micro"),
    ),
    "weighted Fmax": (
        lambda h, **k: Fmax(h, information=weights(h), **k),
        lambda s, y, h, c: fmax(s, y, h, c, information=weights(h)),
    ),
    "Smin": (
        lambda h, **k: Smin(h, weights(h), **k),
        lambda s, y, h, c: smin(s, y, h, c, information=weights(h)),
    ),
    "coverage": (
        partial(Coverage, threshold=0.6),
        lambda s, y, h, c: coverage(s, y, h, c, threshold=0.6),
    ),
}
every = pytest.mark.parametrize("name", METRICS)


def weights(h: Hierarchy) -> Tensor:
    return torch.arange(len(h)) / 4


def drawn(samples: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Scores with ties, and targets in which every tenth label is unknown."""
    g = torch.Generator().manual_seed(seed)
    scores = torch.randint(0, 21, (samples, 5), generator=g) / 20
    target = H.close(torch.randint(0, 3, (samples, 5), generator=g) // 2)
    return scores, target.masked_fill(torch.rand(samples, 5, generator=g) < 0.1, -1)


def tensors(metric: torchmetrics.Metric) -> list[Tensor]:
    states = metric.metric_state.values()
    return [x for state in states for x in (state if isinstance(state, list) else [state])]


def test_every_metric_is_in_the_table() -> None:
    from hierloss_adapters import torchmetrics as module

    made = {type(make(H)).__name__ for make, _ in METRICS.values()}
    assert made == set(module.__all__)


def test_known_values() -> None:
    y = H.encode([["C"], ["D"], ["B"]])
    s = torch.tensor([[0, 0, 0, 0.9, 0.4], [0, 0.8, 0, 0.3, 0], [0, 0, 0.5, 0, 0.6]])
    tenths = torch.arange(1, 10) / 10
    expected = {
        Fmax(H, thresholds=tenths): 0.8602150538,
        Fmax(H, thresholds=tenths, classes=BELOW): 0.8045977011,
        Fmax(H, thresholds=tenths, information=INFORMATION): 0.7468658865,
        Fmax(H, thresholds=tenths, average="micro"): 0.8421052632,
        Smin(H, INFORMATION, thresholds=tenths): 0.7233333333,
        Coverage(H, threshold=0.7): 2 / 3,
        HierarchicalPrecision(H): 7 / 9,
        HierarchicalPrecision(H, threshold=0.45): 8 / 10,
        HierarchicalRecall(H, threshold=0.45): 8 / 9,
        HierarchicalF(H, threshold=0.45): 16 / 19,
        ViolationRate(H): 7 / 15,
    }
    for metric, value in expected.items():
        assert_close(metric(s, y).item(), value, rtol=1e-6, atol=1e-6)
    levels = HierarchicalPrecision(H, average="level")(s, y)
    assert_close(levels, torch.tensor([1.0, 3 / 4, 1 / 2]))


@every
@given(data=st.data())
def test_metrics_equal_the_functions_however_batches_are_cut(name: str, data) -> None:
    make, function = METRICS[name]
    p = data.draw(hl.hierarchies(6))
    h = p.hierarchy
    scores = (data.draw(hl.tied_scores(p.n, 5)) + 2) / 4
    target = data.draw(hl.unknown_targets(p, 5))
    classes = torch.tensor([data.draw(st.booleans()) for _ in range(p.n)])
    metric = make(h, classes=classes)
    metric.set_dtype(torch.float64)
    cuts = sorted(data.draw(st.lists(st.integers(0, 5), max_size=2)))
    for s, y in zip(scores.tensor_split(cuts), target.tensor_split(cuts), strict=True):
        metric.update(s, y)
    expected = torch.tensor(function(scores, target, h, classes), dtype=torch.float64).squeeze()
    assert_close(metric.compute(), expected, equal_nan=True)


def test_the_table_is_not_trivial() -> None:
    """What the law above compares is neither all NaN nor all 0 or 1."""
    scores, target = drawn(40)
    for make, function in METRICS.values():
        value = torch.tensor(function(scores, target, H, BELOW))
        assert_close(make(H, classes=BELOW)(scores, target), value)
        assert ((value > 0.05) & (value != 1)).any()


@pytest.mark.parametrize("thresholds", [2, 11, torch.tensor([0.25, 0.5, 0.75])])
def test_binned_areas_equal_those_of_torchmetrics(thresholds) -> None:
    scores, target = drawn(50)
    theirs = BinaryAveragePrecision(thresholds=thresholds, ignore_index=-1)
    ours = PooledAveragePrecision(thresholds=thresholds)
    for rows in (slice(0, 20), slice(20, 50)):
        theirs.update(scores[rows], target[rows])
        ours.update(scores[rows], target[rows])
    assert_close(ours.compute(), theirs.compute())


def test_bins_at_all_scores_are_exact() -> None:
    scores, target = drawn(50)
    binned = PooledAveragePrecision(thresholds=torch.arange(21) / 20)
    assert_close(binned(scores, target).item(), average_precision(scores, target))


def test_exact_areas_of_logits_and_low_precision() -> None:
    scores, target = drawn(50)
    expected = average_precision(scores, target)
    assert_close(PooledAveragePrecision()(scores * 8 - 4, target).item(), expected)
    assert_close(PooledAveragePrecision()(scores.bfloat16(), target).item(), expected)
    close = torch.tensor([[0.5, 0.5 + 1e-12]], dtype=torch.float64)
    assert PooledAveragePrecision()(close, torch.tensor([[0, 1]])) == 1


@pytest.mark.parametrize("dtype", [torch.bool, torch.int64])
@pytest.mark.parametrize("name", [*METRICS, "binned"])
def test_scores_may_be_bool_or_integers(name: str, dtype: torch.dtype) -> None:
    scores, target = drawn(20)
    binned = partial(PooledAveragePrecision, thresholds=5)
    make = METRICS[name][0] if name in METRICS else lambda h: binned()
    scores = scores > 0.5
    assert_close(make(H)(scores.to(dtype), target), make(H)(scores.float(), target))


@every
def test_nothing_is_known_of_nothing(name: str) -> None:
    make, function = METRICS[name]
    metric = make(H)
    scores, target = drawn(3)
    empty = torch.tensor(function(scores[:0], target[:0], H, None))
    assert_close(metric(scores[:0], target[:0]), empty, equal_nan=True)
    unknown = torch.full_like(target, -1)
    value = torch.tensor(function(scores, unknown, H, None))
    assert_close(make(H)(scores, unknown), value, equal_nan=True)
    with pytest.warns(UserWarning, match="before the ``update`` method"):
        assert make(H).compute().isnan().all() or name not in ("average precision", "Fmax", "Smin")
    metric.update(scores, target)
    assert_close(metric.compute(), torch.tensor(function(scores, target, H, None)))


@every
def test_reset_clone_and_pickle(name: str) -> None:
    make, _ = METRICS[name]
    metric = make(H, classes=BELOW)
    (s, y), (t, z) = drawn(6), drawn(6, seed=1)
    whole = make(H, classes=BELOW)(torch.cat([s, t]), torch.cat([y, z]))
    metric.update(s, y)
    for copy in (metric.clone(), pickle.loads(pickle.dumps(metric))):
        copy.update(t, z)
        assert_close(copy.compute(), whole)
    metric.reset()
    metric.update(t, z)
    assert_close(metric.compute(), make(H, classes=BELOW)(t, z))


@every
def test_states_merge(name: str) -> None:
    make, _ = METRICS[name]
    (s, y), (t, z) = drawn(6), drawn(4, seed=1)
    left, right = make(H), make(H)
    left.update(s, y)
    right.update(t, z)
    left.merge_state(right)
    assert_close(left.compute(), make(H)(torch.cat([s, t]), torch.cat([y, z])))


@every
def test_metrics_of_other_options_do_not_merge(name: str) -> None:
    make, _ = METRICS[name]
    metric = make(H)
    for other in (make(H, classes=BELOW), make(H, classes=BELOW).metric_state):
        with pytest.raises(ValueError, match="with the same options, got one of others"):
            metric.merge_state(other)
    with pytest.raises(ValueError, match="with the same options"):
        HierarchicalF(H).merge_state(HierarchicalF(H, threshold=0.2))


@every
def test_set_dtype_changes_the_type_of_values_only(name: str) -> None:
    make, function = METRICS[name]
    scores, target = drawn(8)
    module = nn.ModuleList([make(H)])
    module[0].update(scores, target)
    types = {x.dtype for x in tensors(module[0])}
    wide = partial(module[0].set_dtype, torch.float64)
    for cast in (module.half, module.bfloat16, partial(module.to, torch.bfloat16), wide):
        cast()
        assert {x.dtype for x in tensors(module[0])} == types
    module.to("cpu")
    module[0].update(scores, target)
    value = torch.tensor(function(scores, target, H, None), dtype=torch.float64)
    assert_close(module[0].compute(), value, rtol=1e-15, atol=0)
    assert_close(module[0].set_dtype(torch.float32).compute(), value.float())


SUMS = {name for name, (make, _) in METRICS.items() if hasattr(make(H), "sums")}


@pytest.mark.parametrize("name", sorted(SUMS))
def test_sums_of_many_batches_do_not_drift(name: str) -> None:
    """With 2 ** 26 batches of the same rows, float32 would lose what one more adds."""
    make, _ = METRICS[name]
    metric = make(H)
    metric.update(*drawn(8))
    once = metric.metric_state
    for key in once.keys() - {"settings"}:
        setattr(metric, key, once[key] * 2**26)
    metric.update(*drawn(8))
    for key in once.keys() - {"settings"}:
        expected = once[key].double() * (2**26 + 1)
        assert_close(getattr(metric, key).double(), expected, rtol=1e-15, atol=0)


def test_a_device_without_float64_has_float32() -> None:
    def to_mps(x: Tensor) -> Tensor:
        if x.dtype == torch.float64:
            raise TypeError("Cannot convert a MPS Tensor to float64 dtype")
        return x

    for make in (Fmax, partial(HierarchicalF, average="macro")):
        metric = make(H)._apply(to_mps)
        metric.update(*drawn(8))
        assert metric.sums.dtype == torch.float32
        assert_close(metric.compute(), make(H)(*drawn(8)))
        metric.reset()
        assert metric.sums.dtype == torch.float32


@every
def test_states_move(name: str) -> None:
    make, _ = METRICS[name]
    metric = make(H)
    metric.update(*drawn(2))
    metric.to("meta")
    assert {x.device.type for x in tensors(metric)} == {"meta"}


def test_metrics_draw_themselves() -> None:
    pytest.importorskip("matplotlib", reason='needs pip install "hierloss[plot]"')
    metric = HierarchicalF(H)
    metric.update(*drawn(8))
    _, ax = metric.plot()
    assert ax.get_lines()[0].get_ydata()[0] == pytest.approx(metric.compute().item())
    _, ax = metric.plot([torch.tensor(0.1), torch.tensor(0.4)])
    assert ax.get_lines()[0].get_ydata().tolist() == pytest.approx([0.1, 0.4])


def test_collections_share_what_is_equal_and_only_that() -> None:
    """A first batch without predictions makes the states of different thresholds equal."""
    metrics = {
        "precision": HierarchicalPrecision(H),
        "recall": HierarchicalRecall(H),
        "low": HierarchicalRecall(H, threshold=0.2),
        "below": HierarchicalRecall(H, classes=BELOW),
        "Fmax": Fmax(H),
        "micro": Fmax(H, average="micro"),
        "weighted": Fmax(H, information=INFORMATION),
        "Smin": Smin(H, INFORMATION),
        "area": PooledAveragePrecision(),
        "violation rate": ViolationRate(H),
    }
    collection = torchmetrics.MetricCollection({k: m.clone() for k, m in metrics.items()})
    nothing = torch.zeros(2, 5), torch.full((2, 5), -1)
    for batch in (nothing, drawn(8)):
        collection.update(*batch)
        for metric in metrics.values():
            metric.update(*batch)
    groups = {frozenset(group) for group in collection.compute_groups.values()}
    shared = {("precision", "recall"), ("Fmax", "micro"), ("weighted", "Smin")}
    assert {g for g in groups if len(g) > 1} == {frozenset(pair) for pair in shared}
    for name, value in collection.compute().items():
        assert_close(value, metrics[name].compute())


def test_levels_have_names_in_a_classwise_wrapper() -> None:
    named = torchmetrics.ClasswiseWrapper(
        HierarchicalF(H, average="level"), labels=["0", "1", "2"], prefix="f_level_"
    )
    values = named(*drawn(8))
    assert list(values) == ["f_level_0", "f_level_1", "f_level_2"]


def _work(rank: int, folder: str) -> None:
    """One of two processes: the first has most samples, the last batches are of it alone."""
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2
    )
    scores, target = drawn(11)
    mine = (slice(0, 6), slice(6, 7)) if rank == 0 else (slice(7, 11),)
    values = {}
    for name, (make, _) in METRICS.items():
        metric, lone = make(H), make(H)
        for rows in mine:
            metric.update(scores[rows], target[rows])
        if rank == 0:
            lone.update(scores, target)
        else:
            lone._update_count = 1  # so that it does not warn; this process has no data at all
        own = metric.metric_state
        values[name] = metric.compute(), lone.compute()
        for key, state in metric.metric_state.items():
            assert_close(state, own[key])  # what was gathered is given back
    torch.save(values, f"{folder}/{rank}.pt")
    torch.distributed.destroy_process_group()


def test_two_processes_come_to_the_value_of_one(tmp_path: Path) -> None:
    torch.multiprocessing.spawn(_work, (str(tmp_path),), nprocs=2)
    scores, target = drawn(11)
    for rank in range(2):
        values = torch.load(tmp_path / f"{rank}.pt")
        for name, (make, _) in METRICS.items():
            expected = make(H)(scores, target)
            assert_close(values[name], (expected, expected), msg=lambda m, n=name: f"{n}: {m}")


def test_wrong_input_says_what_was_expected() -> None:
    scores, target = drawn(2)
    for make in (Fmax, ViolationRate, HierarchicalF):
        with pytest.raises(TypeError, match="expected a Hierarchy, got list"):
            make([])
        with pytest.raises(ValueError, match=r"a bool for each class, of shape \(5,\), got \(4,\)"):
            make(H, classes=BELOW[:4])
        with pytest.raises(TypeError, match="classes of bool, such as weight > 0"):
            make(H, classes=BELOW.float())
    with pytest.raises(ValueError, match=r"expected an average of .* got 'weighted'"):
        HierarchicalF(H, average="weighted")
    with pytest.raises(ValueError, match=r"expected an average of .* got 'level'"):
        Fmax(H, average="level")
    for beta in (-1, math.nan):
        with pytest.raises(ValueError, match=f"expected a beta of 0 or more, got {beta}"):
            HierarchicalF(H, beta=beta)
    with pytest.raises(ValueError, match="expected 2 thresholds or more, got 1"):
        PooledAveragePrecision(thresholds=1)
    for metric in (Fmax(H), PooledAveragePrecision(thresholds=9)):
        with pytest.raises(ValueError, match="expected probabilities, got scores from"):
            metric.update(scores * 8 - 4, target)
    sets = (HierarchicalPrecision(H), HierarchicalRecall(H), HierarchicalF(H))
    for metric in (*sets, Fmax(H), Smin(H, INFORMATION), PooledAveragePrecision()):
        with pytest.raises(ValueError, match="scores that are numbers, got NaN"):
            metric.update(scores * torch.nan, target)
    for metric in sets:  # what does not count may be anything
        metric.update(scores * torch.nan, torch.full((2, 5), -1))
    assert math.isnan(PooledAveragePrecision()(scores, torch.zeros(2, 5)))


def test_without_torchmetrics_the_extra_is_named(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "torchmetrics", None)
    for name in [x for x in sys.modules if x.startswith("hierloss_adapters.")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(ImportError, match=r'expected torchmetrics.*"hierloss\[torchmetrics\]"'):
        import hierloss_adapters.torchmetrics  # noqa: F401


def test_a_collection_keeps_hierarchies_apart() -> None:
    trees = [Hierarchy.from_edges(e, names=list("abc")) for e in (
        [("b", "a"), ("c", "a")], [("b", "a"), ("c", "b")]
    )]  # fmt: skip
    both = torchmetrics.MetricCollection({str(i): ViolationRate(h) for i, h in enumerate(trees)})
    for scores in ([[0.9, 0.5, 0.4]], [[0.9, 0.4, 0.5]]):
        both.update(torch.tensor(scores))
    assert {name: float(x) for name, x in both.compute().items()} == {"0": 0.0, "1": 0.25}


@pytest.mark.parametrize("sparse", [False, True])
def test_the_measures_of_cafa_take_one_sample_and_sparse_targets(sparse: bool) -> None:
    h = Hierarchy.from_paths(["a/b", "c"])
    metric, target = Fmax(h), h.encode([["a/b"]], sparse=sparse)
    metric.update(torch.tensor([[0.9, 0.1, 0.8]]), target)
    if not sparse:
        metric.update(torch.tensor([0.9, 0.1, 0.8]), target[0])
    assert metric.compute() == 1
    with pytest.raises(ValueError, match="shape"):
        metric.update(torch.rand(4, 3), h.encode([["c"]] * 2))
