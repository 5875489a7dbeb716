"""The full Gene Ontology, against a brute-force closure."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

import hierloss.functional as HF
from hierloss import Hierarchy

pytestmark = pytest.mark.slow
SAMPLES = 4


@pytest.fixture(scope="module")
def closure(go: Hierarchy) -> tuple[Tensor, Tensor]:
    """Every pair of a class and one of its descendants or itself, as two arrays of columns."""
    below: list[set[int]] = [set() for _ in go]
    for i in np.argsort(-go.levels, kind="stable").tolist():
        below[i] = {i}.union(*(below[c] for c in go.children(i)))
    tops = [i for i, found in enumerate(below) for _ in found]
    return torch.tensor(tops), torch.tensor([j for found in below for j in sorted(found)])


@pytest.fixture(scope="module")
def scores(go: Hierarchy) -> Tensor:
    """Distinct scores: a permutation of a grid."""
    generator = torch.Generator().manual_seed(1)
    grid = torch.linspace(-8, 8, len(go), dtype=torch.float64)
    return torch.stack([grid[torch.randperm(len(go), generator=generator)] for _ in range(SAMPLES)])


@pytest.fixture(scope="module")
def target(go: Hierarchy) -> Tensor:
    generator = torch.Generator().manual_seed(2)
    picked = torch.randint(len(go), (SAMPLES, 12), generator=generator).tolist()
    return go.encode([[go.names[i] for i in row] for row in picked])


def extreme(values: Tensor, index: Tensor, n: int, how: str) -> Tensor:
    """The extremum of the values that go to each class, differentiable."""
    empty = -torch.inf if how == "amax" else torch.inf
    start = torch.full((values.shape[0], n), empty, dtype=values.dtype)
    return start.scatter_reduce(1, index.expand(values.shape[0], -1), values, how)


def test_facts(go: Hierarchy) -> None:
    assert len(go) == 43_789
    assert len(go.edges) == 77_825
    assert go.depth == 18
    assert go.roots == ("GO:0003674", "GO:0005575", "GO:0008150")
    assert int((np.bincount(go.edge_index[0]) > 1).sum()) == 23_919
    assert go.index("GO:0019952") == go.index("GO:0000003")


def test_mcm_equals_the_closure(go: Hierarchy, closure, scores: Tensor) -> None:
    top, below = closure
    mine, theirs = (scores.clone().requires_grad_() for _ in range(2))
    actual = HF.mcm(mine, go)
    expected = extreme(theirs[:, below], top, len(go), "amax")
    assert torch.equal(actual, expected)
    weight = torch.rand_like(actual)
    (actual * weight).sum().backward()
    (expected * weight).sum().backward()
    assert_close(mine.grad, theirs.grad)


def test_mcm_and_lmc_closure_are_coherent(go: Hierarchy, scores: Tensor) -> None:
    assert not go.is_coherent(scores)
    assert go.is_coherent(HF.mcm(scores, go))
    assert go.is_coherent(HF.lmc(scores, go, closure=True))
    assert not go.is_coherent(HF.lmc(scores, go))


def test_lmc_closure_equals_the_closure(go: Hierarchy, closure, scores: Tensor) -> None:
    top, below = closure
    expected = extreme(scores[:, top], below, len(go), "amin")
    assert torch.equal(HF.lmc(scores, go, closure=True), expected)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_mc_loss_equals_the_closure(go, closure, scores: Tensor, target: Tensor, dtype) -> None:
    top, below = closure

    def deciding(x: Tensor) -> Tensor:
        hidden = target[:, top] & ~target[:, below]
        return extreme(x[:, below].masked_fill(hidden, -torch.inf), top, len(go), "amax")

    _same_loss(HF.mc_loss, deciding, go, scores.to(dtype), target)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_lh_loss_equals_the_edges(go, scores: Tensor, target: Tensor, dtype) -> None:
    child, parent = torch.tensor(go.edge_index)

    def deciding(x: Tensor) -> Tensor:
        return torch.minimum(x, extreme(x[:, parent], child, len(go), "amin"))

    _same_loss(HF.lh_loss, deciding, go, scores.to(dtype), target)


def _same_loss(loss, deciding, go: Hierarchy, scores: Tensor, target: Tensor) -> None:
    # Theirs in float64, since autograd adds up the many terms of a class one by one.
    mine, theirs = (x.clone().requires_grad_() for x in (scores, scores.double()))
    bce = torch.nn.BCEWithLogitsLoss(reduction="sum")
    actual = loss(mine, target, go, reduction="sum")
    expected = bce(deciding(theirs), target.double())
    actual.backward()
    expected.backward()
    assert_close(actual, expected.to(scores.dtype))
    assert_close(mine.grad, theirs.grad.to(scores.dtype))
    assert theirs.grad.any()


def test_hybrid_loss_is_the_mean_of_both(go: Hierarchy, scores: Tensor, target: Tensor) -> None:
    both = HF.mc_loss(scores, target, go) + HF.lh_loss(scores, target, go)
    assert_close(HF.hybrid_loss(scores, target, go), both / 2)


def test_save_and_load(go: Hierarchy, tmp_path) -> None:
    go.save(tmp_path / "go.npz")
    assert Hierarchy.load(tmp_path / "go.npz") == go
    assert (tmp_path / "go.npz").stat().st_size < 1_000_000
