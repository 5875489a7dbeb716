"""ARFF files: what is malformed is an error that names the line."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from hierloss import CycleError, HierarchyError
from hierloss_adapters.arff import read_arff, read_arff_features

HEAD = (
    "@relation r\n@attribute a real\n@attribute b {u,v}\n@attribute c hierarchical x,x/y\n@data\n"
)


def header(line: str) -> str:
    return HEAD.replace("@attribute a real", line)


def classes(declared: str, row: str = "1,u,x") -> str:
    return HEAD.replace("x,x/y", declared) + row


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        pytest.param(HEAD + "1,u,x\n1,u", 7, "expected 3 cells, one for each attribute, got 2"),
        pytest.param(HEAD + "1,u,x,x", 6, "got 4; mend the row"),
        pytest.param(HEAD + "1 u x", 6, "got 1; mend the row"),
        pytest.param(HEAD + "\n%\n\n1.2.3,u,x", 9, "expected a number or ? for 'a', got '1.2.3'"),
        pytest.param(HEAD + ",u,x", 6, "a number or ? for 'a', got ''"),
        pytest.param(HEAD + "nan,u,x", 6, "got 'nan'"),
        pytest.param(HEAD + "-inf,u,x", 6, "got '-inf'"),
        pytest.param(HEAD + "1_0,u,x", 6, "got '1_0'"),
        pytest.param(HEAD + "٣,u,x", 6, "got '٣'"),
        pytest.param(HEAD + "'1,2',u,x", 6, "got '1,2'"),
        pytest.param(HEAD + "1,u,x\n1e39,u,x", 7, "expected numbers that float32 can hold"),
        pytest.param(HEAD + "1,w,x", 6, "expected one of u, v or ? for 'b', got 'w'"),
        pytest.param(HEAD + "1,u,x/z", 6, "expected classes that the header declares", id="label"),
        pytest.param(HEAD + "1,u,x@", 6, "got ''; declare it", id="empty label"),
        pytest.param(HEAD + "1,u,", 6, "got ''; declare it", id="no label"),
        pytest.param(HEAD + "1,u,x/y:much", 6, "got 'x/y:much'", id="no abundance"),
        pytest.param(HEAD + "1,u,x%y", 6, "got 'x%y'", id="comment without a blank"),
        pytest.param(HEAD + "1,'u,x", 6, "a comma between quoted cells, got \"'u,x\""),
        pytest.param(HEAD + "1,'u'v,x", 6, "a comma between quoted cells, got \"'u'v,x\""),
        pytest.param(HEAD + "{1 2,3 x", 6, "expected a sparse row to end with }"),
        pytest.param(HEAD + "{1 2,2 u}", 6, "expected the classes as '3 LABELS'"),
        pytest.param(HEAD + "{}", 6, "expected the classes as '3 LABELS'", id="empty row"),
        pytest.param(HEAD + "{1,3 x}", 6, "expected 'NUMBER VALUE' between commas, got '1'"),
        pytest.param(HEAD + "{a 1,3 x}", 6, "expected 'NUMBER VALUE' between commas, got 'a 1'"),
        pytest.param(HEAD + "{,3 x}", 6, "expected 'NUMBER VALUE' between commas, got ''"),
        pytest.param(HEAD + "{0 1,3 x}", 6, "the number of an attribute, 1 to 3, got 0"),
        pytest.param(HEAD + "{1 1,4 x}", 6, "the number of an attribute, 1 to 3, got 4"),
        pytest.param(HEAD + "{1 1,1 2,3 x}", 6, "expected each attribute once, got 1 again"),
        pytest.param(header("hello"), 2, "expected @relation, @attribute or @data, got 'hello'"),
        pytest.param(header("1,2,x"), 2, "expected @relation, @attribute or @data, got '1,2,x'"),
        pytest.param(header("@attributes a real"), 2, "got '@attributes a real'"),
        pytest.param(header("@attribute"), 2, "expected '@attribute NAME TYPE', got ''"),
        pytest.param(header("@attribute a"), 2, "expected '@attribute NAME TYPE', got 'a'"),
        pytest.param(header("@attribute 'a real"), 2, "a name with blanks needs quotes"),
        pytest.param(header("@attribute a b real"), 2, "expected the type of 'a' to be numeric, "),
        pytest.param(header("@attribute a timeseries"), 2, "got 'timeseries'; leave the attribute"),
        pytest.param(header("@attribute a numeric [0,1]"), 2, "got 'numeric [0,1]'"),
        pytest.param(header("@attribute a {u,v"), 2, "expected values to end with }, got '{u,v'"),
        pytest.param(header("@attribute a {u,v,u}"), 2, "none empty, got 'u' 2 times"),
        pytest.param(header("@attribute a {u,}"), 2, "none empty, got an empty one"),
        pytest.param(header("@attribute a {}"), 2, "none empty, got an empty one", id="no values"),
        pytest.param(header("@attribute a {'u,v}"), 2, "a comma between quoted cells"),
        pytest.param(header("@attribute a hierarchical"), 2, "expected classes after 'hierarch"),
        pytest.param(header("@attribute a hierarchical p"), 4, "got 'c' after 'a'", id="two"),
        pytest.param(HEAD.replace("@data\n", ""), 4, "expected @data and rows below it"),
        pytest.param("", 1, "expected @data and rows below it", id="empty file"),
        pytest.param("@attribute a real\n@data\n1", 2, "an attribute of type 'hierarchical'"),
        pytest.param(classes("x,x//y"), 4, "expected components between separators '/', got 'x/"),
        pytest.param(classes("x,,y"), 4, "expected components between separators '/', got ''"),
        pytest.param(classes("/x,x/y"), 4, "got '/x'"),
        pytest.param(classes("x/x,x/y"), 4, "got the self-loop 'x' -> 'x'"),
    ],
)  # fmt: skip
def test_the_line_is_named(write: Callable[..., Path], text: str, line: int, message: str) -> None:
    path = write(text, "bad.arff")
    with pytest.raises(HierarchyError, match=re.escape(message)) as caught:
        read_arff(path)
    assert str(caught.value).startswith(f"{path}, line {line}: expected ")


def test_a_number_that_is_too_large_for_float32_fits_float64(write) -> None:
    assert read_arff(write(HEAD + "1e39,u,x"), dtype="float64").features[0, 0] == 1e39
    with pytest.raises(HierarchyError, match="line 6: expected numbers that float64 can hold"):
        read_arff(write(HEAD + "1e999,u,x"), dtype="float64")


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        (classes("a/b/c,b/c"), {"kind": "dag"}, "expected edges 'parent/child', got 'a/b/c'"),
        (classes("x,0"), {"zero_ends": True}, "expected a path that 0 may end, got '0'"),
        (classes("x,x/0/y"), {"zero_ends": True}, "may end, got 'x/0/y'; mend it"),
        (classes("x", "1,u,x/0/0"), {"zero_ends": True}, "line 6: .*got 'x/0/0'"),
        ("@attribute c classes\n@data\na//b", {}, "line 3: .* got 'a//b'"),
        ("@attribute c classes\n@data\na/0/b", {"zero_ends": True}, "line 3: .* got 'a/0/b'"),
        ("@attribute c classes\n@data\n?", {}, "bad.arff, line 2: expected at least one class in"),
        (
            "@attribute c classes\n@data\na",
            {"kind": "dag"},
            "line 1: expected edges, got 'c' of type",
        ),
        (HEAD, {}, "bad.arff, line 5: expected rows below @data, got none"),
    ],
)
def test_what_options_say_is_kept(write, text: str, options: dict, message: str) -> None:
    with pytest.raises(HierarchyError, match=message):
        read_arff(write(text, "bad.arff"), **options)


def test_a_cycle_is_told_with_the_line_and_as_an_attribute(write) -> None:
    with pytest.raises(CycleError) as caught:
        read_arff(path := write(classes("r/x,x/y,y/x"), "bad.arff"))
    assert set(caught.value.cycle) == {"x", "y"}
    assert str(caught.value).startswith(f"{path}, line 4: expected edges without a cycle")


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        (HEAD + "1,u", 6, "expected 3 cells"),
        (HEAD + "1.2.3,u,?", 6, "expected a number or ? for 'a', got '1.2.3'"),
        (HEAD + "{4 1}", 6, "the number of an attribute, 1 to 3, got 4"),
        (header("@attribute a timeseries"), 2, "got 'timeseries'; leave the attribute out"),
    ],
)
def test_the_line_is_named_where_only_features_are_read(write, text, line, message) -> None:
    path = write(text, "bad.arff")
    with pytest.raises(HierarchyError, match=re.escape(message)) as caught:
        read_arff_features(path)
    assert str(caught.value).startswith(f"{path}, line {line}: expected ")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "forest"}, "expected kind 'tree', 'dag' or None, got 'forest'"),
        ({"kind": "dag", "zero_ends": True}, "expected kind='tree' with zero_ends"),
        ({"sep": ""}, "expected a separator"),
        ({"sparse_base": 2}, "expected sparse_base 0 or 1, got 2"),
        ({"dtype": "int64"}, "expected dtype float32 or float64, got int64"),
        ({"encoding": "utf-9"}, "expected the name of an encoding, got 'utf-9'"),
    ],
)
def test_options_are_checked(write, options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_arff(write(HEAD + "1,u,x"), **options)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"PK\x03\x04 and so on", "got a zip file; decompress it first"),
        (gzip.compress(HEAD.encode() + b"1,u,x\n")[:-9], "expected a whole compressed file, got"),
        (gzip.compress(HEAD.encode())[:9] + b"garbage", "got a damaged one"),
        (HEAD.encode() + b"1,u,\xe9", "the byte 0xe9 on line 6; pass the encoding"),
        (HEAD.encode("utf-16"), "expected text in utf-8, got utf-16"),
    ],
)  # fmt: skip
def test_damaged_and_foreign_files(write, data: bytes, message: str) -> None:
    with pytest.raises(HierarchyError, match=message):
        read_arff(write(data, "bad.arff"))


def test_an_address_is_no_path() -> None:
    with pytest.raises(HierarchyError, match="download it first"):
        read_arff("https://example.org/x.arff")


def test_a_file_that_is_not_there() -> None:
    with pytest.raises(FileNotFoundError):
        read_arff("nowhere.arff")
