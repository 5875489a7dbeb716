"""The figures of the paper that need no training: from its examples and its printed numbers."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hierloss.demo.picture import side_by_side
from hierloss.hierarchy import Hierarchy
from hierloss.layers import LMC, MCM
from hierloss.paper.collected import Run, complete, mean_scores, partly_from, stand_ins
from hierloss.paper.printed import TABLE2, printed
from hierloss.paper.registry import entries
from hierloss.paper.significance import Summary, summarize
from hierloss.paper.statistics import cliques, lift
from hierloss.verify import checks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["gradients", "lifts", "ranking", "trees"]

# Okabe and Ito's colours, which the colour-blind can tell apart.
BLUE, ORANGE, GREEN = "#0072B2", "#E69F00", "#009E73"
PAPER, OURS = "from the printed numbers", "ours"

TREE = Hierarchy.from_parents([None, 0, 0, 1, 1, 2, 2, 3, 3, 5], names=list("0123456789"))
TRUE = ["8"]
# The text gives l(5) = 0.3 and l(9) = 0.7 of Fig. 1 and which decisions at 0.5 are wrong; the
# other scores agree with all that it says of them.
EXAMPLES = {
    "fig1": (0.9, 0.8, 0.4, 0.7, 0.3, 0.3, 0.2, 0.2, 0.6, 0.7),
    "fig2": (0.9, 0.4, 0.4, 0.3, 0.2, 0.3, 0.2, 0.2, 0.8, 0.1),
}
HEADINGS = {
    "fig1": "Fig. 1: class 9 is wrong. MCM makes 5 and 2 wrong too, LMC corrects it",
    "fig2": "Fig. 2: classes 1 and 3 are wrong. MCM corrects them, LMC makes 8 wrong too",
}
MARKS = "(right or wrong at a threshold of 0.5)"


def trees(name: str) -> Figure:
    """Fig. 1 or 2: the scores of a toy tree, after MCM and after LMC.

    Args:
        name: "fig1" or "fig2".
    """
    scores = torch.tensor(EXAMPLES[name])
    panels = {
        "(a) scores of a network": scores,
        "(b) after MCM": MCM(TREE)(scores),
        "(c) after LMC": LMC(TREE)(scores),
    }
    labels = {heading: _decisions(panel) for heading, panel in panels.items()}
    figure = side_by_side(TREE, panels, true=TRUE, labels=labels)
    figure.suptitle(f"{HEADINGS[name]} {MARKS}", y=1 - 0.15 / figure.get_figheight())
    return figure


def gradients() -> Figure:
    """Fig. 3: the derivatives of the losses by the scores of a class and its parent."""
    from matplotlib.figure import Figure

    found = [check for check in checks() if check.example == "Fig. 3"]
    losses = list(dict.fromkeys(check.loss for check in found))
    figure = Figure((9.5, 3.2), layout="constrained")
    panels = figure.subplots(1, len(losses), sharex=True, sharey=True)
    for ax, loss, colour in zip(panels, losses, (BLUE, ORANGE, GREEN), strict=True):
        own = [check for check in found if check.loss == loss]
        ax.barh([f"l({c.by})" for c in own], [c.probabilities for c in own], color=colour)
        for y, c in enumerate(own):
            text = f"{c.probabilities:.2f}{_printed(c.printed)}"
            ax.text(c.probabilities - 0.7, y, text, ha="right", va="center")
        ax.set(title=loss, xlim=(-42, 0), xlabel="derivative by the score")
    panels[0].invert_yaxis()
    figure.suptitle("Fig. 3: A is a child of B, both are true, l(A) = 0.3 and l(B) = 0.1")
    note(
        figure,
        "By autograd, in brackets as printed. MCLoss raises the score of the child only, LHLoss "
        "that of its parent. The paper has no numbers for HybridLoss, half of both.",
    )
    return figure


def ranking(runs: Sequence[Run]) -> Figure:
    """Fig. 5: the critical difference diagrams of Table II, of its numbers and of ours."""
    from matplotlib.figure import Figure

    datasets, scores = complete(runs, TABLE2)
    paper, ours = summarize(printed().scores), summarize(scores)
    tall = 1 if ours.datasets else 0.2
    figure = Figure((8, 0.6 + 2.7 * (1 + tall)), layout="constrained")
    axes = figure.subplots(2, 1, height_ratios=(1, tall))
    for ax, whose, found in zip(axes, (PAPER, OURS), (paper, ours), strict=True):
        ax.set_title(f"Average ranks, {whose}: {found.datasets} of {len(entries())} data sets")
        _diagram(ax, found)
    note(
        figure,
        "Fig. 5. A bar joins systems that the Nemenyi test does not tell apart (5 %). The caption "
        "in the paper is that of Fig. 6; its text calls HLSTM different from all others. "
        + partly_from(run for run in runs if run.dataset in datasets and not run.variant),
    )
    return figure


def lifts(runs: Sequence[Run]) -> Figure:
    """Fig. 6: by how much HLSTM is better than CHMC-LSTM on each data set."""
    from matplotlib.figure import Figure

    table = printed(("HLSTM", "CHMC-LSTM"))
    own = [run for run in runs if run.system in table.systems and not run.variant]
    ours = lift(*mean_scores(own, table.datasets, table.systems).T)
    figure = Figure((8, 8.5), layout="constrained")
    ax = figure.subplots()
    _bars(ax, lift(*table.scores.T), -0.2, BLUE, PAPER)
    known = np.isfinite(ours)
    _bars(ax, ours, 0.2, ORANGE, f"{OURS}: {known.sum()} of {len(ours)} data sets")
    for y in np.flatnonzero(~known):
        ax.text(1, y + 0.2, "not run", va="center", fontsize=7, color="0.35")
    rebuilt = {run.dataset for run in own if run.rebuilt}
    titles = [entries()[name].title + "†" * (name in rebuilt) for name in table.datasets]
    ax.set_yticks(range(len(titles)), titles)
    ax.axvline(0, color="black", linewidth=0.8)
    ax.set(xlabel="lift of HLSTM over CHMC-LSTM, %", ylim=(len(titles) - 0.4, -0.6))
    ax.margins(x=0.1)
    ax.legend(loc="lower right")
    mean = lift(*table.scores.T).mean()
    note(
        figure,
        "Fig. 6. Lift as in eq. 14, from Tables III to V and from our runs. The mean of the "
        f"printed numbers is {mean:.1f} %, most of it from DERISI GO and EXPR GO. {stand_ins(own)}",
    )
    return figure


def note(figure: Figure, text: str) -> None:
    """Set a note below the panels of a figure with a constrained layout."""
    width, height = figure.get_size_inches()
    lines = textwrap.wrap(text, int(width * 13))
    below = (0.2 * len(lines) + 0.1) / height
    figure.text(0.02, 0.06 / height, "\n".join(lines), fontsize=9, color="0.25")
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.set(rect=(0, below, 1, 1 - below))  # type: ignore[call-arg]  # not all engines do


def _decisions(scores: Tensor) -> dict[str, str]:
    """Whether the decision at 0.5 is right, for each class."""
    right = (scores >= 0.5) == TREE.encode([TRUE])[0]
    return {name: "right" if ok else "WRONG" for name, ok in zip(TREE, right.tolist(), strict=True)}


def _printed(number: str) -> str:
    return f" (paper {number})" if number else ""


def _bars(ax: Axes, percent: NDArray[np.float64], shift: float, colour: str, label: str) -> None:
    """Bars with their values, below or above the tick of their data set."""
    rows = np.flatnonzero(np.isfinite(percent))
    bars = ax.barh(rows + shift, percent[rows], 0.4, color=colour)
    ax.bar_label(bars, [f"{x:+.1f}" for x in percent[rows]], padding=2, fontsize=7)
    ax.bar(0, 0, color=colour, label=label)  # so that the legend has a colour without any rows


def _diagram(ax: Axes, found: Summary) -> None:
    """Ranks on a line, names at both sides, bars below systems that are not told apart."""
    k = len(TABLE2)
    ax.set(xlim=(-1, k + 2), ylim=(-3.8, 1.5))
    ax.set_axis_off()
    if not found.datasets:
        ax.text(0.5, 0.5, "not run", ha="center", va="center", transform=ax.transAxes)
        return
    ax.plot([1, k], [0, 0], color="black")
    for rank in range(1, k + 1):
        ax.plot([rank, rank], [0, 0.15], color="black")
        ax.text(rank, 0.25, str(rank), ha="center", va="bottom")
    ax.plot([1, 1 + found.difference], [1, 1], color="black", marker="|")
    ax.text(
        1 + found.difference / 2, 1.05, f"CD = {found.difference:.3f}", ha="center", va="bottom"
    )
    groups = cliques(found.ranks, found.difference)
    for i, group in enumerate(groups):
        ends = [found.ranks[group[0]] - 0.05, found.ranks[group[-1]] + 0.05]
        ax.plot(ends, [-0.3 - 0.25 * i] * 2, color=BLUE, linewidth=4, solid_capstyle="butt")
    _names(ax, found.ranks, -0.5 - 0.25 * len(groups))


def _names(ax: Axes, ranks: NDArray[np.float64], first: float) -> None:
    """The better half at the left, the others at the right, the outermost highest."""
    order: list[int] = np.argsort(ranks, kind="stable").tolist()
    half = (len(order) + 1) // 2
    sides = (
        ("right", 0.9, -0.08, order[:half]),
        ("left", len(order) + 0.1, 0.08, order[: half - 1 : -1]),
    )
    for align, end, gap, members in sides:
        for i, system in enumerate(members):
            y = first - 0.55 * i
            ax.plot([ranks[system]] * 2 + [end], [0, y, y], color="0.4", linewidth=0.8)
            label = f"{TABLE2[system]} {ranks[system]:.3f}"
            ax.text(end + gap, y, label, ha=align, va="center")
