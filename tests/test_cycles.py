"""Cycles: named, or dropped by a minimal set of edges."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hierloss import CycleError, Hierarchy


def test_cycles_are_named() -> None:
    edges = [("a", "b"), ("b", "c"), ("c", "a"), ("leaf", "a"), ("c", "root")]
    with pytest.raises(CycleError, match="got a -> b -> c -> a") as caught:
        Hierarchy.from_edges(edges)
    assert caught.value.cycle == ("a", "b", "c")
    assert pickle.loads(pickle.dumps(caught.value)).cycle == ("a", "b", "c")


def test_dropping_cycles_leaves_out_the_edges_that_close_one() -> None:
    edges = [("a", "b"), ("b", "c"), ("c", "a"), ("b", "a"), ("c", "root"), ("b", "a")]
    with pytest.warns(UserWarning, match="dropped 2 edges .* c -> a, b -> a") as caught:
        h = Hierarchy.from_edges(edges, on_cycle="drop")
    assert caught[0].filename == __file__
    assert h.dropped == (("c", "a"), ("b", "a"))
    assert h.edges == (("c", "root"), ("b", "c"), ("a", "b"))


@pytest.mark.filterwarnings("ignore:dropped")
@given(data=st.data())
def test_what_is_dropped_is_minimal_and_deterministic(data) -> None:
    n = data.draw(st.integers(2, 8))
    pairs = st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)).filter(lambda e: e[0] != e[1])
    names = [str(i) for i in range(n)]
    edges = [(names[c], names[p]) for c, p in data.draw(st.lists(pairs, max_size=20, unique=True))]
    h = Hierarchy.from_edges(edges, names, on_cycle="drop")
    assert {*h.edges, *h.dropped} == set(edges)
    assert h == Hierarchy.from_edges(edges, names, on_cycle="drop")
    for edge in h.dropped:
        with pytest.raises(CycleError):
            Hierarchy.from_edges([*h.edges, edge], names)


def test_dropping_a_long_cycle_is_not_quadratic() -> None:
    n = 50_000  # in quadratic time, minutes
    edges = [(str(i), str(i + 1)) for i in reversed(range(n - 1))]
    with pytest.warns(UserWarning, match="dropped 1 edges"):
        h = Hierarchy.from_edges([*edges, (str(n - 1), "0")], on_cycle="drop")
    assert h.dropped == ((str(n - 1), "0"),)
