"""Tables of CSV, TSV and Parquet files."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from hierloss import Hierarchy, HierarchyError
from hierloss.cli import main
from hierloss.samples import read_features, read_samples
from hierloss_adapters.tabular import numbers, read_table, write_table

PETS = Hierarchy.from_paths(["pet/cat", "pet/dog", "wild"])
ROWS = {"weight": [4.5, 30.0, 9.0], "classes": ["pet/cat", "pet/dog", "wild"]}

parquet = pytest.mark.skipif(
    find_spec("pyarrow") is None,
    reason='needs pip install "hierloss[parquet]"',
)


def write(path: Path, *blocks: dict[str, object]) -> Path:
    with write_table(path) as table:
        for block in blocks:
            table.write(block)
    return path


def frame(**columns: object):
    pandas = pytest.importorskip("pandas", reason='needs pip install "hierloss[pandas]"')
    return pandas.DataFrame({**ROWS, **columns})


def test_ids_are_written_in_full_and_scores_in_six_digits(tmp_path) -> None:
    rows = {"id": [10000001.0, 10000002.0, 0.1234567], "score": np.array([1 / 3, 1e-9, 1])}
    lines = write(tmp_path / "x.csv", rows).read_text().splitlines()
    assert lines == ["id,score", "10000001,0.333333", "10000002,1e-09", "0.1234567,1"]


@pytest.mark.parametrize("name", ["x.csv", pytest.param("x.parquet", marks=parquet)])
def test_later_rows_have_the_columns_of_the_first(name: str, tmp_path) -> None:
    path = write(tmp_path / name, {"a": [1], "b": [2]}, {"b": [4], "a": [3]})
    (block,) = read_table(path, ["a", "b"])
    assert [float(x) for x in block["a"]] == [1, 3]
    for other, got in (({"a": [1]}, "no 'b'"), ({"a": [1], "b": [2], "c": [3]}, "also 'c'")):
        with pytest.raises(ValueError, match=f"the columns of the rows before, got {got}"):
            write(tmp_path / f"other-{name}", {"a": [1], "b": [2]}, other)
    assert [x.name for x in tmp_path.iterdir()] == [name]


@parquet
def test_a_parquet_file_of_no_rows_and_of_mixed_values(tmp_path) -> None:
    import pyarrow.parquet

    assert pyarrow.parquet.read_table(write(tmp_path / "none.parquet")).num_rows == 0
    for blocks in ([{"id": [1, "a"]}], [{"id": [1]}, {"id": ["a"]}]):
        with pytest.raises(ValueError, match="values of one type in the column 'id', got others"):
            write(tmp_path / "mixed.parquet", *blocks)
    whole = write(tmp_path / "whole.parquet", {"id": [1]}, {"id": [2]})
    assert pyarrow.parquet.read_table(whole).to_pydict() == {"id": [1, 2]}


@pytest.mark.parametrize("cell", ["1_000", "٣", "0x10", "1e", "1,5", "infinity", "1e999", "--1"])
def test_cells_that_are_no_numbers(cell: str) -> None:
    with pytest.raises(ValueError, match="x, row 1: expected a finite number"):
        numbers([cell], "x")


def test_cells_that_are_numbers() -> None:
    found = numbers([" 1.5 ", "+.5", "2.", "-3E-1", 4, np.float32(5), True], "x")
    assert found.tolist() == [1.5, 0.5, 2, -0.3, 4, 5, 1]


@pytest.mark.parametrize("kind", ["csv", "again", pytest.param("parquet", marks=parquet)])
def test_the_index_of_a_data_frame_is_no_feature(kind: str, tmp_path) -> None:
    path, index = tmp_path / f"x.{kind}".replace("again", "csv"), {"csv": "", "again": "Unnamed: 0"}
    table = frame()
    if kind == "parquet":
        table.index = [7, 8, 9]
        table.to_parquet(path)
    else:
        (table if kind == "csv" else table.rename_axis("Unnamed: 0")).to_csv(path)
    name = index.get(kind, "__index_level_0__")
    with pytest.raises(ValueError, match=f"got {name!r}, the index of a data frame; pass ignore="):
        read_samples(path, PETS, labels="classes")
    assert read_samples(path, PETS, labels="classes", ignore=[name]).names == ("weight",)


@parquet
def test_the_named_index_of_a_parquet_file_names_the_rows(tmp_path) -> None:
    path = tmp_path / "x.parquet"
    frame(id=["a", "b", "c"]).set_index("id").to_parquet(path)
    with pytest.raises(ValueError, match="got 'id', the index of a data frame"):
        read_samples(path, PETS, labels="classes")
    (block,) = read_features(path, ["weight"], id="id")
    assert block.ids == ["a", "b", "c"]
    frame().to_parquet(path)  # an index that only counts is no column
    assert read_samples(path, PETS, labels="classes").names == ("weight",)


def test_the_command_line_says_which_option_ignores_an_index(tmp_path) -> None:
    frame().to_csv(tmp_path / "x.csv")
    (tmp_path / "h.txt").write_text("pet/cat\npet/dog\nwild\n")
    options = ["--hierarchy", str(tmp_path / "h.txt"), "--format", "paths", "--labels", "classes"]
    result = CliRunner().invoke(main, ["train", str(tmp_path / "x.csv"), *options])
    assert result.exit_code == 1
    assert "pass --ignore ''" in " ".join(result.output.split())


def test_a_file_without_the_mark_its_encoding_wants(tmp_path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("a,b\n1,2\n", encoding="utf-16-le")
    with pytest.raises(HierarchyError, match="expected text in utf-16, got others"):
        next(read_table(path, ["a"], encoding="utf-16"))
    (block,) = read_table(path, ["a"], encoding="utf-16-le")
    assert block == {"a": ["1"]}


def test_a_cell_that_is_too_long(tmp_path) -> None:
    path = tmp_path / "x.csv"
    path.write_text(f"a,b\n1,{'x' * 200_000}\n")
    with pytest.raises(HierarchyError, match=r"line 2: .*limit.*or write a Parquet file"):
        next(read_table(path, ["a"]))
