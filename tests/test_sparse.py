"""Sparse matrices of torch-sparse: known values, a slow oracle, the same MCM and gradient."""

from __future__ import annotations

import sys
import warnings

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

import oracles
import strategies as hl
from hierloss import LMC, MCM, CycleError, Hierarchy, HierarchyError
from hierloss_adapters.sparse import from_sparse_tensor, to_sparse_tensor

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # its own, of torch.jit.script
    torch_sparse = pytest.importorskip(
        "torch_sparse", reason='pip install --no-build-isolation "hierloss[torch-sparse]"'
    )

DAG = Hierarchy.from_parents([None, 0, 0, (1, 2), 3, None])
KINDS = [
    (kind, orientation)
    for kind in ("closure", "edges")
    for orientation in ("descendant_rows", "ancestor_rows")
]
kinds = pytest.mark.parametrize(("kind", "orientation"), KINDS)


def test_known_matrices() -> None:
    h = Hierarchy.from_paths(["a/b/c"])
    matrices = {pair: to_sparse_tensor(h, pair[0], orientation=pair[1]) for pair in KINDS}
    assert {pair: matrix.to_dense().tolist() for pair, matrix in matrices.items()} == {
        ("closure", "descendant_rows"): [[1, 1, 1], [0, 1, 1], [0, 0, 1]],
        ("closure", "ancestor_rows"): [[1, 0, 0], [1, 1, 0], [1, 1, 1]],
        ("edges", "descendant_rows"): [[0, 1, 0], [0, 0, 1], [0, 0, 0]],
        ("edges", "ancestor_rows"): [[0, 0, 0], [1, 0, 0], [0, 1, 0]],
    }


@given(hl.hierarchies())
def test_a_matrix_has_what_is_below(p: oracles.Problem) -> None:
    matrix = to_sparse_tensor(p.hierarchy).to_dense()
    assert matrix.tolist() == [[float(j in p.below[i]) for j in range(p.n)] for i in range(p.n)]
    matrix = to_sparse_tensor(p.hierarchy, "edges").to_dense()
    assert matrix.tolist() == [[float(j in p.children[i]) for j in range(p.n)] for i in range(p.n)]


@given(hl.hierarchies(), st.sampled_from(KINDS))
def test_there_and_back(p: oracles.Problem, pair) -> None:
    kind, orientation = pair
    matrix = to_sparse_tensor(p.hierarchy, kind, orientation=orientation)
    options = {"kind": kind, "orientation": orientation, "check_orientation": False}
    again = from_sparse_tensor(matrix, p.hierarchy.names, **options)
    if kind == "edges":
        assert again == p.hierarchy
    else:  # an edge beside a longer path leaves no trace
        dense = Hierarchy.from_matrix(
            matrix.to_dense(), orientation, p.hierarchy.names, check_orientation=False
        )
        assert again == dense


@given(st.data())
def test_its_maximum_is_our_mcm_and_so_is_the_gradient(data) -> None:
    p = data.draw(st.one_of(hl.hierarchies(), hl.extremes()))
    scores = data.draw(hl.distinct_scores(p.n)).requires_grad_()
    weight = torch.rand(scores.shape, dtype=scores.dtype)
    matrix = to_sparse_tensor(p.hierarchy)
    theirs = matrix.matmul(scores.t(), reduce="max").t()
    ours = MCM(p.hierarchy)(scores)
    assert torch.equal(theirs, ours)
    gradients = (torch.autograd.grad((weight * x).sum(), scores)[0] for x in (theirs, ours))
    assert_close(*gradients)


@given(st.data())
def test_its_minimum_over_ancestors_is_our_lmc(data) -> None:
    p = data.draw(hl.hierarchies())
    scores = data.draw(hl.distinct_scores(p.n)).requires_grad_()
    weight = torch.rand(scores.shape, dtype=scores.dtype)
    parents = to_sparse_tensor(p.hierarchy, "edges", orientation="ancestor_rows").set_diag()
    ancestors = to_sparse_tensor(p.hierarchy, orientation="ancestor_rows")
    for matrix, closure in ((parents, False), (ancestors, True)):
        theirs = matrix.matmul(scores.t(), reduce="min").t()
        ours = LMC(p.hierarchy, closure=closure)(scores)
        assert torch.equal(theirs, ours)
        gradients = (torch.autograd.grad((weight * x).sum(), scores)[0] for x in (theirs, ours))
        assert_close(*gradients)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16])
def test_negative_logits_of_every_type(dtype) -> None:
    scores = -torch.rand(7, 6).to(dtype) - 1
    theirs = to_sparse_tensor(DAG).matmul(scores.t(), reduce="max").t()
    assert torch.equal(theirs, MCM(DAG)(scores))


def test_a_row_without_entries_gives_0() -> None:
    scores = torch.full((6, 1), -2.0)
    edges = to_sparse_tensor(DAG, "edges")
    assert edges.matmul(scores, reduce="max").ravel().tolist() == [-2, -2, -2, -2, 0, 0]
    assert edges.set_diag().matmul(scores, reduce="max").ravel().tolist() == [-2] * 6


@kinds
def test_values_of_one_and_a_full_or_empty_diagonal_mean_the_same(kind, orientation) -> None:
    plain = to_sparse_tensor(DAG, kind, orientation=orientation)
    options = {"kind": kind, "orientation": orientation}
    zeros = torch_sparse.SparseTensor.from_dense(plain.to_dense()).add(
        torch_sparse.SparseTensor.from_dense(torch.zeros(6, 6))
    )
    explicit = torch_sparse.SparseTensor(
        row=torch.arange(36) // 6, col=torch.arange(36) % 6, value=plain.to_dense().ravel()
    )
    for matrix in (plain.remove_diag(), plain.set_diag(), zeros, explicit):
        assert from_sparse_tensor(matrix, DAG.names, **options) == DAG


def test_columns_have_names() -> None:
    matrix = to_sparse_tensor(Hierarchy.from_paths(["a/b"]))
    options = {"kind": "closure", "orientation": "descendant_rows"}
    assert from_sparse_tensor(matrix, **options).names == ("0", "1")
    assert from_sparse_tensor(matrix, ["x", "y"], **options).edges == (("y", "x"),)
    with pytest.raises(HierarchyError, match="2"):
        from_sparse_tensor(matrix, ["x"], **options)


@kinds
def test_a_matrix_the_other_way_round_is_refused(kind, orientation) -> None:
    h = Hierarchy.from_parents([None, 0, 0, 0])
    matrix = to_sparse_tensor(h, kind, orientation=orientation).t()
    options = {"kind": kind, "orientation": orientation}
    (other,) = {"descendant_rows", "ancestor_rows"} - {orientation}
    with pytest.raises(HierarchyError, match=f"got 3 roots and 1 leaves .* pass .*{other!r}"):
        from_sparse_tensor(matrix, **options)
    narrow = from_sparse_tensor(matrix, **options, check_orientation=False)
    assert narrow.parents(0) == (1, 2, 3)


def sparse(rows: list[list[float]]) -> object:
    return torch_sparse.SparseTensor.from_dense(torch.tensor(rows))


@pytest.mark.parametrize(
    ("kind", "rows", "error"),
    [
        ("closure", [[1.0, 1], [1, 1]], "expected no cycle, got column 0"),
        ("closure", [[0.0, 1, 0], [0, 0, 1], [0, 0, 0]], "column 0 is above an ancestor of col"),
        ("edges", [[0.0, 2], [0, 0]], "zeros and ones"),
        ("edges", [[0.0, 1, 0], [0, 0, 0]], r"square matrix, got shape \(2, 3\)"),
        ("edges", [[1.0, 1], [0, 0]], "a full diagonal, or an empty one, got 1 of 2"),
    ],
)
def test_what_is_wrong_is_said(kind, rows, error) -> None:
    with pytest.raises(HierarchyError, match=error):
        from_sparse_tensor(sparse(rows), kind=kind, orientation="descendant_rows")


def test_cycles_types_and_options() -> None:
    options = {"kind": "edges", "orientation": "descendant_rows"}
    with pytest.raises(CycleError):
        from_sparse_tensor(sparse([[0.0, 1], [1, 0]]), **options)
    with pytest.raises(TypeError, match=r"got Tensor; a dense matrix is for Hierarchy.from_matrix"):
        from_sparse_tensor(torch.eye(2), **options)
    with pytest.raises(ValueError, match=r"expected kind .* got 'matrix'"):
        to_sparse_tensor(DAG, "matrix")
    with pytest.raises(ValueError, match=r"expected orientation .* got 'rows'"):
        from_sparse_tensor(sparse([[0.0]]), kind="edges", orientation="rows")


def test_without_torch_sparse_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch_sparse", None)
    with pytest.raises(ImportError, match=r'"hierloss\[torch-sparse\]"'):
        to_sparse_tensor(DAG)


@pytest.mark.slow
def test_the_whole_gene_ontology(go: Hierarchy) -> None:
    matrix = to_sparse_tensor(go)
    scores = torch.randn(3, len(go))
    assert torch.equal(matrix.matmul(scores.t(), reduce="max").t(), MCM(go)(scores))
    again = from_sparse_tensor(matrix, go.names, kind="closure", orientation="descendant_rows")
    assert torch.equal(to_sparse_tensor(again).storage.col(), matrix.storage.col())
    edges = to_sparse_tensor(go, "edges", orientation="ancestor_rows")
    again = from_sparse_tensor(edges, go.names, kind="edges", orientation="ancestor_rows")
    assert again.edges == go.edges
