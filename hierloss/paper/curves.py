"""The figures of the paper that show AU(PRC) by epoch: Fig. 7, 8 and 9."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import cycle
from typing import TYPE_CHECKING

import numpy as np

from hierloss.paper.collected import Run
from hierloss.paper.figures import note
from hierloss.paper.registry import entries

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["balances", "initializers", "speeds"]

# Okabe and Ito's colours, all but yellow, each with a line style of its own.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#000000")
STYLES = ("-", "--", "-.", ":")
BALANCES = (0.1, 0.3, 0.5, 0.7, 0.9)
STARTS = {
    "(a) constant": {f"LW = {x}": f"constant {x}" for x in (0.1, 0.2, 0.4, 0.6, 0.8)},
    "(b) zeros and ones": {"zeros": "zeros", "ones": "ones", "LW = 0.1": "constant 0.1"},
    "(c) random": {
        "normal": "normal",
        "Xavier": "xavier",
        "He": "he",
        "LW = 0.1": "constant 0.1",
    },
}
USUAL = "constant 0.1"
NOTE = "Lines are means over seeds."


def balances(runs: Sequence[Run]) -> Figure:
    """Fig. 7: HLSTM with five shares of the global loss on three data sets."""
    panels = {
        f"({letter}) {entries()[name].title}": {
            f"{balance}": _hlstm(runs, name, balance=balance) for balance in BALANCES
        }
        for letter, name in zip("abc", ("cellcycle_FUN", "cellcycle_GO", "ImCLEF07A"), strict=True)
    }
    text = "Fig. 7. Below 0.5 the local loss has the larger share, above it the global one."
    return _figure(panels, "share $b_r$", f"{text} {NOTE}")


def initializers(runs: Sequence[Run]) -> Figure:
    """Fig. 8: HLSTM with starts of the local weights on CELLCYCLE FUN, and with another reading."""
    panels = {
        f"{heading}, CELLCYCLE FUN": {
            label: _hlstm(runs, "cellcycle_FUN", initializer=start)
            for label, start in starts.items()
        }
        for heading, starts in STARTS.items()
    }
    linear = _hlstm(runs, "cellcycle_FUN", transition="linear")
    if linear:
        panels["(a) constant, CELLCYCLE FUN"]["LW = 0.1, no ReLU"] = linear
    text = "Fig. 8. He: the deviation is sqrt(2 / n) as in the paper cited; sqrt(1 / n) is printed."
    return _figure(panels, "local weights", f"{text} {NOTE}")


def speeds(runs: Sequence[Run]) -> Figure:
    """Fig. 9: how fast the systems learn on EISEN FUN."""
    lines = {
        "HLSTM, LW = 0.1": _hlstm(runs, "eisen_FUN"),
        "HLSTM, normal": _hlstm(runs, "eisen_FUN", initializer="normal"),
    }
    own = [run for run in runs if (run.dataset, run.reduction) == ("eisen_FUN", "mean")]
    for system in ("CHMCNN", "HMCN-R", "HMCN-F", "HMCN-CHMC", "CHMC-LSTM"):
        lines[system] = _alike(run for run in own if run.system == system)
    text = "Fig. 9. HMC-LMLP learns level after level and CLUS-ENS has no epochs."
    return _figure({"EISEN FUN": lines}, "system", f"{text} {NOTE}")


def _hlstm(
    runs: Iterable[Run],
    dataset: str,
    *,
    balance: float = 0.5,
    initializer: str = USUAL,
    transition: str = "relu",
) -> list[Run]:
    wanted = balance, initializer, transition, "mean"
    own = [run for run in runs if (run.system, run.dataset) == ("HLSTM", dataset)]
    sizes = {run.settings.get("hidden") for run in own if not run.variant}
    own = [run for run in own if not sizes or run.settings.get("hidden") in sizes]
    return _alike(r for r in own if (r.balance, r.initializer, r.transition, r.reduction) == wanted)


def _alike(runs: Iterable[Run]) -> list[Run]:
    """Those with a curve of one variant, or else of the tables, so that no two kinds are mixed."""
    groups: dict[str, list[Run]] = {}
    for run in runs:
        if run.curve:
            groups.setdefault(run.variant, []).append(run)
    return max(groups.values(), key=lambda own: (bool(own[0].variant), len(own)), default=[])


def _figure(panels: Mapping[str, Mapping[str, list[Run]]], legend: str, text: str) -> Figure:
    """A panel for each data set or choice, with a line for each of its entries."""
    from matplotlib.figure import Figure

    wide = max(4.6 * len(panels), 6.6)
    figure = Figure((wide, 4.2), layout="constrained")
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for ax, (heading, lines) in zip(axes, panels.items(), strict=True):
        for (label, own), colour, style in zip(lines.items(), COLOURS, cycle(STYLES)):
            _line(ax, own, label, colour, style)
        rows = {run.judged_on for own in lines.values() for run in own}
        ax.set(title=heading, xlabel="epochs", ylabel=f"AU(PRC), {' and '.join(sorted(rows))} rows")
        ax.legend(title=legend, fontsize=7, title_fontsize=8, loc="best")
        if not rows:
            ax.text(0.5, 0.5, "not run", ha="center", va="center", transform=ax.transAxes)
            ax.set(xticks=(), yticks=(), ylabel="AU(PRC)")
    note(figure, text)
    return figure


def _line(ax: Axes, runs: Sequence[Run], label: str, colour: str, style: str) -> None:
    """The mean over seeds, of the epochs that all of them have."""
    seeds = "1 seed" if len(runs) == 1 else f"{len(runs)} seeds" if runs else "not run"
    epochs = sorted(set.intersection(*(set(run.curve) for run in runs))) if runs else []
    means = [float(np.mean([run.curve[epoch] for run in runs])) for epoch in epochs]
    ax.plot(epochs, means, style, color=colour, label=f"{label} ({seeds})")
