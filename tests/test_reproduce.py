"""Tables and figures of the paper: from its own numbers, from some results, and from none."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from numpy.testing import assert_allclose

from hierloss.cli import main
from hierloss.paper.collected import (
    Run,
    complete,
    mean_scores,
    partly_from,
    read_runs,
    stand_ins,
)
from hierloss.paper.curves import _hlstm
from hierloss.paper.printed import TABLE2, printed
from hierloss.paper.registry import entries
from hierloss.paper.reproduce import FIGURES, TABLES, reproduce
from hierloss.paper.significance import significance
from hierloss.paper.systems import STUDIES
from hierloss.paper.tables import ablation, comparison, datasets

text_of = pytest.importorskip("matplotlib.text", reason='needs pip install "hierloss[paper]"')
ROOT = Path(__file__).parents[1]
ALL = (*TABLE2, "CHMC-LSTM")
RANKS = ("2.650", "4.475", "3.375", "6.950", "5.675", "3.375", "1.500")
STAND_IN = "expr_FUN.train.rebuilt.arff"


def paper_as_runs(*, missing: float | None = 0.0) -> list[Run]:
    """The printed numbers as if they were ours; what the paper has not is the worst, or missing."""
    table = printed(ALL)
    return [
        Run(system, "", dataset, 0, score if score == score else missing)
        for dataset, row in zip(table.datasets, table.scores.tolist(), strict=True)
        for system, score in zip(table.systems, row, strict=True)
        if score == score or missing is not None
    ]


def study(variant: str, dataset: str, curve: dict[int, float], **settings: object) -> Run:
    """A variant of HLSTM, with a curve."""
    return Run("HLSTM", variant, dataset, 0, 0.9, curve, settings=settings, judged_on="validation")


def some_runs() -> list[Run]:
    """A few results: two seeds, a stand-in, and variants with curves."""
    curve = {epoch: 0.2 + epoch / 100 for epoch in range(1, 6)}
    short = {epoch: 0.1 + epoch / 100 for epoch in range(1, 4)}
    return [
        Run("HLSTM", "", "cellcycle_FUN", 0, 0.25),
        Run("HLSTM", "", "cellcycle_FUN", 1, 0.28),
        study("balance-0.5", "cellcycle_FUN", curve, balance=0.5),
        replace(study("balance-0.5", "cellcycle_FUN", short, balance=0.5), seed=1),
        study("balance-0.3", "cellcycle_FUN", curve, balance=0.3),
        study("he", "cellcycle_FUN", curve, initializer="he"),
        study("constant-0.4", "cellcycle_FUN", curve, constant=0.4),
        study("normal", "eisen_FUN", curve, initializer="normal"),
        study("linear", "cellcycle_FUN", short, transition="linear"),
        replace(study("curve", "eisen_FUN", curve), system="CHMCNN"),
        Run("CHMC-LSTM", "", "cellcycle_FUN", 0, 0.2),
        Run("HLSTM", "", "expr_FUN", 0, 0.3, rebuilt=(STAND_IN,)),
        Run("CHMC-LSTM", "", "expr_FUN", 0, 0.2, rebuilt=(STAND_IN,)),
    ]


RUNS = {"none": [], "some": some_runs(), "all": paper_as_runs()}


def write(folder: Path, run: Run, **changes: object) -> Path:
    """A result as the runs write it."""
    name = f"{run.system}-{run.variant}" if run.variant else run.system
    path = folder / name / f"{run.dataset}.{run.seed}.json"
    curve = [{"epoch": i, "loss": 1.0, "seconds": 1.0, "auprc": x} for i, x in run.curve.items()]
    found = {
        "system": run.system, "dataset": run.dataset, "seed": run.seed, "auprc": run.auprc,
        "settings": dict(run.settings), "auprc_clus": 0.5, "violation_rate": 0.0,
        "rebuilt": list(run.rebuilt), "seconds": 1.0, "curve": curve,
        "judged_on": run.judged_on,
    }  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**found, **changes}))
    return path


# Results


def test_runs_are_read_as_they_were_written(tmp_path: Path) -> None:
    runs = some_runs()
    for run in runs:
        write(tmp_path, run)
    found = read_runs(tmp_path)
    assert list(found) == sorted(runs, key=lambda x: (x.system, x.variant, x.dataset, x.seed))


def test_other_files_are_passed_over(tmp_path: Path) -> None:
    for name in (
        "HLSTM/notes.json",
        "HLSTM/BERT.0.json",
        "BERT/Enron.0.json",
        "HLSTM/Enron.x.json",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("not a run")
    assert read_runs(tmp_path) == ()
    assert read_runs(tmp_path / "nothing") == ()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"auprc": None}, "TypeError"),
        ({"auprc": float("nan")}, r"AU\(PRC\) of nan"),
        ({"auprc": 27.0}, r"AU\(PRC\) of 27"),
        ({"curve": [1.0]}, "AttributeError"),
        ({"seed": 1}, "expected its own result, got Enron, seed 1"),
    ],
)
def test_a_damaged_result_is_named(
    tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    path = write(tmp_path, Run("HLSTM", "", "Enron", 0, 0.5), **changes)
    with pytest.raises(ValueError, match=message) as caught:
        read_runs(tmp_path)
    assert str(path) in str(caught.value)


def test_a_result_that_is_cut_off_is_named(tmp_path: Path) -> None:
    path = write(tmp_path, Run("CHMC-LSTM", "", "Enron", 0, 0.5))
    path.write_text(path.read_text()[:40])
    with pytest.raises(ValueError, match="remove the file and run again"):
        read_runs(tmp_path)


def test_settings_say_what_a_variant_is() -> None:
    usual = Run("HLSTM", "", "Enron", 0, 0.5)
    assert (usual.balance, usual.initializer) == (0.5, "constant 0.1")
    he, four = some_runs()[5:7]
    assert (he.initializer, four.initializer) == ("he", "constant 0.4")


def test_scores_are_means_over_seeds_without_variants() -> None:
    scores = mean_scores(some_runs(), ["cellcycle_FUN", "Enron"], ["HLSTM", "CHMC-LSTM"])
    assert_allclose(scores, [[0.265, 0.2], [np.nan, np.nan]])


def test_a_data_set_is_complete_with_all_systems() -> None:
    assert complete(some_runs(), ["HLSTM", "CHMC-LSTM"])[0] == ("cellcycle_FUN", "expr_FUN")
    names, scores = complete(paper_as_runs(missing=None), TABLE2)
    assert len(names) == len(scores) == 16
    assert "Enron" not in names


def test_stand_ins_are_said() -> None:
    assert STAND_IN in stand_ins(some_runs())
    assert stand_ins(paper_as_runs()) == ""
    assert partly_from(some_runs()) == f"In part from {stand_ins(some_runs())[8:]}"
    assert partly_from(paper_as_runs()) == ""


# Tables


def test_table_1_marks_what_is_not_in_the_files() -> None:
    grid = datasets()
    assert grid.rows[30][0:4] == ("SPO GO", "paper", "4166", "80")
    assert [row[1] for row in grid.rows].count("files†") == 2
    assert grid.rows[7][0:2] == ("", "files†")  # of EXPR FUN
    assert grid.rows[31][0:4] == ("", "files", "4116", "80")
    assert {j for i, j in grid.marked if i == 31} == {2, 7, 9, 10}
    assert all(i % 2 for i, _ in grid.marked)
    wrong = {(r["dataset"], r["fact"]) for r in grid.records if not r["agrees"]}
    assert {name for name, fact in wrong if fact == "classes"} == {"spo_GO"}
    assert {name for name, fact in wrong if fact == "features"} == {"Enron"}
    assert {name for name, fact in wrong if fact == "depth"} == {
        *(name for name in entries() if name.endswith("_GO")), "Diatoms", "Enron"
    }  # fmt: skip
    assert ("Enron", "density") in wrong


def test_the_printed_numbers_as_results_give_the_printed_ranks() -> None:
    grid = comparison(paper_as_runs())
    assert [row[1] for row in grid.rows[-3:]] == ["paper", "from its numbers", "ours"]
    assert grid.rows[-3][2:-1] == ("2.65", "4.47", "3.37", "6.95", "5.67", "3.37", "1.50")
    assert grid.rows[-2][2:-1] == grid.rows[-1][2:-1] == RANKS
    ours = [[cell.split()[0] for cell in row[2:-1]] for row in grid.rows[1:40:2]]
    assert ours == [[x.replace("—", "0.000") for x in row[2:-1]] for row in grid.rows[:40:2]]
    best = [sum((i, 8) in grid.marked for i in range(start, 40, 2)) for start in (0, 1)]
    assert best == [15, 15]


def test_the_printed_numbers_as_results_give_the_same_verdicts() -> None:
    grid = significance(paper_as_runs())
    rows = {row[0]: row[1:] for row in grid.rows}
    assert rows["data sets"] == ("20", "20", "20")
    assert rows["critical difference"] == ("2.01", "2.014", "2.014")
    assert rows["Friedman, p"] == ("2.76e-12", "6.30e-17", "6.30e-17")
    assert rows["Friedman, chi2"][1:] == ("88.47", "88.47")
    assert rows["Iman-Davenport, F"][1:] == ("53.31", "53.31")
    for system, worse, verdict in [
        ("CHMCNN", "+1.150", "not significant"), ("HMCN-R", "+2.975", "significant"),
        ("HMCN-F", "+1.875", "not significant"), ("HMC-LMLP", "+5.450", "significant"),
        ("CLUS-ENS", "+4.175", "significant"), ("HMCN-CHMC", "+1.875", "not significant"),
    ]:  # fmt: skip
        assert rows[f"HLSTM against {system}"] == ("significant", *[f"{worse}, {verdict}"] * 2)


def test_statistics_are_over_complete_data_sets_only() -> None:
    rows = {row[0]: row[1:] for row in significance(paper_as_runs(missing=None)).rows}
    assert rows["data sets"] == ("20", "20", "16")
    assert rows["Friedman, chi2"][1:] == ("88.47", "71.21")
    assert rows["Friedman, p"][2] == "2.31e-13"
    one = [run for run in paper_as_runs() if run.dataset == "Enron"]
    rows = {row[0]: row[1:] for row in significance(one).rows}
    assert (rows["data sets"][2], rows["Friedman, p"][2]) == ("1", "—")
    assert rows["critical difference"][2] == "9.007"


@pytest.mark.parametrize("runs", [[], some_runs()], ids=["none", "some"])
def test_nothing_is_said_of_ours_without_a_complete_data_set(runs: list[Run]) -> None:
    assert {row[3] for row in significance(runs).rows} == {"0", "—"}
    assert set(comparison(runs).rows[-1][2:-1]) == {"—"}
    assert "the 0 of 20 data sets" in comparison(runs).notes[-1]


def test_a_table_that_is_partly_there_says_how_much_and_what_is_missing() -> None:
    grid = comparison(some_runs())
    assert grid.rows[1] == ("", "ours", *["not run"] * 6, "0.265 (2)", "0.154")
    assert grid.rows[7][-2:] == ("0.300 (1)†", "0.153")
    assert grid.notes[0].startswith("ours: 2 of 140 results")
    assert f"†: from stand-ins for files of upstream: {STAND_IN}." in grid.notes
    assert not any("†" in note for note in comparison(paper_as_runs()).notes)
    assert not any(i % 2 for i, _ in grid.marked)


def test_the_readme_says_what_the_results_say() -> None:
    text = (ROOT / "README.md").read_text()
    runs = read_runs(ROOT / "docs" / "results")
    names, paper = list(entries()), printed(ALL).scores
    groups = [[x for x in names if x.endswith("FUN")], ["Enron"], ["Diatoms"]]
    rows = [[names.index(x) for x in group] for group in groups]
    ours = mean_scores(runs, names, ALL)
    for i, system in enumerate(ALL):
        pairs = [(ours[at, i].mean(), paper[at, i].mean()) for at in rows]
        cells = (f"{a:.3f} \\| {b:.3f}".replace("nan", "none") for a, b in pairs)
        assert f"| {system} | {' | '.join(cells)} |\n" in text
    naive = np.array([entry.naive for entry in entries().values()])
    cells = (f"{naive[at].mean():.3f}" for at in rows)
    assert f"| naive | {' | '.join(cells)} |\n" in text
    count = np.isfinite(ours[:, : len(TABLE2)]).sum()
    assert f"Of the 140 results of Table II {count} are there" in text
    chmcnn, hlstm = (
        np.c_[ours[:, ALL.index(x)], paper[:, ALL.index(x)]] for x in ("CHMCNN", "HLSTM")
    )
    off = np.abs(np.diff(chmcnn[np.isfinite(chmcnn).all(1)])).ravel()
    assert f"of the printed number on {(off < 0.0045).sum()} of {len(off)} data sets" in text
    off = np.abs(np.diff(hlstm[np.isfinite(hlstm).all(1)])).ravel()
    below = hlstm[:, 0] < chmcnn[:, 0]
    assert (
        f"as printed on {(off < 0.0015).sum()} of {len(off)} and below CHMCNN on all {below.sum()};"
    ) in text


def test_the_lifts_of_tables_3_to_5() -> None:
    lifts = {}
    for name in ("table3", "table4", "table5"):
        grid = ablation(name, paper_as_runs())
        assert grid.header[-1] == "lift, %"
        assert [row[-1] for row in grid.rows[::2]] == [row[-1] for row in grid.rows[1::2]]
        lifts |= {row[0]: float(row[-1]) for row in grid.rows[::2]}
    assert len(lifts) == 20
    assert [name for name, x in lifts.items() if x < 0] == ["DERISI FUN", "EXPR FUN", "SPO FUN"]
    assert_allclose(np.mean(list(lifts.values())), 28.08, atol=5e-3)
    assert [lifts[name] for name in ("DERISI FUN", "DERISI GO")] == [-10.36, 145.41]


def test_a_lift_needs_both_systems() -> None:
    rows = ablation("table3", some_runs()).rows
    assert rows[1] == ("", "ours", "0.265 (2)", "0.200 (1)", "0.154", "+32.50")
    assert rows[3] == ("", "ours", "not run", "not run", "0.155", "—")


GRIDS = [(name, runs) for name in TABLES for runs in RUNS]


@pytest.mark.parametrize(("name", "runs"), GRIDS)
def test_every_table_in_every_format(name: str, runs: str) -> None:
    for grid in TABLES[name](RUNS[runs]):
        assert all(len(row) == len(grid.header) for row in grid.rows)
        text = grid.text().splitlines()
        assert text[0] == grid.title
        assert [h for h in grid.header if h] == re.split(r"  +", text[2].strip())
        shown = [line.replace("*", "") for line in text[4 : 4 + len(grid.rows)]]
        cells = [[cell for cell in row if cell] for row in grid.rows]
        assert [re.split(r"  +", line.strip()) for line in shown] == cells
        lines = grid.markdown().splitlines()
        assert lines[0] == f"## {grid.title}"
        table = [line for line in lines if line.startswith("|")]
        assert {line.count(" | ") for line in table} == {len(grid.header) - 1}
        assert len(table) == len(grid.rows) + 2
        assert sum("**" in cell for line in table for cell in line.split("|")) == len(grid.marked)
        assert lines[-len(grid.notes) :] == [f"- {note}" for note in grid.notes]
        records = list(csv.DictReader(io.StringIO(grid.csv())))
        assert len(records) == len(grid.records)
        assert list(records[0]) == list(grid.records[0])
        assert not any(value in ("—", "nan", "None") for r in records for value in r.values())


def test_the_csv_of_scores() -> None:
    records = csv.DictReader(io.StringIO(comparison(some_runs()).csv()))
    found = {(r.pop("dataset"), r.pop("system")): r for r in records}
    assert len(found) == 140
    one = found["cellcycle_FUN", "HLSTM"]
    assert (one["paper"], one["ours"], one["seeds"]) == ("0.267", "0.265", "2")
    assert float(one["deviation"]) == pytest.approx(0.03 / 2**0.5)
    other = found["expr_FUN", "HLSTM"]
    assert (other["deviation"], other["stand-ins"]) == ("", STAND_IN)
    missing = found["Enron", "HMC-LMLP"]
    assert missing.pop("naive") == "0.6544"
    assert missing == {"paper": "", "ours": "", "deviation": "", "seeds": "0", "stand-ins": ""}


# Figures


def drawn(name: str, runs: Sequence[Run]):
    figure = FIGURES[name](runs)
    figure.draw_without_rendering()
    return figure


def texts(figure) -> list[text_of.Text]:
    """All texts that are drawn, not those of hidden axes."""
    found: list[text_of.Text] = []
    draw = text_of.Text.draw
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            text_of.Text, "draw", lambda self, *args: (found.append(self), draw(self, *args))
        )
        figure.draw_without_rendering()
    return [text for text in found if text.get_visible() and text.get_text()]


def written(figure) -> list[str]:
    return [text.get_text().replace("\n", " ") for text in texts(figure)]


@pytest.mark.parametrize("runs", RUNS)
@pytest.mark.parametrize("name", FIGURES)
def test_text_is_inside_the_figure_and_does_not_overlap(name: str, runs: str) -> None:
    figure = drawn(name, RUNS[runs])
    boxes = [(text, text.get_window_extent()) for text in texts(figure)]
    for text, box in boxes:
        assert figure.bbox.x0 <= box.x0 <= box.x1 <= figure.bbox.x1, text
        assert figure.bbox.y0 <= box.y0 <= box.y1 <= figure.bbox.y1, text
    for (one, a), (other, b) in combinations(boxes, 2):
        wide, tall = min(a.x1, b.x1) - max(a.x0, b.x0), min(a.y1, b.y1) - max(a.y0, b.y0)
        assert min(wide, tall) <= 0, (one, other)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [("fig1", [["9"], ["2", "5", "9"], []]), ("fig2", [["1", "3"], [], ["1", "3", "8"]])],
)
def test_trees_have_the_errors_that_the_text_tells(name: str, wrong: list[list[str]]) -> None:
    figure = drawn(name, [])
    for ax, expected in zip(figure.axes, wrong, strict=True):
        cells = [text.get_text().split("\n") for text in ax.texts]
        assert len(cells) == 10
        assert [cell[0] for cell in cells if cell[1] == "WRONG"] == expected
    raw, mcm, lmc = ({t.get_text()[0]: t.get_text()[-4:] for t in ax.texts} for ax in figure.axes)
    if name == "fig1":
        assert (raw["9"], raw["5"]) == ("0.70", "0.30")
        assert (mcm["5"], mcm["2"], mcm["0"]) == ("0.70", "0.70", "0.90")
        assert lmc["9"] == "0.30"


def test_gradients_are_those_of_the_paper() -> None:
    figure = drawn("fig3", [])
    assert [ax.get_title() for ax in figure.axes] == ["MCLoss", "LHLoss", "HybridLoss"]
    assert [[t.get_text() for t in ax.texts] for ax in figure.axes] == [
        ["-6.67 (paper -6.67)", "0.00 (paper 0)"],
        ["0.00 (paper 0)", "-20.00 (paper -20)"],
        ["-3.33", "-10.00"],
    ]


def test_ranks_are_joined_where_nothing_tells_them_apart() -> None:
    paper, ours = drawn("fig5", paper_as_runs()).axes
    labels = [f"{s} {r}" for s, r in zip(TABLE2, RANKS, strict=True)]
    for ax in (paper, ours):
        found = [text.get_text() for text in ax.texts]
        assert set(labels) <= set(found)
        assert "CD = 2.014" in found
        bars = [line.get_xdata() for line in ax.lines if line.get_linewidth() == 4]
        ends = [(1.5, 3.375), (2.65, 4.475), (4.475, 5.675), (5.675, 6.95)]
        assert_allclose(bars, [(a - 0.05, b + 0.05) for a, b in ends])
    assert ours.get_title() == "Average ranks, ours: 20 of 20 data sets"


def test_ranks_of_ours_are_not_drawn_without_a_complete_data_set() -> None:
    _, ours = drawn("fig5", some_runs()).axes
    assert ours.get_title() == "Average ranks, ours: 0 of 20 data sets"
    assert [text.get_text() for text in ours.texts] == ["not run"]
    assert not ours.lines


def test_lifts_are_drawn_where_both_systems_have_run() -> None:
    found = written(drawn("fig6", some_runs()))
    assert found.count("not run") == 18
    assert {"+32.5", "+50.0", "-10.4", "+145.4", "ours: 2 of 20 data sets"} <= set(found)
    assert "EXPR FUN†" in found
    assert any(STAND_IN in text for text in found)
    assert found.count("+15.1") == 1
    assert written(drawn("fig6", paper_as_runs())).count("+15.1") == 2


def legends(name: str, runs: Sequence[Run]) -> list[list[str]]:
    axes = drawn(name, runs).axes
    return [[text.get_text() for text in ax.get_legend().get_texts()] for ax in axes]


def test_balances() -> None:
    none = [[f"{b} (not run)" for b in (0.1, 0.3, 0.5, 0.7, 0.9)]] * 3
    assert legends("fig7", []) == none
    first, *others = legends("fig7", some_runs())
    assert first == [
        "0.1 (not run)", "0.3 (1 seed)", "0.5 (2 seeds)", "0.7 (not run)", "0.9 (not run)"
    ]  # fmt: skip
    assert others == none[1:]
    figure = drawn("fig7", some_runs())
    assert [ax.get_title() for ax in figure.axes] == [
        "(a) CELLCYCLE FUN", "(b) CELLCYCLE GO", "(c) IMCLEF07A"
    ]  # fmt: skip
    assert [["not run" in [t.get_text() for t in ax.texts]] for ax in figure.axes] == [
        [False], [True], [True]
    ]  # fmt: skip
    lines = {line.get_label(): line for line in figure.axes[0].lines}
    assert_allclose(lines["0.3 (1 seed)"].get_ydata(), [0.21, 0.22, 0.23, 0.24, 0.25])
    both = lines["0.5 (2 seeds)"]
    assert_allclose([both.get_xdata(), both.get_ydata()], [[1, 2, 3], [0.16, 0.17, 0.18]])


def test_initializers() -> None:
    constant, plain, random = legends("fig8", some_runs())
    assert constant == [
        "LW = 0.1 (2 seeds)", "LW = 0.2 (not run)", "LW = 0.4 (1 seed)", "LW = 0.6 (not run)",
        "LW = 0.8 (not run)", "LW = 0.1, no ReLU (1 seed)",
    ]  # fmt: skip
    assert plain == ["zeros (not run)", "ones (not run)", "LW = 0.1 (2 seeds)"]
    assert random == [
        "normal (not run)", "Xavier (not run)", "He (1 seed)", "LW = 0.1 (2 seeds)"
    ]  # fmt: skip
    lines = {line.get_label(): line for line in drawn("fig8", some_runs()).axes[0].lines}
    assert_allclose(lines["LW = 0.4 (1 seed)"].get_ydata(), [0.21, 0.22, 0.23, 0.24, 0.25])
    assert not lines["LW = 0.2 (not run)"].get_xdata().size


def test_speeds() -> None:
    (labels,) = legends("fig9", some_runs())
    assert labels == [
        "HLSTM, LW = 0.1 (not run)", "HLSTM, normal (1 seed)", "CHMCNN (1 seed)",
        "HMCN-R (not run)", "HMCN-F (not run)", "HMCN-CHMC (not run)", "CHMC-LSTM (not run)",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["fig7", "fig8", "fig9"])
def test_the_studies_that_are_run_are_those_that_are_shown(name: str) -> None:
    runs = [
        Run(
            one.system, study.removeprefix(f"{one.system}-"), dataset, 0, 0.5, {1: 0.5}, one.options
        )
        for study, one in STUDIES.items()
        for dataset in one.datasets
    ]
    labels = [label for panel in legends(name, runs) for label in panel]
    assert labels
    assert all(label.endswith("(1 seed)") for label in labels)


def test_runs_of_two_kinds_are_not_mixed() -> None:
    tested = Run("HLSTM", "", "cellcycle_FUN", 0, 0.5, {1: 0.5})
    wide = study("wide", "cellcycle_FUN", {1: 0.4})
    halves = [replace(study("half", "cellcycle_FUN", {1: x / 10}), seed=x) for x in (1, 2)]
    for runs, expected, rows in (
        ([tested, wide, *halves], 0.15, "validation"),
        ([tested, wide], 0.4, "validation"),
        ([tested], 0.5, "test"),
    ):
        ax = drawn("fig7", runs).axes[0]
        assert_allclose(ax.lines[2].get_ydata(), [expected])
        assert ax.get_ylabel() == f"AU(PRC), {rows} rows"
    assert drawn("fig7", [tested]).axes[1].get_ylabel() == "AU(PRC)"


def test_lines_differ_in_colour_and_in_style_or_place() -> None:
    for name in ("fig7", "fig8", "fig9"):
        for ax in drawn(name, some_runs()).axes:
            looks = [(line.get_color(), line.get_linestyle()) for line in ax.lines]
            assert len({colour for colour, _ in looks}) == len(looks)
            assert all(one[1] != other[1] for one, other in pairwise(looks))


# The command line


def run(*arguments: str):
    return CliRunner().invoke(main, ["reproduce", *arguments])


@pytest.fixture
def results(tmp_path: Path) -> Path:
    for one in some_runs():
        write(tmp_path / "results", one)
    return tmp_path / "results"


@pytest.mark.parametrize("target", TABLES)
def test_reproduce_prints_and_writes_a_table(target: str, results: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = run(target, "--results", str(results), "--out", str(out))
    assert result.exit_code == 0, result.output
    assert (out / f"{target}.txt").read_text() in result.output
    assert {path.suffix for path in out.iterdir()} == {".txt", ".csv", ".md"}
    assert all(f"Wrote {path}" in result.output for path in out.iterdir())
    assert (target in ("table1", "table4", "table5")) or "0.265 (2)" in result.output


@pytest.mark.parametrize("target", FIGURES)
def test_reproduce_writes_a_figure(target: str, results: Path, tmp_path: Path) -> None:
    result = run(target, "--results", str(results), "--out", str(tmp_path))
    assert result.exit_code == 0, result.output
    assert (tmp_path / f"{target}.png").read_bytes().startswith(b"\x89PNG")
    assert "<text" in (tmp_path / f"{target}.svg").read_text()


@pytest.mark.parametrize("target", ["table1", "fig3"])
def test_what_needs_no_runs_asks_for_none(target: str, tmp_path: Path) -> None:
    result = run(target, "--results", str(tmp_path / "nothing"), "--out", str(tmp_path))
    assert result.exit_code == 0, result.output
    assert "no results" not in result.output


def test_networks_of_another_size_are_not_the_usual_one() -> None:
    runs = [
        Run("HLSTM", "", "eisen_FUN", 0, 0.2, settings={"hidden": 256}),
        Run("HLSTM", "curve", "eisen_FUN", 0, 0.25, {1: 0.2}, {"hidden": 256}),
        *(Run("HLSTM", "large", "eisen_FUN", i, 0.05, {1: 0.05}, {"hidden": 1024}) for i in (0, 1)),
    ]
    assert [run.variant for run in _hlstm(runs, "eisen_FUN")] == ["curve"]
    assert [run.variant for run in _hlstm(runs[1:2], "eisen_FUN")] == ["curve"]


def test_reproduce_all_in_one_format_each(tmp_path: Path) -> None:
    missing, out = tmp_path / "nothing", tmp_path / "out"
    options = ("--results", str(missing), "--out", str(out), "--format", "md", "--format", "svg")
    result = run("all", *options)
    assert result.exit_code == 0, result.output
    assert f"no results at {missing}: all of ours is shown as not run" in result.output
    assert {path.name for path in out.iterdir()} == {
        *(f"{name}.md" for name in TABLES), "table2-statistics.md", *(f"{n}.svg" for n in FIGURES)
    }  # fmt: skip


def test_reproduce_refuses_a_format_that_the_target_has_not(tmp_path: Path) -> None:
    result = run("table2", "--format", "png", "--out", str(tmp_path / "out"))
    assert result.exit_code == 1
    assert "expected txt, csv, md for table2, got 'png'" in result.output
    assert not (tmp_path / "out").exists()
    assert run("fig4").exit_code == 2
    with pytest.raises(ValueError, match=r"fig9 or all, got 'fig4'"):
        list(reproduce("fig4", tmp_path, tmp_path))


def test_reproduce_names_a_damaged_result(results: Path, tmp_path: Path) -> None:
    (results / "HLSTM" / "Enron.0.json").write_text("{}")
    result = run("table5", "--results", str(results), "--out", str(tmp_path))
    assert result.exit_code == 1
    assert "Enron.0.json: expected the result of a run, got KeyError" in result.output


def test_listing_the_command_imports_no_library_for_figures_or_statistics() -> None:
    code = "import sys, hierloss.paper.reproduce_command; print(sorted({*sys.modules}))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not re.search(r"'(matplotlib|scipy|sklearn)'", found.stdout)
