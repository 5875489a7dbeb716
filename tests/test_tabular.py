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


@pytest.mark.parametrize("fixed", [False, True])
@parquet
def test_a_column_of_lists_has_several_features(fixed: bool, tmp_path) -> None:
    import pyarrow
    import pyarrow.parquet

    def save(name: str, cells: list[object], **others: list[object]) -> Path:
        type = pyarrow.list_(pyarrow.float32(), 3) if fixed else pyarrow.list_(pyarrow.float32())
        table = pyarrow.table(
            {"u": [1.0] * len(cells), "emb": pyarrow.array(cells, type), **others}
        )
        pyarrow.parquet.write_table(table, tmp_path / name)
        return tmp_path / name

    path = save("x.parquet", [None, [1, 2, None], [3, 4, 5]], classes=ROWS["classes"])
    found = read_samples(path, PETS, labels="classes")
    nan = np.nan
    assert found.names == ("u", "emb[0]", "emb[1]", "emb[2]")
    rows = [[1, nan, nan, nan], [1, 1, 2, nan], [1, 3, 4, 5]]
    np.testing.assert_array_equal(found.features, rows)
    turned = ["emb[2]", "emb[0]", "emb[1]"]
    blocks = list(read_features(path, turned, id="classes", size=2))
    np.testing.assert_array_equal(
        np.concatenate([x.features for x in blocks]), np.array(rows)[:, [3, 1, 2]]
    )
    like = read_samples(path, PETS, labels="classes", features=turned)
    np.testing.assert_array_equal(like.features, np.array(rows)[:, [3, 1, 2]])
    (none,) = read_features(save("none.parquet", []), turned)
    assert none.features.shape == (0, 3)
    with pytest.raises(ValueError, match=r"column 'emb', row 1: expected a list of 2 .* one of 3"):
        list(read_features(save("long.parquet", [[1, 2, 3]]), turned[1:]))
    flat = write(tmp_path / "x.csv", {x: [i] for i, x in enumerate(turned)})
    assert next(read_features(flat, turned)).features.tolist() == [[0, 1, 2]]
    with pytest.raises(ValueError, match=r"expected a column 'emb\[2\]'"):
        list(read_features(write(tmp_path / "y.csv", {"emb[0]": [1]}), turned))


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ([[1.0, 2.0], [1.0]], "column 'emb', row 2: expected a list of 2 numbers .* got one of 1"),
        ([[1.0, 2.0], [1.0, np.inf]], "column 'emb', row 2: expected finite numbers, got an inf"),
        ([[1.0], [1e300]], r"column 'emb\[0\]', row 2: expected a number that float32 can hold"),
        (
            [[], []],
            "expected lists of numbers in the column 'emb', got none, or an empty one first",
        ),
        ([["a"], ["b"]], r"column 'emb', row 1: expected a finite number, got \['a'\]"),
    ],
)
@parquet
def test_lists_that_are_no_features(cells, said, tmp_path) -> None:
    import pyarrow
    import pyarrow.parquet

    emb = pyarrow.array(cells, pyarrow.list_(pyarrow.float64()) if cells == [[], []] else None)
    table = pyarrow.table({"u": [1, 2], "emb": emb, "classes": ["wild", "wild"]})
    pyarrow.parquet.write_table(table, path := tmp_path / "x.parquet")
    with pytest.raises(ValueError, match=said):
        read_samples(path, PETS, labels="classes")
    assert read_samples(path, PETS, labels="classes", ignore=["emb"]).names == ("u",)


@parquet
def test_a_model_of_lists_is_trained_and_predicts(tmp_path) -> None:
    import pyarrow
    import pyarrow.parquet

    pytest.importorskip("sklearn", reason='it is missing; pip install "hierloss[train]"')
    emb = [[float(i == j % 3) for i in range(3)] for j in range(12)]
    table = pyarrow.table({"emb": emb, "classes": ROWS["classes"] * 4})
    pyarrow.parquet.write_table(table, tmp_path / "x.parquet")
    PETS.save(tmp_path / "h.npz")
    file, model, out = (str(tmp_path / x) for x in ("x.parquet", "m.safetensors", "p.csv"))
    asked = ["--hierarchy", str(tmp_path / "h.npz"), "--labels", "classes", "--epochs", "2"]
    for command in (
        ["train", file, *asked, "--out", model],
        ["predict", model, file, "--out", out],
        ["evaluate", model, file, "--labels", "classes"],
    ):
        result = CliRunner().invoke(main, command)
        assert result.exit_code == 0, result.output
    assert len(Path(out).read_text().splitlines()) == 13


def test_what_is_true_is_one_in_words_too(tmp_path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("u,v,classes\nTrue,1,wild\nfalse,0,wild\n,1,wild\n")
    found = read_samples(path, PETS, labels="classes")
    np.testing.assert_array_equal(found.features, [[1, 1], [0, 0], [np.nan, 1]])


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
