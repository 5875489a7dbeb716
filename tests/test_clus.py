"""CLUS-ENS: its weights, its splits against a search over all of them, its predictions."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

import strategies as hl
from hierloss import Hierarchy
from hierloss.models import ClusEns, clus_weights
from hierloss.models.clus import _fraction, _grow
from table import CLOSED, DAG

pytest.importorskip("sklearn", reason='scikit-learn is missing; pip install "hierloss[sklearn]"')

TREE = Hierarchy.from_paths(["a/b/c", "a/d", "e"])


def data(h: Hierarchy, samples: int = 60) -> tuple[Tensor, Tensor]:
    """Three features, the first of which decides about the labels."""
    x = torch.randn(samples, 3)
    leaves = [h.leaves[0] if row[0] > 0 else h.leaves[-1] for row in x.tolist()]
    return x, h.encode([[leaf] for leaf in leaves])


def test_samples_are_predicted_block_after_block(monkeypatch) -> None:
    x, y = data(TREE, 40)
    trees = ClusEns(TREE, trees=3).fit(x, y)
    whole = trees.predict(x)
    monkeypatch.setattr("hierloss.models.clus.BLOCK", 7)
    assert torch.equal(trees.predict(x), whole)
    assert trees.predict(x[:0]).shape == (0, len(TREE))


def test_the_weights_of_a_tree_are_powers_of_w0() -> None:
    assert_close(clus_weights(TREE), 0.75 ** torch.from_numpy(TREE.levels.copy()))


def test_the_weights_of_a_dag_average_over_parents() -> None:
    """c has a parent at the top and one below it: 0.5 (1 + 0.5) / 2."""
    h = Hierarchy.from_edges([("b", "a"), ("c", "a"), ("c", "b")], names=["a", "b", "c"])
    assert_close(clus_weights(h, 0.5), torch.tensor([1.0, 0.5, 0.375]))


@given(problem=hl.hierarchies())
def test_the_weights_equal_their_definition(problem) -> None:
    def weight(c: int) -> float:
        above = [weight(p) for p in problem.parents[c]]
        return 0.75 * sum(above) / len(above) if above else 1.0

    expected = torch.tensor([weight(c) for c in range(problem.n)])
    assert_close(clus_weights(problem.hierarchy), expected)


def variance(y: Tensor, w: Tensor) -> float:
    return ((y - y.mean(0)).square() * w).sum(1).mean().item()


@settings(max_examples=20)
@given(problem=hl.hierarchies(), seed=st.integers(0, 99))
def test_a_split_reduces_the_weighted_variance_most(problem, seed: int) -> None:
    """The first split of a tree is as good as the best of all, measured on all classes."""
    torch.manual_seed(seed)
    h = problem.hierarchy
    x = torch.randn(30, 3)
    y = h.close(torch.rand(30, len(h)) < 0.2).double()
    model = ClusEns(h, trees=1, variance=1.0, seed=seed).fit(x, y)
    tree = model._grown[0]
    rows = torch.arange(30).repeat_interleave(torch.from_numpy(tree.drawn).long())
    x, y, w = x[rows], y[rows], clus_weights(h).double()

    def left_over(feature: int, threshold: float) -> float:
        left = x[:, feature] <= threshold
        if not 5 <= left.sum() <= 25:
            return np.inf
        parts = [(left, left.sum().item()), (~left, 30 - left.sum().item())]
        return sum(variance(y[part], w) * n / 30 for part, n in parts)

    options = [left_over(f, v) for f in range(3) for v in x[:, f].tolist()]
    splits = tree.splits.tree_
    if splits.node_count == 1:
        assert variance(y, w) < 1e-9 or min(options) == np.inf
        return
    chosen = left_over(splits.feature[0], splits.threshold[0])
    assert chosen <= min(options) + 1e-9


def test_predictions_are_mean_labels_of_the_leaves() -> None:
    x, y = data(TREE)
    model = ClusEns(TREE, trees=3).fit(x, y)
    expected = torch.zeros(60, len(TREE), dtype=torch.float64)
    for tree in model._grown:
        drawn, leaf = torch.from_numpy(tree.drawn), torch.from_numpy(tree.leaf)
        for i in range(60):
            share = drawn * (leaf == leaf[i])
            expected[i] += share @ y.double() / share.sum() / 3
    assert_close(model.predict(x), expected.float())


@pytest.mark.parametrize("h", [TREE, DAG], ids=["tree", "DAG"])
def test_it_learns_and_is_coherent(h: Hierarchy) -> None:
    x, y = data(h, 200)
    model = ClusEns(h, trees=10, weight=torch.tensor([0.0, 1, 1, 1, 1])).fit(x[:100], y[:100])
    predicted = model.predict(x[100:])
    assert ((predicted > 0.5) == y[100:]).float().mean() > 0.95
    assert h.is_coherent(predicted)
    assert ((predicted >= 0) & (predicted <= 1)).all()


def test_the_leaves_have_their_least_weight() -> None:
    x, y = data(TREE)
    for tree in ClusEns(TREE, trees=5, min_weight=8).fit(x, y)._grown:
        sizes = np.bincount(tree.leaf, tree.drawn)
        assert sizes[sizes > 0].min() >= 8


@pytest.mark.parametrize("n", [147, 148, 281, 12, 10])
def test_a_leaf_may_have_its_least_weight_and_no_less(n: int) -> None:
    """5 / 147 * 147 and 5 / 281 * 281 are above 5 in floating point."""
    x = (torch.arange(n) < 5).double()[:, None]
    axes, least = x.numpy(), 0
    for seed in range(40):
        tree = _grow(axes, axes, 5.0, np.random.default_rng(seed))
        small = min(tree.drawn[:5].sum(), tree.drawn[5:].sum())
        assert (tree.splits.tree_.node_count == 3) == (small >= 5)
        least += small == 5
    assert least


def test_a_share_never_asks_for_more_than_the_least_weight() -> None:
    for m in (1.0, 2.0, 3.0, 5.0, 7.0, 10.0, 20.0, 2.5):
        for n in range(int(2 * m), 4000):
            assert m - 1e-9 < _fraction(m, n) * n <= m


def test_no_leaf_is_smaller_where_the_least_weight_is_above_half() -> None:
    x, y = torch.arange(10.0)[:, None], TREE.encode([["a"]] * 5 + [["e"]] * 5)
    for tree in ClusEns(TREE, trees=40, min_weight=6).fit(x, y)._grown:
        assert tree.splits.tree_.node_count == 1


def test_few_axes_predict_alike() -> None:
    x, y = data(TREE, 200)
    exact = ClusEns(TREE, trees=5, variance=1.0).fit(x, y).predict(x)
    assert_close(ClusEns(TREE, trees=5, variance=0.9).fit(x, y).predict(x), exact)


def test_the_seed_decides() -> None:
    x, y = data(TREE)
    x[:, 0] += torch.randn(60)
    first, again, other = (
        ClusEns(TREE, trees=3, seed=seed).fit(x, y).predict(x) for seed in (0, 0, 1)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_progress_is_told() -> None:
    told: list[tuple[int, int]] = []
    ClusEns(TREE, trees=3).fit(*data(TREE), progress=lambda done, all: told.append((done, all)))
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_a_constant_target_is_predicted() -> None:
    x = torch.randn(12, 2)
    y = TREE.encode([["a/d"]] * 12)
    assert_close(ClusEns(TREE, trees=2).fit(x, y).predict(x), y.float())


def test_wrong_input_says_what_was_expected() -> None:
    with pytest.raises(ValueError, match="expected trees, got none; call fit first"):
        ClusEns(TREE).predict(torch.zeros(1, 2))
    with pytest.raises(ValueError, match="expected trees above 0, got 0"):
        ClusEns(TREE, trees=0)
    with pytest.raises(ValueError, match="variance from 0 to 1, got 2"):
        ClusEns(TREE, variance=2)
    x, y = torch.zeros(3, 2), CLOSED
    with pytest.raises(ValueError, match="trees need all labels"):
        ClusEns(DAG).fit(x, -y)
    with pytest.raises(ValueError, match=r"closed upward.*hierarchy.close"):
        ClusEns(DAG).fit(x, torch.tensor([[0, 0, 0, 1, 0]] * 3))
    with pytest.raises(ValueError, match="5 classes"):
        ClusEns(DAG).fit(x, y[:, :4])
    with pytest.raises(ValueError, match="expected features of 3 samples, got 2"):
        ClusEns(DAG).fit(x[:2], y)
    missing = torch.tensor([[0.0, 1.0], [2.0, torch.nan], [0.0, 0.0]])
    with pytest.raises(ValueError, match=r"expected finite features, got nan at \[1, 1\]; fill in"):
        ClusEns(DAG).fit(missing, y)
    with pytest.raises(ValueError, match=r"expected finite features, got inf at \[0, 0\]"):
        ClusEns(DAG, trees=1).fit(x, y).predict(1 / x)


def test_without_scikit_learn_the_extra_is_named(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.tree", None)
    with pytest.raises(ImportError, match=r"hierloss\[sklearn\]"):
        ClusEns(TREE).fit(*data(TREE))


def test_a_fit_that_fails_changes_nothing() -> None:
    h = Hierarchy.from_paths(["a/b", "a/c"])
    x = torch.arange(20.0)[:, None]
    y = h.encode([["a/b"]] * 10 + [["a"]] * 10)
    trees = ClusEns(h, trees=3).fit(x, y)
    before = trees.predict(x)
    with pytest.raises(ValueError, match="finite features"):
        trees.fit(x * torch.nan, h.encode([["a/c"]] * 20))
    assert torch.equal(trees.predict(x), before)
    with pytest.raises(ValueError, match="expected samples to grow trees on, got none"):
        trees.fit(x[:0], y[:0])
    with pytest.raises(TypeError, match="features that is a Tensor, got ndarray"):
        trees.fit(x.numpy(), y)
