"""Hierarchies from dense ancestor matrices."""

from __future__ import annotations

import networkx as nx
import pytest
import torch
from hypothesis import given

import strategies as hl
from hierloss import Hierarchy, HierarchyError
from oracles import Problem


@given(p=hl.hierarchies())
def test_from_matrix_reads_both_orientations(p: Problem) -> None:
    below = torch.tensor([[j in p.below[i] for j in range(p.n)] for i in range(p.n)])
    down = Hierarchy.from_matrix(below, check_orientation=False)
    up = Hierarchy.from_matrix(below.T.numpy(), "ancestor_rows", check_orientation=False)
    assert down == up
    reduced = nx.transitive_reduction(nx.DiGraph(p.edges))
    assert {tuple(e) for e in down.edge_index.T.tolist()} == set(reduced.edges)
    assert [{i, *down.descendants(i)} for i in range(p.n)] == p.below


def test_from_matrix_accepts_an_empty_diagonal() -> None:
    assert Hierarchy.from_matrix([[0, 1], [0, 0]]) == Hierarchy.from_matrix([[1, 1], [0, 1]])


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (torch.eye(3)[:2], r"square matrix, got shape \(2, 3\)"),
        ([[1, 2], [0, 1]], "zeros and ones"),
        ([[1, 1], [0, 0]], "diagonal of ones, or of zeros"),
        ([[1, 1], [1, 1]], r"no cycle, got classes \[0, 1\]"),
        ([[1, 1, 0], [0, 1, 1], [0, 0, 1]], "transitively closed .* use from_edges"),
        (torch.eye(3).bfloat16() * 0.5, "zeros and ones"),
    ],
)
def test_from_matrix_refuses_what_is_no_ancestor_matrix(matrix, message: str) -> None:
    with pytest.raises(HierarchyError, match=message):
        Hierarchy.from_matrix(matrix)


def test_from_matrix_takes_any_tensor_and_as_many_names_as_rows() -> None:
    matrix = torch.tensor([[1.0, 1.0], [0.0, 1.0]], requires_grad=True)
    for kind in (matrix, matrix.bfloat16(), matrix.detach().to_sparse()):
        assert Hierarchy.from_matrix(kind, names=["a", "b"]).edges == (("b", "a"),)
    with pytest.raises(HierarchyError, match="2 names, one for each column, got 3"):
        Hierarchy.from_matrix(matrix, names=["a", "b", "c"])


def test_from_matrix_refuses_the_wrong_orientation() -> None:
    star = torch.eye(4)
    star[0] = 1
    assert Hierarchy.from_matrix(star).roots == ("0",)
    with pytest.raises(HierarchyError, match="pass orientation='ancestor_rows'"):
        Hierarchy.from_matrix(star.T)
    assert Hierarchy.from_matrix(star.T, "ancestor_rows") == Hierarchy.from_matrix(star)
    assert len(Hierarchy.from_matrix(star.T, check_orientation=False).roots) == 3
    with pytest.raises(ValueError, match="'descendant_rows' or 'ancestor_rows', got 'rows'"):
        Hierarchy.from_matrix(star, "rows")
