"""The hierarchy: its constructors, its questions, its files and its refusals."""

from __future__ import annotations

import copy
import pickle

import networkx as nx
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import hierloss.functional as HF
import strategies as hl
from hierloss import MCM, Hierarchy, HierarchyError, HybridLoss, UnknownClassError
from oracles import Problem

EDGES = [("cat", "mammal"), ("dog", "mammal"), ("mammal", "animal"), ("dog", "pet")]
PETS = Hierarchy.from_edges(EDGES)


def test_names_are_ordered_by_level_then_first_appearance() -> None:
    assert PETS.names == ("animal", "pet", "mammal", "cat", "dog")
    assert PETS.levels.tolist() == [0, 0, 1, 2, 2]
    assert PETS.edges == (
        ("mammal", "animal"),
        ("cat", "mammal"),
        ("dog", "pet"),
        ("dog", "mammal"),
    )


def test_names_fix_the_column_order_and_add_classes_without_edges() -> None:
    h = Hierarchy.from_edges([("a", "b")], names=["a", "lonely", "b"])
    assert h.names == ("a", "lonely", "b")
    assert h.roots == ("lonely", "b")
    assert h.leaves == ("a", "lonely")


def test_asked_by_name_it_answers_names_and_by_column_columns() -> None:
    assert PETS.parents("dog") == ("pet", "mammal")
    assert PETS.parents(4) == (1, 2)
    assert PETS.children("mammal") == ("cat", "dog")
    assert PETS.ancestors("dog") == ("animal", "pet", "mammal")
    assert PETS.descendants("animal") == ("mammal", "cat", "dog")
    assert PETS.descendants(np.int64(0)) == (2, 3, 4)
    assert PETS.index("pet") == 1
    assert "dog" in PETS
    assert "cow" not in PETS
    assert list(PETS) == list(PETS.names)


@given(p=st.one_of(hl.hierarchies(), hl.extremes()))
def test_relatives_equal_the_sets_it_was_made_of(p: Problem) -> None:
    h = p.hierarchy
    columns = range(p.n)
    assert [set(h.parents(i)) for i in columns] == p.parents
    assert [set(h.children(i)) for i in columns] == p.children
    assert [{i, *h.ancestors(i)} for i in columns] == p.above
    assert [{i, *h.descendants(i)} for i in columns] == p.below
    assert {tuple(e) for e in h.edge_index.T.tolist()} == p.edges
    graph = nx.DiGraph((parent, child) for child, parent in p.edges)
    assert h.depth == (nx.dag_longest_path_length(graph) if p.edges else 0)
    for child, parent in p.edges:
        assert h.levels[parent] < h.levels[child]


@pytest.mark.parametrize(
    ("h", "text"),
    [
        (PETS, "Hierarchy(5 classes, 4 edges, 2 roots, depth 2, DAG)"),
        (Hierarchy.from_parents([None]), "Hierarchy(1 class, 0 edges, 1 root, depth 0, tree)"),
        (
            Hierarchy.from_parents([-1, 0, -1]),
            "Hierarchy(3 classes, 1 edge, 2 roots, depth 1, forest)",
        ),
    ],
)
def test_repr(h: Hierarchy, text: str) -> None:
    assert repr(h) == text


def test_from_parents_takes_columns_tuples_none_and_minus_one() -> None:
    h = Hierarchy.from_parents([None, 0, np.int64(0), (1, 2), -1, (), np.array([3])])
    assert h.names == ("0", "1", "2", "3", "4", "5", "6")
    assert h.edge_index.T.tolist() == [[1, 0], [2, 0], [3, 1], [3, 2], [6, 3]]
    assert Hierarchy.from_parents(np.array([-1, 0])).roots == ("0",)


def test_edges_of_integers_are_edges_of_columns() -> None:
    assert Hierarchy.from_edges([(1, 0), (2, 0)]) == Hierarchy.from_parents([None, 0, 0])
    assert Hierarchy.from_edges([(1, 0)], names=["a", "b", "c"]).edges == (("b", "a"),)
    with pytest.raises(HierarchyError, match="identifiers, give them as strings"):
        Hierarchy.from_edges([(9606, 9605)])


def test_from_paths_keeps_equal_components_under_several_parents_apart() -> None:
    h = Hierarchy.from_paths(["a.x", "b.x.y"], sep=".")
    assert h.names == ("a", "b", "a.x", "b.x", "b.x.y")
    assert h.edges == (("a.x", "a"), ("b.x", "b"), ("b.x.y", "b.x"))
    assert Hierarchy.from_paths(["a/b", "a"], names=["a/b", "a"]).names == ("a/b", "a")


def test_an_edge_given_twice_counts_once() -> None:
    assert Hierarchy.from_edges([("a", "b"), ("a", "b")]).edges == (("a", "b"),)


@pytest.mark.parametrize(
    ("build", "error", "message"),
    [
        (lambda: Hierarchy.from_edges([("a", "a")]), HierarchyError, "self-loop 'a'"),
        (lambda: Hierarchy.from_edges([]), HierarchyError, "at least one class"),
        (
            lambda: Hierarchy.from_edges([("a", "b")], ["a", "b", "a"]),
            HierarchyError,
            "'a' 2 times",
        ),
        (lambda: Hierarchy.from_edges([("a", "b")], ["a"]), UnknownClassError, "class 'b'"),
        (lambda: Hierarchy.from_edges([("a", 1)]), TypeError, "both strings and integers"),
        (lambda: Hierarchy.from_edges([("a", None)]), TypeError, "got None"),
        (lambda: Hierarchy.from_edges([(True, False)]), TypeError, "got True"),
        (lambda: Hierarchy.from_edges(["ab"]), TypeError, "pairs, got 'ab'"),
        (lambda: Hierarchy.from_edges([("a", "b", "c")]), TypeError, "pairs, got"),
        (lambda: Hierarchy.from_edges([("a", "b")], [1, "b"]), TypeError, "strings, got 1"),
        (lambda: Hierarchy.from_edges([("a", "b")], on_cycle="x"), ValueError, "on_cycle"),
        (lambda: Hierarchy.from_parents([None, 2]), UnknownClassError, "class 2"),
        (lambda: Hierarchy.from_parents([None, (0, -1)]), UnknownClassError, "class -1"),
        (lambda: Hierarchy.from_parents([None, "0"]), TypeError, "from_edges"),
        (lambda: Hierarchy.from_parents([None, 0], ["a"]), HierarchyError, "2 names"),
        (lambda: Hierarchy.from_edges([{"a", "b"}]), TypeError, "pairs, got {"),
        (lambda: Hierarchy.from_edges([("a", "b")], "ab"), TypeError, "names, got the string 'ab'"),
        (lambda: Hierarchy.from_parents([None, b"a"]), TypeError, "got b'a'"),
        (lambda: Hierarchy.from_parents([None, (-1,)]), UnknownClassError, "class -1"),
        (lambda: Hierarchy(["a", "b"], [1.5], [0.0]), TypeError, "integers, got float64"),
        (lambda: Hierarchy.from_paths(["a/b"], sep=""), ValueError, "separator .*got ''"),
        (lambda: Hierarchy.from_paths("a/b"), TypeError, "one string"),
        (lambda: Hierarchy.from_paths([3]), TypeError, "got 3"),
        (lambda: Hierarchy.from_paths(["a//b"]), HierarchyError, "empty one in 'a//b'"),
        (lambda: Hierarchy.from_paths(["/a"]), HierarchyError, "empty one in '/a'"),
        (lambda: Hierarchy.from_paths(["a /b"]), HierarchyError, "another class than 'a/b'; strip"),
        (lambda: Hierarchy.from_paths(["a", "b"], names=["b"]), UnknownClassError, "class 'a'"),
        (lambda: Hierarchy.from_paths(["a/b"], names=["a/b"]), UnknownClassError, "a path has"),
        (
            lambda: Hierarchy.from_edges({("a", "b")}, ["a", "b"], on_cycle="drop"),
            TypeError,
            r"edges in an order, got a set, .* pass sorted\(edges\)",
        ),
    ],
)
def test_refusals_say_what_came(build, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        build()


@pytest.mark.parametrize(
    ("ask", "error", "message"),
    [
        (lambda: PETS.index("dgo"), UnknownClassError, "'dgo'.* did you mean 'dog'"),
        (lambda: PETS.parents("cow"), UnknownClassError, "'cow'"),
        (lambda: PETS.parents(5), UnknownClassError, "column from 0 to 4, got 5"),
        (lambda: PETS.parents(-1), UnknownClassError, "got -1"),
        (lambda: PETS.parents(True), TypeError, "got True"),
        (lambda: PETS.index(3), TypeError, "got 3"),
        (lambda: PETS.parents(1.0), TypeError, r"got 1\.0"),
    ],
)
def test_unknown_classes_are_named(ask, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        ask()


def test_aliases_lead_to_their_class() -> None:
    h = PETS.with_aliases({"hound": "dog"}).with_aliases({"beast": "animal"})
    assert h.index("hound") == h.index("dog")
    assert h.parents("hound") == ("pet", "mammal")
    assert "beast" in h
    assert len(h) == 5
    assert h.decode(h.encode([["hound"]])) == [("animal", "pet", "mammal", "dog")]
    assert h != PETS
    with pytest.raises(UnknownClassError, match="leads to the class 'wolf'"):
        PETS.with_aliases({"hound": "wolf"})
    with pytest.raises(HierarchyError, match="no names of classes, got 'cat'"):
        PETS.with_aliases({"cat": "dog"})
    with pytest.raises(HierarchyError, match="'hound', which leads to 'dog' already"):
        h.with_aliases({"hound": "cat"})
    with pytest.raises(TypeError, match="strings, got 3"):
        PETS.with_aliases({3: "cat"})


@given(p=hl.hierarchies(), data=st.data())
def test_encode_closes_upward_and_decode_is_the_way_back(p: Problem, data) -> None:
    h = p.hierarchy
    sets = data.draw(st.lists(st.sets(st.integers(0, p.n - 1)), max_size=3))
    target = h.encode([[h.names[i] for i in labels] for labels in sets])
    assert target.dtype == torch.bool
    assert target.shape == (len(sets), p.n)
    assert target.int().tolist() == [p.closed(labels) for labels in sets]
    assert torch.equal(h.encode(h.decode(target)), target)
    assert h.is_coherent(target)


def test_encode_makes_the_same_target_sparse() -> None:
    labels = [["dog"], [], ["cat", "pet"]]
    sparse = PETS.encode(labels, sparse=True)
    assert sparse.is_sparse
    assert torch.equal(sparse.to_dense(), PETS.encode(labels))


@pytest.mark.parametrize(
    ("labels", "error", "message"),
    [
        ([["cow", "dog"], ["hen"]], UnknownClassError, r"'cow' \(and 1 more unknown ones\)"),
        (["dog"], TypeError, r"got 'dog' for sample 0; one class is written \['dog'\]"),
        ([["dog"], 3], TypeError, "got 3 for sample 1"),
        ([[4]], TypeError, "strings, got 4 in sample 0"),
    ],
)
def test_encode_refuses_what_it_does_not_know(labels, error, message: str) -> None:
    with pytest.raises(error, match=message):
        PETS.encode(labels)


@pytest.mark.parametrize(
    ("mask", "error", "message"),
    [
        (torch.rand(2, 5), TypeError, r"h\.decode\(scores > 0\)"),
        (torch.ones(5, dtype=torch.bool), ValueError, r"shape \(samples, 5\), got \(5,\)"),
        (torch.full((1, 5), 2), ValueError, "zeros and ones"),
        (np.ones((1, 5), dtype=bool), TypeError, "that is a Tensor, got ndarray"),
    ],
)
def test_decode_refuses_what_is_no_mask(mask, error, message: str) -> None:
    with pytest.raises(error, match=message):
        PETS.decode(mask)


@given(p=hl.hierarchies(), data=st.data())
def test_close_adds_the_ancestors(p: Problem, data) -> None:
    labels = data.draw(st.sets(st.integers(0, p.n - 1)))
    raw = torch.zeros(2, 1, p.n, dtype=torch.int64)
    raw[1, 0, list(labels)] = 1
    expected = torch.zeros_like(raw)
    expected[1, 0] = torch.tensor(p.closed(labels))
    for dtype in (torch.int64, torch.bool, torch.float32, torch.bfloat16):
        assert torch.equal(p.hierarchy.close(raw.to(dtype)), expected.to(dtype))


def test_close_fills_in_implied_labels_and_leaves_other_unknowns() -> None:
    h = Hierarchy.from_paths(["a/b/c"])
    nan = torch.nan
    assert h.close(torch.tensor([-1, 1, -1])).tolist() == [1, 1, -1]
    closed = h.close(torch.tensor([nan, 1.0, nan]))
    assert closed[:2].tolist() == [1, 1]
    assert closed[2].isnan()


def test_close_refuses_scores_and_lists() -> None:
    with pytest.raises(ValueError, match=r"expected targets of 0, 1 or NaN.* got 0\.5"):
        PETS.close(torch.full((5,), 0.5))
    with pytest.raises(TypeError, match="target that is a Tensor, got list"):
        PETS.close([0, 1, 0, 0, 0])


def test_sparse_targets_are_understood_everywhere() -> None:
    sparse = PETS.encode([["dog"]], sparse=True)
    assert PETS.decode(sparse) == [("animal", "pet", "mammal", "dog")]
    assert PETS.is_coherent(sparse)
    assert torch.equal(PETS.close(sparse), sparse.to_dense())


def test_violations_are_by_edge() -> None:
    scores = torch.tensor([[0.5, 0.9, 0.6, 0.1, 0.7], [0.5, 0.5, 0.5, 0.5, 0.5]])
    assert PETS.edges[0] == ("mammal", "animal")
    assert PETS.violations(scores).tolist() == [[True, False, False, True], [False] * 4]
    assert not PETS.is_coherent(scores)
    assert PETS.is_coherent(scores[1])
    compiled = torch.compile(PETS.violations, backend="eager")
    assert torch.equal(compiled(scores), PETS.violations(scores))


def test_nan_is_not_coherent() -> None:
    scores = torch.tensor([0.5, torch.nan, 0.5, 0.5, 0.5])
    assert not PETS.is_coherent(scores)
    with pytest.raises(ValueError, match="5 classes"):
        PETS.is_coherent(torch.randn(4))


@given(p=hl.hierarchies())
def test_equal_by_content(p: Problem) -> None:
    h, again = p.hierarchy, Problem(p.n, p.edges).hierarchy
    assert h is not again
    assert h == again
    assert hash(h) == hash(again)
    assert h == pickle.loads(pickle.dumps(h))
    assert copy.deepcopy(h) is h
    assert h != Hierarchy.from_edges(h.edges, names=["other", *h.names])
    assert h != "a hierarchy"


def test_it_is_immutable() -> None:
    with pytest.raises(AttributeError, match="immutable"):
        PETS.names = ()
    with pytest.raises(AttributeError, match="immutable"):
        del PETS.names
    for array in (PETS.levels, PETS.edge_index):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 3
        with pytest.raises(ValueError, match="WRITEABLE"):
            array.setflags(write=True)
    with pytest.raises(TypeError):
        PETS.aliases["hound"] = "dog"


def test_nothing_is_quadratic_in_the_number_of_classes() -> None:
    n = 200_000  # a square table of it would take 40 GB
    h = Hierarchy.from_parents([None, *(i // 2 for i in range(n - 1))])
    scores = torch.arange(n, dtype=torch.float32)
    assert MCM(h)(scores)[0] == n - 1
    assert HybridLoss(h)(torch.zeros(n), h.close(scores == n - 1)).isfinite()


def test_a_subclass_stays_one() -> None:
    class Taxonomy(Hierarchy):
        pass

    h = Taxonomy.from_parents([None, 0])
    assert type(h) is Taxonomy
    assert type(h.with_aliases({"x": "0"})) is Taxonomy


def test_names_from_numpy_become_plain_strings() -> None:
    h = Hierarchy.from_edges(np.array([["b", "a"]]))
    assert {type(name) for name in h.names} == {str}
    assert repr(h.edges) == "(('b', 'a'),)"


def test_tracing_with_fake_tensors_leaves_no_trace() -> None:
    from torch._subclasses.fake_tensor import FakeTensorMode

    h = Hierarchy.from_parents([None, 0])
    with FakeTensorMode():
        assert HF.mcm(torch.zeros(3, 2), h).shape == (3, 2)
    assert HF.mcm(torch.tensor([0.0, 1.0]), h).tolist() == [1, 1]


@pytest.mark.parametrize("kind", [set, frozenset])
def test_a_set_has_no_order(kind) -> None:
    calls = {
        "names": lambda: Hierarchy.from_parents([None, 0], names=kind(["a", "b"])),
        "paths": lambda: Hierarchy.from_paths(kind(["a/b", "a/c"])),
        "edges": lambda: Hierarchy.from_edges(kind([("b", "a"), ("c", "a")])),
    }
    for what, call in calls.items():
        message = rf"{what} in an order, got a {kind.__name__}, .* pass sorted\({what}\)"
        with pytest.raises(TypeError, match=message):
            call()
    edges = kind([("b", "a"), ("c", "a")])
    assert Hierarchy.from_edges(edges, names=["a", "b", "c"]).names == ("a", "b", "c")
    assert Hierarchy.from_paths(dict.fromkeys(["b", "a/c"]).keys()).names == ("b", "a", "a/c")


def test_a_name_that_resembles_an_alias_is_suggested() -> None:
    h = Hierarchy.from_parents([None], names=["animal"]).with_aliases({"beast": "animal"})
    with pytest.raises(UnknownClassError, match="did you mean 'beast'"):
        h.encode([["beasts"]])


@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16, torch.uint32, torch.uint64])
def test_targets_of_unsigned_types_are_closed(dtype) -> None:
    h = Hierarchy.from_paths(["a/b"])
    closed = h.close(torch.tensor([[0, 1], [0, 0]]).to(dtype))
    assert closed.dtype == dtype
    assert closed.tolist() == [[1, 1], [0, 0]]
    with pytest.raises(ValueError, match=r"expected targets of 0 or 1, got 9 at \[0, 1\]"):
        h.close(torch.tensor([[0, 9]]).to(dtype))
