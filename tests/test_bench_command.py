"""The benchmark suite as a user meets it: the command, its files and tables."""

from __future__ import annotations

import io
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result
from rich.console import Console

from hierloss.bench import goals, growth, machine, memory, report, results, rivals, rows
from hierloss.bench.results import Entry, Results
from hierloss.bench.timing import Timing
from hierloss.cli import main

CPU = torch.device("cpu")
DOCS = Path(__file__).parents[1] / "docs"
LOSSES = ("bench", "--quick", "--only", "losses", "--data", "nowhere")
GROWTH = ("bench", "--quick", "--only", "growth", "--data", "nowhere")
DENSE = ("--row", rows.DENSE)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


@pytest.fixture
def in_one_process(monkeypatch) -> None:
    """Leaves out the fresh processes, which take seconds each."""
    monkeypatch.setattr(memory, "growth", lambda *arguments: 1000)


def made(**options) -> Results:
    """Results of one row, made up."""
    time = Timing(seconds=0.02, bce=0.01, ratio=2.0, low=1.9, high=2.1, rounds=7)
    entry = Entry("go", 43_789, 77_825, True, 64, "HybridLoss, numba", time, time, 22 * 10**6)
    return Results({**machine.describe(CPU)}, 2e10, losses=[replace(entry, **options)])


def test_a_quick_run_ends_in_tables_numbers_and_a_picture(tmp_path: Path) -> None:
    files = [str(tmp_path / name) for name in ("b.json", "b.md", "b.png")]
    written = ("--json", files[0], "--markdown", files[1], "--picture", files[2])
    result = run(
        *LOSSES, "--row", "BCE", "--row", "HybridLoss, ref", "--row", "MCM, torch-", *written
    )
    assert result.exit_code == 0, result.output
    assert "FunCat (synthetic): 499 classes, 481 edges, batch 4" in result.output
    content = json.loads(Path(files[0]).read_text())
    assert set(content) == {"format", "exponents", *Results.__dataclass_fields__}
    measured = {e["row"]: e for e in content["losses"]}
    assert list(measured) == [rows.BCE, "HybridLoss, reference", rows.TORCH_SPARSE]
    for name in (rows.BCE, "HybridLoss, reference"):
        for way in ("forward", "step"):
            assert set(measured[name][way]) == set(Timing.__dataclass_fields__)
            assert measured[name][way]["seconds"] > 0
        assert measured[name]["memory"] is None or measured[name]["memory"] >= 0
    assert measured["HybridLoss, reference"]["wrong"] == 0
    assert str(tmp_path) not in Path(files[0]).read_text()
    assert "| HybridLoss, reference |" in Path(files[1]).read_text()
    assert Path(files[2]).read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("free", [1000, 10**12])
def test_what_does_not_fit_is_computed_and_not_run(free, monkeypatch, in_one_process) -> None:
    monkeypatch.setattr(machine, "free_memory", lambda device: free)
    monkeypatch.setattr(machine, "copy_speed", lambda *arguments: 1e10)
    output = run(*LOSSES, *DENSE).output
    assert ("does not fit" in output) == (free == 1000)
    assert ("8.96 MB" in output) == (free == 1000)  # 4 bytes, 499 squared, 1 + 2 * 4


def test_a_rival_that_fails_is_told_and_the_rest_goes_on(monkeypatch, in_one_process) -> None:
    def fails(h, samples) -> None:
        raise RuntimeError("no such thing\nat all")

    monkeypatch.setattr(rivals, "dense_loss", fails)
    result = run(*LOSSES, *DENSE, "--row", "BCE")
    assert result.exit_code == 0
    assert "dense C-HMCNN: fails: TypeError" in result.output
    assert "\nBCE " in result.output


def test_ctrl_c_prints_what_there_is_and_it_can_go_on(tmp_path: Path, monkeypatch) -> None:
    calls = []

    def measured(series, classes, per_class, samples, effort, device) -> growth.Point:
        calls.append(series)
        if len(calls) == 3:
            raise KeyboardInterrupt
        work = classes * per_class
        return growth.Point(series, classes, work, samples, 1e-6 * work, 1e-3)

    monkeypatch.setattr(growth, "measure", measured)
    keep = ("--json", str(tmp_path / "b.json"))
    result = run(*GROWTH, *keep)
    assert result.exit_code == 130
    assert "Stopped" in result.output
    assert "classes 1.00" in result.output
    assert len(results.load(tmp_path / "b.json").growth) == 2
    result = run(*GROWTH, *keep, "--resume")
    assert result.exit_code == 0
    assert len(results.load(tmp_path / "b.json").growth) == 5 == len(calls) - 1
    assert run(*GROWTH, *keep, "--resume").exit_code == 0
    assert len(calls) == 6


def test_it_goes_on_with_results_of_the_same_machine_only(tmp_path: Path) -> None:
    path = tmp_path / "b.json"
    found = made()
    found.machine["threads"] = 999
    found.save(path)
    result = run(*GROWTH, "--json", str(path), "--resume")
    assert result.exit_code == 1
    assert "got those of threads 999" in result.output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--resume",), "got --resume without --json"),
        (("--json", "b.json", "--resume"), "expected a file that this version"),
        (("--picture", "b.jpeg"), "called .png or .svg"),
        (("--device", "tpu"), "'tpu' is not one of"),
    ],
)
def test_options_that_do_not_fit_are_refused(options, message, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("b.json").write_text("[]")
    result = run(*GROWTH, *options)
    assert result.exit_code in (1, 2)
    assert message in result.output
    assert "Traceback" not in result.output


def test_saved_results_are_read_as_they_were(tmp_path: Path) -> None:
    found = made()
    found.add(growth.Point("batch", 10, 20, 4, 0.1, 0.05))
    found.save(tmp_path / "b.json")
    assert results.load(tmp_path / "b.json") == found
    found.add(replace(found.losses[0], memory=7))
    assert [e.memory for e in found.losses] == [7]


def test_tables_go_between_the_marks_of_a_page(tmp_path: Path) -> None:
    page = tmp_path / "b.md"
    page.write_text(f"# Before\n{report.START}\nstale\n{report.END}\nAfter\n")
    for _ in range(2):
        report.write_markdown(made(), page)
    text = page.read_text()
    assert text.startswith("# Before\n")
    assert text.endswith("\nAfter\n")
    assert "stale" not in text
    assert text.count("| HybridLoss, numba | 20.0 ms | 2.00 |") == 1
    page.write_text("# No marks\n")
    with pytest.raises(ValueError, match="expected"):
        report.write_markdown(made(), page)


def test_goals_are_held_or_not() -> None:
    aims = {row[0]: row[1:] for row in list(report.grids(made()))[-1].rows}
    assert aims == {
        "HybridLoss / BCE, Gene Ontology × 64": ("2.00", "≤ 2", "1.25", "yes"),
        "its memory / logits, Gene Ontology × 64": ("1.96", "≤ 4", "2", "yes"),
    }
    assert not goals.Goal("", lambda r: None, 2).holds(2.1)
    assert not goals.Goal("", lambda r: None, 300, at_least=True).holds(299)


def test_wrong_numbers_are_told() -> None:
    grid = next(report.grids(made(wrong=1 / 6)))
    assert "HybridLoss, numba: 17 % of its numbers are wrong." in grid.notes


def test_a_busy_machine_is_told() -> None:
    found = made()
    for load, told in ((0.1, False), (1.9, True)):
        found.machine.update(load=load, cores=2)
        assert ("busy" in report.preamble(found)) == told


def test_the_limit_is_what_has_to_be_moved() -> None:
    grid = next(report.grids(made()))
    assert grid.notes == ["Logits 11.2 MB; limit 1.68 ms, to move 33.6 MB."]
    assert grid.rows[0][-2:] == ("1.96", "11.9")


def test_tables_fit_into_a_narrow_terminal() -> None:
    found = made(row="HybridLoss, reference")
    found.add(replace(found.losses[0], row=rows.DENSE, step=None, needs=989_400_000_000))
    found.add(growth.Point("classes", 1_000_000, 2_000_000, 512, 12.3, 0.05))
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(report.terminal(found))
    text = console.export_text()
    assert "…" not in text
    assert "does not fit" in text
    assert " 989 GB" in text


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (report.time(1.234e-6), "1.23 µs"),
        (report.time(0.01234), "12.3 ms"),
        (report.time(0.9996), "1.00 s"),
        (report.time(123.4), "123 s"),
        (report.size(8968), "8.97 kB"),
        (report.size(989.4e9), "989 GB"),
        (report.size(999_600), "1.00 MB"),
        (report.size(7.862e12), "7.86 TB"),
    ],
)
def test_numbers_have_three_digits_and_a_unit(shown: str, expected: str) -> None:
    assert shown == expected


@pytest.mark.parametrize("name", ["benchmarks", "benchmarks-gpu"])
def test_the_page_has_the_tables_of_its_numbers(name: str, tmp_path: Path) -> None:
    page = shutil.copy(DOCS / f"{name}.md", tmp_path)
    report.write_markdown(results.load(DOCS / f"{name}.json"), Path(page))
    assert Path(page).read_text() == (DOCS / f"{name}.md").read_text()
