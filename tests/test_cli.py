"""The command line, as a user meets it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import hierloss.verify
from hierloss import Hierarchy, __version__
from hierloss.cli import ORDER, in_options, inspect, main
from hierloss.commands import train

OBO = """format-version: 1.2

[Term]
id: X:1
name: top

[Term]
id: X:2
name: low
alt_id: X:9
is_a: X:1 ! top

[Term]
id: X:3
name: gone
is_obsolete: true
consider: X:2
"""


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def test_verify_agrees_with_the_paper() -> None:
    result = run("verify")
    assert result.exit_code == 0
    assert "18 of 18 agree" in result.output
    lines = [line.split() for line in result.output.splitlines()]
    row = next(
        line
        for line in lines
        if line[:2] == ["Example", "2"] and "LHLoss" in line and "l(B)" in line
    )
    assert row[-5:] == ["-8.89", "-8.88889", "-8.88889", "-8.88889", "yes"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"Fig. 3": ((1, 1), {"MCLoss": ("-6.67", "0"), "LHLoss": ("0", "-20")},
                    {"MCLoss": (-6.66, 0.0), "LHLoss": (0.0, -20.0)})},
        {"Fig. 3": ((1, 1), {"MCLoss": ("-6.76", "0"), "LHLoss": ("0", "-20")},
                    {"MCLoss": (-2 / 0.3, 0.0), "LHLoss": (0.0, -20.0)})},
        {"Fig. 3": ((1, 1), {"MCLoss": ("-6.67", "0"), "LHLoss": ("0", "-21")},
                    {"MCLoss": (-2 / 0.3, 0.0), "LHLoss": (0.0, -20.0)})},
    ],
    ids=["formula", "digits", "unit"],
)  # fmt: skip
def test_verify_fails_where_a_number_disagrees(wrong, monkeypatch) -> None:
    monkeypatch.setattr(hierloss.verify, "EXAMPLES", wrong)
    result = run("verify")
    assert result.exit_code == 1
    assert "NO" in result.output


def test_inspect_says_what_an_ontology_is(tmp_path: Path) -> None:
    path = tmp_path / "x.obo"
    path.write_text(OBO)
    result = run("inspect", str(path))
    assert result.exit_code == 0
    text = " ".join(result.output.split())
    for fact in (
        "hierarchy tree",
        "classes 2, of them 1 leaves",
        "edges 1 (is_a 1",
        "roots 1: X:1 (top)",
        "depth 1",
        "several parents 0 classes (0.0%), at most 1",
        "aliases 1",
        "obsolete 1 terms",
        "problems none",
    ):
        assert fact in text


@pytest.mark.parametrize(
    ("name", "content", "options"),
    [
        ("a.csv", "child,parent\nb,a\nc,a\n", ()),
        ("a.tsv", "b\ta\nc\ta\n", ("--columns", "child,parent")),
        ("a.list", "a/b\na/c\n", ("--format", "paths")),
    ],
)
def test_inspect_reads_every_kind(tmp_path: Path, name, content, options) -> None:
    path = tmp_path / name
    path.write_text(content)
    result = run("inspect", str(path), *options, "--save", str(tmp_path / "saved.npz"))
    assert result.exit_code == 0
    assert "3, of them 2 leaves" in result.output
    assert len(Hierarchy.load(tmp_path / "saved.npz")) == 3
    assert "3, of them 2 leaves" in run("inspect", str(tmp_path / "saved.npz")).output


def test_inspect_draws_a_neighbourhood(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason='it is missing; pip install "hierloss[plot]"')
    path = tmp_path / "x.obo"
    path.write_text(OBO)
    result = run("inspect", str(path), "--plot", "X:2", "--out", str(tmp_path / "new" / "x.png"))
    assert result.exit_code == 0
    assert (tmp_path / "new" / "x.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("name", "content", "options", "message"),
    [
        ("a.dat", "", (), "say what it is by --format"),
        (
            "a.csv",
            "x,y\nb,a\n",
            (),
            "pass --child and --parent, and if the file has no header, pass "
            "--columns child,parent or --columns parent,child",
        ),
        ("a.csv", "child,parent\nb,a\na,b\n", (), "or pass --on-cycle drop to have"),
        ("a.csv", "x,y\nb,a\n", ("--child", "x", "--parent", "z"), "columns 'x' and 'z', got"),
        ("a.csv", "child,parent\n\ud800,a\n", (), "as --encoding latin-1"),
        ("a.csv", "child,parent\nb,a\na,b\n", (), "b -> a -> b"),
        ("a.obo", OBO.replace("X:1 ! top", "X:7"), (), "line 11"),
        ("a.obo", OBO, ("--plot", "X:8"), "X:8"),
        ("a.npz", "nothing", (), "Hierarchy.save"),
    ],
)
def test_mistakes_are_one_line_and_exit_status_1(tmp_path, name, content, options, message) -> None:
    path = tmp_path / name
    path.write_text(content, errors="surrogatepass")
    result = run("inspect", str(path), *options)
    assert result.exit_code == 1
    assert "\nError: " in f"\n{result.output}"
    assert message in result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.obo", OBO.replace("name: top\n", "name: top\nis_a: X:2\n")),
        ("x.csv", "child,parent\nX:1,X:2\nX:2,X:1\n"),
    ],
)
def test_inspect_reports_dropped_cycles_once(tmp_path: Path, name, content) -> None:
    path = tmp_path / name
    path.write_text(content)
    assert run("inspect", str(path)).exit_code == 1
    result = run("inspect", str(path), "--on-cycle", "drop")
    assert result.exit_code == 0
    assert result.output.count("X:2 -> X:1") == 1
    assert "left out X:2 -> X:1, which closes a cycle" in result.output


def test_names_are_printed_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("child,parent\nb,3-oxoacyl-[acyl-carrier-protein] reductase\nc,a[/b]\n")
    result = run("inspect", str(path))
    assert "3-oxoacyl-[acyl-carrier-protein] reductase, a[/b]" in " ".join(result.output.split())


def test_inspect_reads_other_encodings_and_delimiters(tmp_path: Path) -> None:
    path = tmp_path / "X.CSV"
    path.write_bytes("child;parent\nHönan;Ägget\n".encode("latin-1"))
    assert "encoding" in run("inspect", str(path), "--delimiter", ";").output
    result = run("inspect", str(path), "--delimiter", ";", "--encoding", "latin-1")
    assert "Ägget" in result.output
    path.write_text("child\tparent\nb\ta\n")
    assert "2, of them 1 leaves" in run("inspect", str(path), "--delimiter", r"\t").output


def test_inspect_reads_columns_called_otherwise(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("genus,species,rank\nFelis,catus,1\nFelis,silvestris,1\n")
    saved = tmp_path / "new" / "x.npz"
    asked = ("--child", "species", "--parent", "genus", "--save", str(saved))
    assert run("inspect", str(path), *asked).exit_code == 0
    assert Hierarchy.load(saved).edges == (("catus", "Felis"), ("silvestris", "Felis"))


def test_arguments_are_told_as_options() -> None:
    said = "pass delimiter=';', delimiter='\\t', columns=('a', 'b') or child=; x='y', h= and a==b"
    told = r"pass --delimiter ';', --delimiter '\t', --columns a,b or --child; x='y', h= and a==b"
    assert in_options(said, inspect) == told
    asked = "pass sep='.', kind='tree' or on_cycle='drop'"
    assert in_options(asked, train) == "pass --read sep=., --read kind=tree or --read on_cycle=drop"


@pytest.mark.parametrize(
    ("options", "message", "status"),
    [
        (
            ("--namespace", "x"),
            "edges files (columns, child, parent, delimiter, on_cycle, encoding), got namespace",
            1,
        ),
        (("-r", "is_a"), "got relations", 1),
        (("--sep", "/"), "got sep", 1),
        (("--out", "x.png"), "expected --plot CLASS beside --out", 2),
        (("--plot", "a", "--out", "x.jpeg"), "called .png or .svg, got 'x.jpeg'", 2),
        (("--save", "x.csv"), "expected a file called .npz, got 'x.csv'", 2),
        (("--columns", "foo,bar"), "child", 1),
        (("--format", "paths", "--sep", ""), "expected a separator", 1),
    ],
)
def test_options_that_do_not_fit_are_refused(tmp_path: Path, options, message, status) -> None:
    path = tmp_path / "x.csv"
    path.write_text("child,parent\nb,a\n")
    result = run("inspect", str(path), *options)
    assert result.exit_code == status
    assert message in result.output
    assert "Traceback" not in result.output


def test_a_report_is_printed_in_whatever_the_output_can_hold(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("child,parent\n猫,動物\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", "from hierloss.cli import main; main()", "inspect", str(path)],
        env={**os.environ, "PYTHONIOENCODING": "cp1252"},
        capture_output=True,
        check=True,
    )
    assert "2, of them 1 leaf" in done.stdout.decode("cp1252").replace("leaves", "leaf")
    assert b"?" in done.stdout


@pytest.mark.parametrize("width", ["40", "80"])
def test_narrow_terminals_cut_no_numbers(width: str, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", width)
    assert "-20.00000" in run("verify").output
    assert "…" not in run("verify").output


def test_demo_hands_over_its_options(tmp_path: Path, monkeypatch) -> None:
    calls = []
    monkeypatch.setattr("hierloss.demo.run", lambda out, **options: calls.append((out, options)))
    assert run("demo", "--out", str(tmp_path), "--seed", "3").exit_code == 0
    [(out, options)] = calls
    assert out == tmp_path
    assert options["seed"] == 3


def test_help_and_version() -> None:
    listed = re.findall(r"^  ([a-z]+)  ", run("--help").output, re.MULTILINE)
    assert tuple(listed) == ORDER
    for command in ORDER:
        assert run(command, "--help").exit_code == 0
    assert __version__ in run("--version").output
