"""The command line, as a user meets it."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import hierloss.verify
from hierloss import Hierarchy, __version__
from hierloss.cli import main

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
    ],
    ids=["formula", "print"],
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
    path = tmp_path / "x.obo"
    path.write_text(OBO)
    result = run("inspect", str(path), "--plot", "X:2", "--out", str(tmp_path / "x.png"))
    assert result.exit_code == 0
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("name", "content", "options", "message"),
    [
        ("a.dat", "", (), "say what it is with --format"),
        ("a.csv", "x,y\nb,a\n", (), "child"),
        ("a.csv", "child,parent\nb,a\na,b\n", (), "b -> a -> b"),
        ("a.obo", OBO.replace("X:1 ! top", "X:7"), (), "line 11"),
        ("a.obo", OBO, ("--plot", "X:8"), "X:8"),
        ("a.npz", "nothing", (), "Hierarchy.save"),
    ],
)
def test_mistakes_are_one_line_and_exit_status_1(tmp_path, name, content, options, message) -> None:
    path = tmp_path / name
    path.write_text(content)
    result = run("inspect", str(path), *options)
    assert result.exit_code == 1
    assert "\nError: " in f"\n{result.output}"
    assert message in result.output
    assert "Traceback" not in result.output


@pytest.mark.filterwarnings("ignore:dropped")
def test_inspect_reports_dropped_cycles(tmp_path: Path) -> None:
    path = tmp_path / "x.obo"
    path.write_text(OBO.replace("name: top\n", "name: top\nis_a: X:2\n"))
    assert run("inspect", str(path)).exit_code == 1
    result = run("inspect", str(path), "--on-cycle", "drop")
    assert result.exit_code == 0
    assert "dropped X:2 -> X:1, which closes a cycle" in " ".join(result.output.split())


def test_demo_hands_over_its_options(tmp_path: Path, monkeypatch) -> None:
    calls = []
    monkeypatch.setattr("hierloss.demo.run", lambda out, **options: calls.append((out, options)))
    assert run("demo", "--out", str(tmp_path), "--seed", "3").exit_code == 0
    [(out, options)] = calls
    assert out == tmp_path
    assert options["seed"] == 3


def test_help_and_version() -> None:
    for command in ("verify", "inspect", "demo"):
        assert command in run("--help").output
        assert run(command, "--help").exit_code == 0
    assert __version__ in run("--version").output
