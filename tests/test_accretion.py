"""Information accretion: known values, a slow oracle, laws, the whole Gene Ontology."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

import strategies as hl
from hierloss import Hierarchy, _rows
from hierloss.accretion import information_accretion
from oracles import Problem

DIAMOND = Hierarchy.from_edges(
    [("A", "R"), ("B", "R"), ("C", "A"), ("C", "B"), ("D", "A")], names=["R", "A", "B", "C", "D"]
)
LABELS = [["C"], ["D"], ["B"], ["A", "B"], []]


def double(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def test_known_values() -> None:
    # With one sample more that has all: R 5, A 4, B 4, C 2, D 2; A and B together 3.
    expected = double(0, math.log2(5 / 4), math.log2(5 / 4), math.log2(3 / 2), 1)
    assert_close(information_accretion(DIAMOND.encode(LABELS), DIAMOND), expected)


def test_known_values_without_a_pseudocount() -> None:
    target = DIAMOND.encode([["C"], ["B"], ["A", "B"]])
    expected = double(0, math.log2(3 / 2), 0, 1, 0)  # nobody has D
    assert_close(information_accretion(target, DIAMOND, pseudocount=0), expected)


def test_a_class_that_nobody_has_under_parents_that_somebody_has() -> None:
    target = DIAMOND.encode([["A", "B"]] * 7)
    assert_close(information_accretion(target, DIAMOND), double(0, 0, 0, 3, 3))
    assert_close(information_accretion(DIAMOND.encode([]), DIAMOND), double(0, 0, 0, 0, 0))


def test_roots_are_zero_or_counted() -> None:
    h = Hierarchy.from_paths(["a", "b"])
    target = h.encode([["a"], ["a"], ["b"]])
    assert_close(information_accretion(target, h), double(0, 0))
    counted = information_accretion(target, h, roots="counted")
    assert_close(counted, double(math.log2(4 / 3), 1))


def test_unknown_labels_do_not_count() -> None:
    target = DIAMOND.encode(LABELS).int()
    target[1, 2] = -1  # B of a sample that has R
    expected = double(0, math.log2(5 / 4), 0, math.log2(3 / 2), 1)
    assert_close(information_accretion(target, DIAMOND), expected)
    target[0, 0] = -1  # R above C, so it is positive
    assert_close(information_accretion(target, DIAMOND), expected)


def by_loops(p: Problem, target: Tensor, pseudocount: float, counted: bool) -> list[float]:
    """Sets and counts, straight from the definition."""
    rows = target.tolist()
    closed = [{a for i in range(p.n) if row[i] == 1 for a in p.above[i]} for row in rows]
    found = []
    for v in range(p.n):
        own = sum(v in have for have in closed)
        above = sum(
            p.parents[v] <= have and (row[v] != -1 or v in have)
            for row, have in zip(rows, closed, strict=True)
        )
        if not p.parents[v] and not counted:
            above = own
        found.append(
            math.log2((above + pseudocount) / (own + pseudocount)) if own + pseudocount else 0.0
        )
    return found


@given(data=st.data())
def test_equals_loops_over_sets(data: st.DataObject) -> None:
    p = data.draw(hl.hierarchies())
    target = data.draw(hl.unknown_targets(p, data.draw(st.integers(1, 6))))
    k, counted = data.draw(st.sampled_from([0, 0.5, 1, 2])), data.draw(st.booleans())
    roots = "counted" if counted else "zero"
    actual = information_accretion(target, p.hierarchy, pseudocount=k, roots=roots)
    assert_close(actual, torch.tensor(by_loops(p, target, k, counted), dtype=torch.float64))
    assert bool((actual >= 0).all())


@given(data=st.data())
def test_blocks_and_layouts_do_not_matter(data: st.DataObject) -> None:
    p = data.draw(hl.hierarchies())
    target = data.draw(hl.targets(p, data.draw(st.integers(0, 7)))).reshape(-1, p.n)
    roots = data.draw(st.sampled_from(["zero", "counted"]))
    expected = information_accretion(target, p.hierarchy, roots=roots)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_rows, "BLOCK", 3 * (p.n + len(p.edges)))  # three samples in a block
        for same in (target, target.bool(), target.double(), target.bool().to_sparse()):
            assert torch.equal(information_accretion(same, p.hierarchy, roots=roots), expected)
    order = torch.randperm(len(target))
    shuffled = information_accretion(target[order], p.hierarchy, roots=roots)
    assert torch.equal(shuffled, expected)


def test_sparse_targets_of_other_kinds() -> None:
    target = DIAMOND.encode(LABELS)
    expected = information_accretion(target, DIAMOND)
    encoded = DIAMOND.encode(LABELS, sparse=True)
    assert torch.equal(information_accretion(encoded, DIAMOND), expected)
    zeros = torch.sparse_coo_tensor(  # entries that are there and 0
        encoded.indices(), torch.zeros(len(encoded.values())), encoded.shape, check_invariants=True
    )
    assert_close(information_accretion(zeros, DIAMOND), double(0, 0, 0, 0, 0))
    assert torch.equal(information_accretion(target.reshape(5, 1, 5), DIAMOND), expected)


def test_wrong_input_says_what_was_expected() -> None:
    target = DIAMOND.encode(LABELS).float()
    with pytest.raises(ValueError, match="the 5 classes of the hierarchy"):
        information_accretion(target[:, :4], DIAMOND)
    with pytest.raises(TypeError, match="a target that is a Tensor, got list"):
        information_accretion([[1]], DIAMOND)
    with pytest.raises(TypeError, match="a target of bool, integers or floats"):
        information_accretion(target.to(torch.complex64), DIAMOND)
    with pytest.raises(ValueError, match=r"a target of shape \(samples, n\) where it is sparse"):
        information_accretion(target[:, None].to_sparse(), DIAMOND)
    with pytest.raises(ValueError, match="a pseudocount of at least 0, got -1"):
        information_accretion(target, DIAMOND, pseudocount=-1)
    with pytest.raises(ValueError, match="a pseudocount of at least 0, got nan"):
        information_accretion(target, DIAMOND, pseudocount=math.nan)
    with pytest.raises(ValueError, match=r"expected roots of .* got 'one'"):
        information_accretion(target, DIAMOND, roots="one")


@pytest.mark.parametrize("layout", ["strided", "sparse"])
def test_what_is_no_label_is_an_error(monkeypatch, layout: str) -> None:
    monkeypatch.setattr(_rows, "BLOCK", 1)  # each sample by itself
    target = DIAMOND.encode(LABELS).float()
    target[4, 0] = 2
    where = r"got 2.0 at \[4, 0\]" if layout == "strided" else "got 2.0 at"
    with pytest.raises(ValueError, match=f"targets of 0, 1 or NaN, .* {where}"):
        information_accretion(target.to_sparse() if layout == "sparse" else target, DIAMOND)


def test_unknown_labels_close_no_gap() -> None:
    target = torch.tensor([[0, -1, 1]])
    with pytest.raises(ValueError, match=r"got '2' = 1 and its ancestor '0' = 0 in sample \[0\]"):
        information_accretion(target, Hierarchy.from_parents([None, 0, 1]))
    with pytest.raises(ValueError, match=r"got '2' = 1 and its ancestor '1' = 0 in sample \[0\]"):
        information_accretion(target[:, [1, 0, 2]], Hierarchy.from_parents([None, 0, 1]))


@pytest.mark.parametrize("layout", ["strided", "sparse"])
def test_a_target_that_is_not_closed_is_an_error(monkeypatch, layout: str) -> None:
    monkeypatch.setattr(_rows, "BLOCK", 1)
    target = DIAMOND.encode([["B"], [], ["C"]])
    target[2, 1] = False
    message = r"got 'C' = 1 and its ancestor 'A' = 0 in sample \[2\]; hierarchy.close"
    with pytest.raises(ValueError, match=message):
        information_accretion(target.to_sparse() if layout == "sparse" else target, DIAMOND)


@pytest.mark.slow
def test_the_gene_ontology(go: Hierarchy) -> None:
    generator = torch.Generator().manual_seed(3)
    picked = torch.randint(len(go), (300, 5), generator=generator).tolist()
    target = go.encode([[go.names[i] for i in row] for row in picked], sparse=True)
    actual = information_accretion(target, go)
    assert_close(actual, information_accretion(target.to_dense(), go))
    dense = target.to_dense()
    for column in torch.randint(len(go), (200,), generator=generator).tolist():
        parents = list(go.parents(column))
        above = int(dense[:, parents].all(1).sum()) if parents else int(dense[:, column].sum())
        expected = math.log2((above + 1) / (int(dense[:, column].sum()) + 1))
        assert abs(float(actual[column]) - expected) < 1e-12
