"""The results as a picture: times relative to plain BCE, and their growth."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from hierloss.bench.cases import CASES
from hierloss.bench.growth import SERIES, exponents
from hierloss.bench.results import Entry, Results
from hierloss.bench.rows import BCE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# The colours of Okabe and Ito, which the colour-blind can tell apart.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7", "#F0E442", "#000000")
MARKS = ("o", "s", "^")


class Look(TypedDict):
    """How a bar is filled."""

    facecolor: str
    hatch: str
    edgecolor: str


def require_matplotlib() -> None:
    """Raise an ImportError that tells what to install, unless matplotlib is there."""
    try:
        import_module("matplotlib.figure")
    except ImportError as error:
        raise ImportError(
            'expected matplotlib, got none; for pictures pip install "hierloss[plot]"'
        ) from error


def draw(results: Results, path: Path) -> None:
    """Draw what there is: a bar for each row and case, a line for each series."""
    require_matplotlib()
    from matplotlib.figure import Figure

    groups = [[e for e in group if e.step and e.row != BCE] for group in results.groups()]
    measured = [group for group in groups if group]
    height = max(5.0, 2 + 0.14 * sum(map(len, measured)))
    figure = Figure(figsize=(11, height), layout="constrained")
    both = bool(measured and results.growth)
    panels = figure.subplots(1, 1 + both, width_ratios=(3, 2)[: 1 + both], squeeze=False)[0]
    for ax in panels:
        ax.spines[["top", "right"]].set_visible(False)
    if measured:
        _bars(panels[0], measured)
    if results.growth:
        _lines(panels[-1], results)
    figure.savefig(path, dpi=150)


def _bars(ax: Axes, groups: list[list[Entry]]) -> None:
    """Forward and backward of each row relative to plain BCE, by case."""
    names = dict.fromkeys(e.row for group in groups for e in group)
    looks = {name: _look(i) for i, name in enumerate(names)}
    ticks: dict[float, str] = {}
    top = 0
    for rows in groups:
        for y, e in enumerate(rows, top):
            ratio = e.step.ratio if e.step else 1.0
            ax.barh(y, ratio - 1, height=1, left=1, linewidth=0.5, **looks[e.row])
        ticks[top + (len(rows) - 1) / 2] = f"{CASES[rows[0].case].title}\n× {rows[0].samples}"
        top += len(rows) + 1
    ax.set_xscale("log")
    ax.axvline(1, color="black", linewidth=1)
    ax.set_yticks(list(ticks), list(ticks.values()))
    ax.tick_params(axis="y", length=0)
    ax.invert_yaxis()
    ax.set_xlabel("time of forward and backward, plain BCE = 1")
    _legend(ax, looks)


def _lines(ax: Axes, results: Results) -> None:
    """Time over edges x batch."""
    powers = exponents(results.growth)
    for name, colour, mark in zip(SERIES, COLOURS, MARKS, strict=False):
        points = sorted((p.work, p.seconds) for p in results.growth if p.series == name)
        if points:
            label = f"{name} (power {powers[name]:.2f})" if name in powers else name
            ax.plot(*zip(*points, strict=True), color=colour, marker=mark, label=label)
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xlabel("edges × batch")
    ax.set_ylabel("seconds of HybridLoss, forward and backward")
    ax.legend(title="what grows", frameon=False)


def _look(i: int) -> Look:
    """The look of the bars of the row number `i`."""
    hatch = "///" if i >= len(COLOURS) else ""
    return {"facecolor": COLOURS[i % len(COLOURS)], "hatch": hatch, "edgecolor": "white"}


def _legend(ax: Axes, looks: dict[str, Look]) -> None:
    from matplotlib.patches import Patch

    patches = [Patch(label=name, **look) for name, look in looks.items()]
    ax.legend(handles=patches, loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=3)
