"""Data frames of pandas."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from hierloss import CycleError, Hierarchy, HierarchyError, HybridLoss, UnknownClassError
from hierloss_adapters.pandas import (
    from_frame,
    from_path_columns,
    from_wide,
    to_class_frame,
    to_frame,
    to_paths,
    to_wide,
)
from oracles import Problem
from strategies import hierarchies

pd = pytest.importorskip("pandas", reason='pandas is missing; pip install "hierloss[pandas]"')

PETS = [("cat", "mammal"), ("mammal", "animal"), ("cat", "pet")]
LEVELS = ["category", "sub", "leaf"]


def pets() -> Hierarchy:
    return Hierarchy.from_edges(PETS, ["cat", "animal", "pet", "mammal"])


def catalogue(*rows: tuple[str | None, ...]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=LEVELS, index=[f"p{i}" for i in range(len(rows))])


def test_from_frame_by_hand() -> None:
    frame = pd.DataFrame([*PETS, ("stone", None), ("pet", "")], columns=["child", "parent"])
    h = from_frame(frame.assign(note=1))
    assert h.names == ("animal", "pet", "stone", "mammal", "cat")
    assert set(h.edges) == set(PETS)
    renamed = frame.set_axis(["is", "a"], axis=1)
    assert from_frame(renamed, child="is", parent="a") == h
    order = ["cat", "pet", "animal", "mammal", "extra"]
    down = from_frame(renamed[:3], child="a", parent="is", names=order)
    assert list(down) == order
    assert set(down.edges) == {(parent, child) for child, parent in PETS}


@pytest.mark.parametrize("dtype", ["object", "string", "category"])
def test_kinds_of_strings(dtype: str) -> None:
    frame = pd.DataFrame({"child": ["b", "c"], "parent": ["a", None]}, dtype=dtype)
    assert from_frame(frame).edges == (("b", "a"),)


def test_files_with_missing_parents(tmp_path) -> None:
    (tmp_path / "taxa.csv").write_text("child,parent\n9606,9605\n9605,\n")
    frame = pd.read_csv(tmp_path / "taxa.csv", dtype=str)
    assert from_frame(frame).edges == (("9606", "9605"),)
    with pytest.raises(TypeError, match=r"row 0: .* 'child', got 9606; .*dtype=str"):
        from_frame(pd.read_csv(tmp_path / "taxa.csv"))


def test_blanks_around_names() -> None:
    frame = pd.DataFrame({"child": [" cat", "dog "], "parent": ["animal", " "]})
    assert from_frame(frame).edges == (("cat", "animal"),)
    assert from_frame(frame).names == ("animal", "dog", "cat")


def test_frames_that_are_no_hierarchy() -> None:
    def frame(*rows: tuple[str | None, str | None]) -> pd.DataFrame:
        return pd.DataFrame(
            rows, columns=["child", "parent"], index=[f"r{i}" for i in range(len(rows))]
        )

    with pytest.raises(HierarchyError, match="row 'r1': expected a child in the column 'child'"):
        from_frame(frame(("a", "b"), (None, "b")))
    with pytest.raises(HierarchyError, match="at least one class"):
        from_frame(frame())
    with pytest.raises(CycleError, match="a -> b -> a"):
        from_frame(frame(("a", "b"), ("b", "a")))
    with pytest.warns(UserWarning, match="b -> a"):
        assert from_frame(frame(("a", "b"), ("b", "a")), on_cycle="drop").edges == (("a", "b"),)
    with pytest.raises(UnknownClassError, match="the frame has the class 'c'"):
        from_frame(frame(("a", "b"), ("c", None)), names=["a", "b"])
    with pytest.raises(HierarchyError, match=r"one column 'is', got the columns \['child',"):
        from_frame(frame(("a", "b")), child="is")
    twice = frame(("a", "b")).set_axis(["child", "child"], axis=1)
    with pytest.raises(HierarchyError, match="one column 'child'"):
        from_frame(twice, parent="child")


def test_to_frame_by_hand() -> None:
    frame = to_frame(pets())
    assert list(frame.columns) == ["child", "parent"]
    assert frame["child"].tolist() == ["cat", "cat", "animal", "pet", "mammal"]
    assert frame["parent"].fillna("-").tolist() == ["pet", "mammal", "-", "-", "animal"]


@given(hierarchies())
def test_edges_there_and_back(problem: Problem) -> None:
    h = problem.hierarchy
    assert from_frame(to_frame(h), names=h.names) == h
    ordered = from_frame(to_frame(h))
    assert set(ordered.edges) == set(h.edges)
    assert from_frame(to_frame(ordered)) == ordered


def test_class_frame_by_hand() -> None:
    frame = to_class_frame(pets())
    assert frame.index.tolist() == ["cat", "animal", "pet", "mammal"]
    assert frame.index.name == "class"
    assert frame["level"].tolist() == [2, 0, 0, 1]
    assert frame["parents"].tolist() == [("pet", "mammal"), (), (), ("animal",)]
    assert frame["n_children"].tolist() == [0, 1, 1, 1]
    assert frame["n_descendants"].tolist() == [0, 2, 1, 1]
    named = frame.assign(label=pd.Series({"pet": "a pet", "cat": "a cat"}))
    assert named["label"].fillna("-").tolist() == ["a cat", "-", "a pet", "-"]


@given(hierarchies())
def test_class_frame_against_the_oracle(problem: Problem) -> None:
    frame = to_class_frame(problem.hierarchy)
    below = [len(found) - 1 for found in problem.below]
    assert frame["n_descendants"].tolist() == below
    assert frame["n_children"].tolist() == [len(found) for found in problem.children]
    assert [len(found) for found in frame["parents"]] == [len(found) for found in problem.parents]


def test_path_columns_by_hand() -> None:
    frame = catalogue(
        ("Food", "Tea", "Green"), ("Food", "Tea", None), ("Toys", None, None), ("Food", "Nuts", "")
    )
    h = from_path_columns(frame, LEVELS)
    assert h.names == ("Food", "Toys", "Food/Tea", "Food/Nuts", "Food/Tea/Green")
    paths = to_paths(frame, LEVELS)
    assert paths.to_dict() == dict(
        zip(frame.index, ["Food/Tea/Green", "Food/Tea", "Toys", "Food/Nuts"], strict=True)
    )
    assert h.encode([[path] for path in paths]).sum(1).tolist() == [3, 2, 1, 2]
    assert from_path_columns(frame, LEVELS[:1], sep=" > ").names == ("Food", "Toys")


def test_blanks_around_levels_do_not_count() -> None:
    frame = catalogue(("Food", "Green Tea", None), ("Food ", "\tGreen Tea", " "), (" ", None, ""))
    assert from_path_columns(frame, LEVELS).names == ("Food", "Food/Green Tea")
    assert to_paths(frame, LEVELS).dropna().tolist() == ["Food/Green Tea"] * 2


def test_a_row_without_a_level_is_a_sample_without_a_class() -> None:
    frame = catalogue(("Food", None, None), (None, "", None))
    assert to_paths(frame, LEVELS).isna().tolist() == [False, True]
    assert from_path_columns(frame, LEVELS).names == ("Food",)
    with pytest.raises(HierarchyError, match="at least one class"):
        from_path_columns(frame[1:], LEVELS)


def test_the_columns_of_a_frame_as_levels() -> None:
    frame = catalogue(("Food", "Tea", None))
    assert to_paths(frame, frame.columns).tolist() == ["Food/Tea"]


def test_path_columns_that_are_refused() -> None:
    for gap in [("Food", None, "Green"), (None, "Tea", None), ("", "Tea", "Green")]:
        with pytest.raises(HierarchyError, match="row 'p1': expected no level below a missing"):
            to_paths(catalogue(("Toys", None, None), gap), LEVELS)
    with pytest.raises(HierarchyError, match=r"'p0': .*levels that '/' separates, got .*A/B"):
        to_paths(catalogue(("Food", "A/B", None)), LEVELS)
    with pytest.raises(HierarchyError, match="expected levels that '::' separates"):
        to_paths(catalogue(("a:", "b", None)), LEVELS, sep="::")
    assert to_paths(catalogue(("Food", "A/B", None)), LEVELS, sep="|").tolist() == ["Food|A/B"]
    with pytest.raises(TypeError, match=r"row 0: expected a string in the column 'a', got 1"):
        to_paths(pd.DataFrame({"a": [1]}), ["a"])
    with pytest.raises(HierarchyError, match="expected one column 'kind'"):
        to_paths(catalogue(("Food", None, None)), ["category", "kind"])
    for columns in ["category", []]:
        with pytest.raises(ValueError, match="expected a sequence of columns, from the top down"):
            to_paths(catalogue(("Food", None, None)), columns)
    with pytest.raises(ValueError, match="expected a separator"):
        to_paths(catalogue(("Food", None, None)), LEVELS, sep="")


@given(st.lists(st.lists(st.sampled_from("abc"), min_size=1, max_size=3), min_size=1))
def test_path_columns_are_path_strings(rows: list[list[str]]) -> None:
    frame = pd.DataFrame([row + [None] * (3 - len(row)) for row in rows], columns=LEVELS)
    paths = ["/".join(row) for row in rows]
    assert to_paths(frame, LEVELS).tolist() == paths
    assert from_path_columns(frame, LEVELS) == Hierarchy.from_paths(paths)


def test_wide_by_hand() -> None:
    frame = pd.DataFrame(
        {"pet": [1.0, 0.5], "mammal": [0.25, np.nan], "cat": [0.75, 0.125], "animal": [0.0, 1.0]}
    )
    expected = torch.tensor([[0.75, 0.0, 1.0, 0.25], [0.125, 1.0, 0.5, torch.nan]])
    assert_close(from_wide(frame, pets()), expected, equal_nan=True)


def wide(**columns: object) -> pd.DataFrame:
    return pd.DataFrame(
        {"pet": [1, 0], "mammal": [1, 0], "cat": [1, 0], "animal": [1, 1], **columns}
    )


def test_kinds_of_wide_frames() -> None:
    expected = torch.tensor([[1, 1, 1, 1], [0, 1, 0, 0]])
    assert_close(from_wide(wide(), pets()), expected)
    assert_close(from_wide(wide().astype(bool), pets()), expected.bool())
    assert_close(from_wide(wide(cat=[True, False]), pets()), expected)
    assert_close(from_wide(wide().astype("boolean"), pets()), expected.bool())
    assert_close(from_wide(wide().astype("Int8"), pets()), expected)
    hidden = from_wide(wide(cat=[True, False], pet=[-1, 0]), pets())
    assert_close(hidden, torch.tensor([[1, 1, -1, 1], [0, 1, 0, 0]]))
    assert_close(from_wide(wide(cat=[1.0, 0.0]), pets()), expected.float())
    assert from_wide(wide()[:0], pets()).shape == (0, 4)
    for dtype in ("boolean", "Int64", "Float32"):
        hidden = wide(cat=pd.array([True, None], dtype="boolean")).astype(dtype)
        assert_close(
            from_wide(hidden, pets()),
            torch.tensor([[1, 1, 1, 1], [torch.nan, 1, 0, 0]]),
            equal_nan=True,
        )


def test_wide_frames_that_are_refused() -> None:
    with pytest.raises(UnknownClassError, match=r"the column 'cats', .*did you mean 'cat'"):
        from_wide(wide(cats=[0, 0]), pets())
    with pytest.raises(UnknownClassError, match="the column 0"):
        from_wide(wide().set_axis(range(4), axis=1), pets())
    with pytest.raises(HierarchyError, match=r"none for 'cat' and 1 more; frame\.reindex"):
        from_wide(wide()[["animal", "pet"]], pets())
    with pytest.raises(HierarchyError, match=r"none for 'pet'; frame\.reindex"):
        from_wide(wide().drop(columns="pet"), pets())
    for dtype in ("str", "object", "datetime64[ns]", "complex"):
        with pytest.raises(TypeError, match=r"numbers in the column 'cat', got .*convert_dtypes"):
            from_wide(wide(cat=pd.Series([1, 0]).astype(dtype)), pets())


def test_what_the_errors_recommend() -> None:
    half = wide()[["animal", "pet"]].reindex(columns=pets().names)
    nan = torch.nan
    expected = torch.tensor([[nan, 1, 1, nan], [nan, 1, 0, nan]])
    assert_close(from_wide(half, pets()), expected, equal_nan=True)
    loss = HybridLoss(pets())(torch.zeros(2, 4), from_wide(half, pets()))
    assert_close(loss, torch.tensor(2.0).log())
    mixed = wide(cat=[-1, 0], pet=[None, 0])
    with pytest.raises(ValueError, match="-1"):
        HybridLoss(pets())(torch.zeros(2, 4), from_wide(mixed, pets()))
    for frame in (mixed, mixed.convert_dtypes()):
        target = from_wide(frame.replace(-1, float("nan")), pets())
        expected = torch.tensor([[nan, 1, nan, 1], [0, 1, 0, 0]])
        assert_close(target, expected, equal_nan=True)


def test_columns_may_be_aliases() -> None:
    h = pets().with_aliases({"kitty": "cat"})
    renamed = wide().rename(columns={"cat": "kitty"})
    assert torch.equal(from_wide(renamed, h), from_wide(wide(), h))
    with pytest.raises(HierarchyError, match="one column for each class, got 'cat' and 'kitty'"):
        from_wide(wide(kitty=[1, 0]), h)


def test_to_wide_by_hand() -> None:
    frame = to_wide(torch.tensor([[0.5, 0.25, 1.0, 0.0]], requires_grad=True), pets(), ["Tom"])
    assert frame.loc["Tom"].to_dict() == {"cat": 0.5, "animal": 0.25, "pet": 1.0, "mammal": 0.0}
    assert to_wide([[1, 0, 1, 0]], pets())["pet"].tolist() == [1]
    assert to_wide(torch.ones(1, 4, dtype=torch.bfloat16), pets()).loc[0, "cat"] == 1
    h = pets()
    sparse = h.encode([["cat"], ["pet"]], sparse=True)
    assert to_wide(sparse, h)["animal"].tolist() == [True, False]


def test_to_wide_finds_the_columns_of_a_frame_by_name() -> None:
    h = pets().with_aliases({"kitty": "cat"})
    mixed = pd.DataFrame(
        [[0.1, 0.2, 0.3, 0.4]], index=["Tom"], columns=["pet", "mammal", "kitty", "animal"]
    )
    frame = to_wide(mixed, h)
    assert list(frame) == list(h)
    assert frame.loc["Tom"].tolist() == [0.3, 0.4, 0.1, 0.2]
    assert list(to_wide(mixed, h, ["Rex"]).index) == ["Rex"]
    with pytest.raises(HierarchyError, match="got none for 'cat'"):
        to_wide(mixed.drop(columns="kitty"), h)


def test_an_index_keeps_its_names_and_levels() -> None:
    index = pd.MultiIndex.from_tuples([("Tom", 1), ("Rex", 2)], names=["pet", "visit"])
    assert to_wide(torch.zeros(2, 4), pets(), index).index.equals(index)
    assert to_wide(torch.zeros(2, 4), pets(), index).index.names == ["pet", "visit"]


@pytest.mark.parametrize("shape", [(4,), (2, 3), (1, 2, 4)])
def test_values_of_another_shape(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"expected values \(rows, 4\), .* got \("):
        to_wide(torch.zeros(shape), pets())


@pytest.mark.parametrize("make", [to_frame, to_class_frame, lambda h: to_wide([[0] * len(h)], h)])
def test_without_pandas(monkeypatch, make) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match=r'expected pandas, .* pip install "hierloss\[pandas\]"'):
        make(pets())


def test_an_index_of_another_length() -> None:
    with pytest.raises(ValueError, match=r"."):
        to_wide(torch.zeros(2, 4), pets(), ["Tom"])


@given(
    hierarchies(), st.randoms(use_true_random=False), st.sampled_from(["bool", "int64", "float32"])
)
def test_wide_there_and_back_in_any_order(problem: Problem, random, dtype: str) -> None:
    h = problem.hierarchy
    values = torch.rand(3, problem.n).mul(4).sub(1).to(getattr(torch, dtype))
    frame = to_wide(values, h)
    shuffled = frame[random.sample(list(h), problem.n)]
    assert torch.equal(from_wide(shuffled, h), values)
