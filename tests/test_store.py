"""Hierarchies in files of their own."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hierloss import Hierarchy, HierarchyError

EDGES = [("cat", "mammal"), ("dog", "mammal"), ("mammal", "animal"), ("dog", "pet")]
PETS = Hierarchy.from_edges(EDGES)


@given(names=st.lists(st.text(max_size=5), min_size=2, max_size=6, unique=True))
def test_save_and_load(names: list[str], tmp_path_factory) -> None:
    path = tmp_path_factory.mktemp("h") / "any name"
    h = Hierarchy.from_parents([None] + [0] * (len(names) - 2), names=names[:-1])
    h = h.with_aliases({names[-1]: names[0]})
    h.save(path)
    assert Hierarchy.load(path) == h
    assert [file.name for file in path.parent.iterdir()] == ["any name"]


def test_load_keeps_what_was_dropped(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="dropped"):
        h = Hierarchy.from_edges([("a", "b"), ("b", "a")], on_cycle="drop")
    h.save(tmp_path / "h.npz")
    assert Hierarchy.load(tmp_path / "h.npz").dropped == (("b", "a"),)
    assert h.with_aliases({"c": "a"}).dropped == (("b", "a"),)


def test_load_refuses_damaged_files(tmp_path: Path) -> None:
    PETS.save(tmp_path / "h")
    whole = (tmp_path / "h").read_bytes()
    for i in range(0, len(whole), 7):
        damaged = bytearray(whole)
        damaged[i] ^= 0xFF
        (tmp_path / "h").write_bytes(damaged)
        try:
            assert len(Hierarchy.load(tmp_path / "h")) == len(PETS)
        except HierarchyError:
            continue


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("edges", np.zeros((3, 2), dtype=np.int64)),
        ("edges", np.array([[1.5], [0.0]])),
        ("names", np.full(24, 255, dtype=np.uint8)),
        ("format", np.array([1, 1])),
    ],
)
def test_load_refuses_contents_that_save_does_not_write(tmp_path: Path, key, value) -> None:
    PETS.save(tmp_path / "h")
    with np.load(tmp_path / "h") as file:
        arrays = dict(file)
    with (tmp_path / "new").open("wb") as file:
        np.savez(file, **{**arrays, key: value})
    with pytest.raises(HierarchyError, match=r"Hierarchy\.save, got"):
        Hierarchy.load(tmp_path / "new")


def test_saving_at_the_same_time_leaves_one_whole_file(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(PETS.save, [tmp_path / "h"] * 20))
    assert Hierarchy.load(tmp_path / "h") == PETS
    assert [file.name for file in tmp_path.iterdir()] == ["h"]


def test_load_never_unpickles_and_refuses_other_files(tmp_path: Path) -> None:
    contents = {
        "text": lambda file: file.write(b"hello"),
        "empty": lambda file: None,
        "other": lambda file: np.savez(file, a=np.zeros(3)),
        "array": lambda file: np.save(file, np.zeros(3)),
        "pickle": lambda file: np.savez(file, format=np.array([{}], dtype=object)),
    }
    for name, write in contents.items():
        with (tmp_path / name).open("wb") as file:
            write(file)
        with pytest.raises(HierarchyError, match=r"written by Hierarchy\.save, got '.*" + name):
            Hierarchy.load(tmp_path / name)
    with pytest.raises(FileNotFoundError):
        Hierarchy.load(tmp_path / "missing")


def test_load_refuses_a_newer_format(tmp_path: Path) -> None:
    PETS.save(tmp_path / "h")
    with np.load(tmp_path / "h") as file:
        arrays = dict(file)
    with (tmp_path / "new").open("wb") as file:
        np.savez(file, **{**arrays, "format": np.array(99)})
    with pytest.raises(HierarchyError, match="format 1 or older, got 99"):
        Hierarchy.load(tmp_path / "new")
