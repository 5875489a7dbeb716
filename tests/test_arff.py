"""ARFF files: what the grammar allows, by hand-written files."""

from __future__ import annotations

import gzip
import lzma
import math
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from hierloss import CycleError, HierarchyError
from hierloss_adapters.arff import Arff, read_arff, read_arff_features

nan = math.nan
PETS = """@RELATION 'the pets'

@ATTRIBUTE weight numeric
@ATTRIBUTE coat {short,long}
@ATTRIBUTE class hierarchical pet,pet/cat,pet/dog

@DATA
4.5,long,pet/cat
?,?,pet/cat@pet/dog
"""


@pytest.fixture
def read(write: Callable[..., Path]) -> Callable[..., Arff]:
    def read(text: str | bytes, **options: object) -> Arff:
        return read_arff(write(text, "pets.arff"), **options)

    return read


def classes(declared: str, *rows: str) -> str:
    """A file without features."""
    return "\n".join([f"@attribute class hierarchical {declared}", "@data", *(rows or ("?",))])


def columns(*types: str, rows: tuple[str, ...]) -> str:
    """A file whose attributes are called a, b, ... and whose only class is x."""
    declared = [f"@attribute {name} {kind}" for name, kind in zip("abcdef", types, strict=False)]
    return "\n".join([*declared, "@attribute class hierarchical x,x/y", "@data", *rows])


@pytest.mark.parametrize(
    ("declared", "kind", "hint"),
    [
        ("a/b,a/c", None, ", or kind='tree' if classes are paths$"),
        ("a/b,a/c", "dag", ", or kind='tree' if classes are paths$"),
        ("a/b,a/c", "tree", ", or kind='dag' if classes are edges$"),
        ("a,a/b", None, ", or kind='dag' if classes are edges$"),
        ("a/b/c", None, "to leave such out$"),
        ("a/b/c", "tree", "to leave such out$"),
    ],
)
def test_the_other_kind_of_classes_is_named(declared, kind, hint, read) -> None:
    with pytest.raises(HierarchyError, match=f"got 'x'; declare it, or pass on_unknown=.*{hint}"):
        read(classes(declared, "x"), kind=kind)


def test_classes_that_are_not_declared_may_be_left_out(read) -> None:
    with pytest.warns(UserWarning, match="the header does not declare: 'x', 'y'$"):
        found = read(classes("a,a/b", "a/b@x", "y", "x@a"), on_unknown="drop")
    assert found.labels == (("a/b",), (), ("a",))
    with pytest.raises(ValueError, match="expected on_unknown 'raise' or 'drop', got 'keep'"):
        read(PETS, on_unknown="keep")


def test_a_file_as_they_are(read) -> None:
    pets = read(PETS)
    assert pets.relation == "the pets"
    assert pets.hierarchy.names == ("pet", "pet/cat", "pet/dog")
    assert pets.feature_names == ("weight", "coat=short", "coat=long")
    assert pets.attributes == {"weight": (), "coat": ("short", "long")}
    assert pets.labels == (("pet/cat",), ("pet/cat", "pet/dog"))
    assert pets.ignored == ()
    np.testing.assert_array_equal(pets.features, np.float32([[4.5, 0, 1], [nan, 0, 0]]))
    assert pets.features.dtype == np.float32
    assert pets.features.flags.writeable
    torch.testing.assert_close(pets.target(), torch.tensor([[1, 1, 0], [1, 1, 1]]).bool())
    torch.testing.assert_close(pets.target(sparse=True).to_dense(), pets.target())
    assert repr(pets).startswith("Arff(relation='the pets', hierarchy=Hierarchy(3 classes")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(PETS.replace("\n", "\r\n"), id="CRLF"),
        pytest.param(PETS.replace("\n", "\r"), id="CR"),
        pytest.param(PETS.rstrip("\n"), id="no end of the last line"),
        pytest.param("\ufeff" + PETS, id="BOM"),
        pytest.param(PETS.lower(), id="lower case"),
        pytest.param(PETS.replace(" numeric", "\tREAL \t"), id="tabs, another keyword"),
        pytest.param(PETS.replace(",", " , "), id="blanks around commas"),
        pytest.param(PETS.replace("\n", "\n\n % a comment, 'with\n"), id="comments between"),
        pytest.param(PETS.replace("numeric", "numeric % kg"), id="comment after a type"),
        pytest.param(PETS.replace("pet/cat\n", "pet/cat % Tom\n"), id="comment after a row"),
        pytest.param(PETS.replace("weight", '"weight"'), id="name in double quotes"),
        pytest.param(PETS.replace("weight", "'weight'"), id="name in single quotes"),
        pytest.param(PETS.replace("long", "'long'"), id="values in quotes"),
        pytest.param(PETS.replace("\n?,?", '\n?,"?"'), id="cell in quotes"),
        pytest.param(gzip.compress(PETS.encode()), id="gzip"),
        pytest.param(lzma.compress(PETS.encode()), id="xz"),
    ],
)
def test_the_same_in_other_words(read, text: str | bytes) -> None:
    pets = read(text)
    assert pets.relation == "the pets"
    assert pets.feature_names == ("weight", "coat=short", "coat=long")
    assert pets.labels == (("pet/cat",), ("pet/cat", "pet/dog"))
    np.testing.assert_array_equal(pets.features, np.float32([[4.5, 0, 1], [nan, 0, 0]]))


def test_children_before_parents_and_classes_declared_twice(read) -> None:
    file = read(classes("000/00,000,1,1/1,1/1/0,1/1,1,000/1", "1/1/0@1@1/1", "000"))
    assert file.hierarchy.names == ("000", "1", "000/00", "1/1", "000/1", "1/1/0")
    assert file.labels == (("1/1/0", "1", "1/1"), ("000",))


def test_leading_zeros_and_equal_last_components_are_kept_apart(read) -> None:
    h = read(classes("01,1,01/03,1/03,1/3")).hierarchy
    assert h.names == ("01", "1", "01/03", "1/03", "1/3")
    assert h.parents("1/03") == ("1",)


def test_an_ancestor_that_is_not_declared_is_added(read) -> None:
    assert read(classes("a/b/c")).hierarchy.names == ("a", "a/b", "a/b/c")


def test_another_separator(read) -> None:
    assert read(classes("a,a.b,a.b.c/d"), sep=".").hierarchy.names == ("a", "a.b", "a.b.c/d")


def test_edges_of_a_dag(read) -> None:
    edges = "root/GO1, GO1/GO3, root/GO2, GO2/GO3, GO1/GO3, GO3/GO4"
    file = read(classes(edges, "GO4", "GO3@GO2"))
    assert file.hierarchy.names == ("root", "GO1", "GO2", "GO3", "GO4")
    assert file.hierarchy.parents("GO3") == ("GO1", "GO2")
    assert file.target().sum(1).tolist() == [5, 4]


def test_children_before_parents_in_a_dag(read) -> None:
    assert read(classes("b/c,a/c,r/b,r/a")).hierarchy.names == ("r", "b", "a", "c")


def test_what_pairs_are_can_be_said(read) -> None:
    text = classes("a/x,b/x")
    assert read(text).hierarchy.names == ("a", "b", "x")
    assert read(text, kind="dag").hierarchy.names == ("a", "b", "x")
    assert read(text, kind="tree").hierarchy.names == ("a", "b", "a/x", "b/x")
    assert read(classes("a,a/b", "b"), kind="dag").hierarchy.names == ("a", "b")


def test_a_cycle_is_an_error_or_cut(read) -> None:
    with pytest.raises(CycleError, match="on_cycle='drop'"):
        read(classes("a/b,b/a"))
    with pytest.warns(UserWarning, match="dropped 1 edges"):
        assert read(classes("a/b,b/a"), on_cycle="drop").hierarchy.edges == (("b", "a"),)


def test_zero_is_a_component_unless_it_ends(read) -> None:
    text = classes("3,3/1,3/1/0,3/1/01,3/1/10", "3/1/0", "3/1", "3/1/0@3/1/01")
    assert len(read(text).hierarchy) == 5
    file = read(text, zero_ends=True)
    assert file.hierarchy.names == ("3", "3/1", "3/1/01", "3/1/10")
    assert file.labels == (("3/1",), ("3/1",), ("3/1", "3/1/01"))


def test_pairs_are_paths_where_zero_ends(read) -> None:
    assert read(classes("3/0,4/0"), zero_ends=True).hierarchy.names == ("3", "4")


def test_no_labels(read) -> None:
    assert read(classes("a,a/b", "?", "n", "a")).labels == ((), (), ("a",))
    assert read(classes("n,n/b", "?", "n")).labels == ((), ("n",))


def test_abundances_are_left_out(read) -> None:
    assert read(classes("a,a/b", "a/b:0.25@a:1e-3")).labels == (("a/b", "a"),)
    assert read(classes("r/GO:1,GO:1/GO:2", "GO:2@GO:1:0.5")).labels == (("GO:2", "GO:1"),)


def test_classes_that_only_the_rows_tell(read) -> None:
    text = "@attribute c classes\n@data\nb/c@a\n?\na/0\n"
    assert read(text).hierarchy.names == ("b", "a", "b/c", "a/0")
    assert read(text, zero_ends=True).labels == (("b/c", "a"), (), ("a",))


def test_the_classes_need_not_be_last(read) -> None:
    text = "@attribute c hierarchical a,a/b\n@attribute x real\n@data\na/b,2\n"
    file = read(text)
    assert file.feature_names == ("x",)
    assert file.features.tolist() == [[2.0]]
    assert file.labels == (("a/b",),)


@pytest.mark.parametrize("kind", ["numeric", "REAL", "integer"])
def test_numbers(read, kind: str) -> None:
    row = "1,-.5,+2.,1e-3,1E2,?"
    text = columns(*[kind] * 6, rows=(f"{row},x",))
    np.testing.assert_array_equal(
        read(text, dtype="float64").features, [[1, -0.5, 2, 1e-3, 100, nan]]
    )


def test_nominal_values(read) -> None:
    text = columns("{w, 'n,s' , r%}", "binary", "{?,b}", rows=("'n,s',0,?,x", "r%,1,b,x"))
    file = read(text)
    assert file.feature_names == ("a=w", "a=n,s", "a=r%", "b=1", "b=0", "c=?", "c=b")
    assert file.features.tolist() == [[0, 1, 0, 0, 1, 1, 0], [0, 0, 1, 1, 0, 0, 1]]


def test_strings_keys_and_dates_are_no_features(read) -> None:
    types = ("string", "numeric", "key", 'date "yyyy, MM"')
    file = read(columns(*types, rows=("'a, %b',1,gene's,2026-01-01,x/y",)))
    assert file.ignored == ("a", "c", "d")
    assert file.features.tolist() == [[1.0]]
    assert file.attributes == {"b": ()}


def test_no_features_at_all(read) -> None:
    assert read(classes("a,a/b", "a", "a/b")).features.shape == (2, 0)


def test_names_of_attributes(read) -> None:
    names = ["cln3-1", "0", "2-deoxy", "thr=below", "0point02%_MMS", "'two words'", "don't"]
    text = "\n".join([*(f"@attribute {name} real" for name in names), classes("a", "1," * 7 + "a")])
    assert read(text).feature_names == (*names[:5], "two words", "don't")


def test_attributes_of_one_name_are_numbered(read) -> None:
    names = ["hs", "x", "hs", "hs-2", "hs"]
    text = "\n".join([*(f"@attribute {name} real" for name in names), classes("a", "1," * 5 + "a")])
    assert read(text).feature_names == ("hs-1", "x", "hs-3", "hs-2", "hs-4")


@pytest.mark.parametrize("base", [0, 1])
def test_sparse_rows(read, base: int) -> None:
    types = ("numeric", "{u,v}", "numeric", "string")
    entries = (
        f"{2 + base} 5, {base + 1} v, {4 + base} x/y",
        f" {4 + base} x,{base} ? ",
        f"{4 + base} x",
    )
    file = read(columns(*types, rows=tuple(f"{{{row}}}" for row in entries)), sparse_base=base)
    np.testing.assert_array_equal(file.features, [[0, 0, 1, 5], [nan, 1, 0, 0], [0, 1, 0, 0]])
    assert file.labels == (("x/y",), ("x",), ("x",))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(PETS, id="with labels"),
        pytest.param(PETS.replace("@pet/dog", "@lion"), id="with labels that are not declared"),
        pytest.param(
            "@attribute weight real\n@attribute coat {short,long}\n@data\n4.5,long\n{1 ?,2 ?}\n",
            id="without labels",
        ),
    ],
)
def test_only_the_features(write, text: str) -> None:
    features, names = read_arff_features(write(text, "pets.arff"))
    assert names == ("weight", "coat=short", "coat=long")
    np.testing.assert_array_equal(features, np.float32([[4.5, 0, 1], [nan, 0, 0]]))


def test_the_features_of_no_rows(write) -> None:
    features, names = read_arff_features(write("@attribute a {u,v}\n@data\n"), dtype="float64")
    assert (features.shape, features.dtype, names) == ((0, 2), np.float64, ("a=u", "a=v"))


def test_sparse_and_dense_rows_may_be_mixed(read) -> None:
    file = read(columns("real", "{'a b',c}", rows=("{2 'a b',3 x}", "1,c,x")))
    assert file.features.tolist() == [[0, 1, 0], [1, 0, 1]]


def test_an_encoding(read) -> None:
    text = columns("{für,wider}", rows=("für,x",)).encode("latin-1")
    assert read(text, encoding="latin-1").feature_names[0] == "a=für"


def test_memory_is_that_of_the_arrays(write) -> None:
    rows = 4000
    line = ",".join(f"{x / 7:.6f}" for x in range(100))
    text = "\n".join([*(f"@attribute x{i} real" for i in range(100)), classes("a,a/b")])
    path = write(text.removesuffix("?") + f"{line},a/b\n" * rows, "large.arff")
    read_arff(path)
    tracemalloc.start()
    try:
        file = read_arff(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    arrays = file.features.nbytes + 16 * rows
    assert arrays < peak < 1.2 * arrays + 300_000 < path.stat().st_size
