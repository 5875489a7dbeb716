"""Every table and figure of the paper, from the results of finished runs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from hierloss.paper.collected import Run, read_runs
from hierloss.paper.curves import balances, initializers, speeds
from hierloss.paper.figures import gradients, lifts, ranking, trees
from hierloss.paper.grids import Grid
from hierloss.paper.significance import significance
from hierloss.paper.tables import ablation, comparison, datasets

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["FIGURES", "FORMATS", "TABLES", "reproduce"]

#: What makes each table of finished runs.
TABLES: Mapping[str, Callable[[Sequence[Run]], list[Grid]]] = MappingProxyType(
    {
        "table1": lambda runs: [datasets()],
        "table2": lambda runs: [comparison(runs), significance(runs)],
        "table3": lambda runs: [ablation("table3", runs)],
        "table4": lambda runs: [ablation("table4", runs)],
        "table5": lambda runs: [ablation("table5", runs)],
    }
)

#: What makes each figure of finished runs.
FIGURES: Mapping[str, Callable[[Sequence[Run]], Figure]] = MappingProxyType(
    {
        "fig1": lambda runs: trees("fig1"),
        "fig2": lambda runs: trees("fig2"),
        "fig3": lambda runs: gradients(),
        "fig5": ranking,
        "fig6": lifts,
        "fig7": balances,
        "fig8": initializers,
        "fig9": speeds,
    }
)

#: The formats of tables, by the ends of their files, and those of figures.
FORMATS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"tables": ("txt", "csv", "md"), "figures": ("png", "svg")}
)


def reproduce(
    target: str,
    results: Path,
    out: Path,
    *,
    formats: Collection[str] = (),
    show: Callable[[str], object] = print,
) -> Iterator[Path]:
    """Write a table or figure of the paper, with our results where there are some.

    Args:
        target: A key of `TABLES` or `FIGURES`, or "all".
        results: The folder of `read_runs`.
        out: The folder to write into.
        formats: Those to write; by default all that the target has.
        show: What to do with the text of a table.

    Yields:
        The files written, after each.

    Raises:
        ImportError: matplotlib or SciPy is missing.
        ValueError: There is no such target, it has no such format, or a result is damaged.
    """
    known = [*TABLES, *FIGURES]
    if target not in (*known, "all"):
        raise ValueError(f"expected one of {', '.join(known)} or all, got {target!r}")
    targets = known if target == "all" else [target]
    possible = [x for kind in ("tables", "figures") if _has(kind, targets) for x in FORMATS[kind]]
    for wrong in set(formats) - set(possible):
        raise ValueError(f"expected {', '.join(possible)} for {target}, got {wrong!r}")
    runs = read_runs(results)
    out.mkdir(parents=True, exist_ok=True)
    for one in targets:
        write = partial(_write_tables, show=show) if one in TABLES else _write_figure
        yield from write(one, runs, out, formats or possible)


def _has(kind: str, targets: Collection[str]) -> bool:
    return not set(targets).isdisjoint(TABLES if kind == "tables" else FIGURES)


def _write_tables(
    target: str,
    runs: Sequence[Run],
    out: Path,
    formats: Collection[str],
    *,
    show: Callable[[str], object],
) -> Iterator[Path]:
    for grid in TABLES[target](runs):
        show(grid.text())
        texts = {"txt": grid.text, "csv": grid.csv, "md": grid.markdown}
        for end in FORMATS["tables"]:
            if end in formats:
                path = out / f"{grid.name}.{end}"
                path.write_text(texts[end](), encoding="utf-8")
                yield path


def _write_figure(
    target: str, runs: Sequence[Run], out: Path, formats: Collection[str]
) -> Iterator[Path]:
    from hierloss_adapters.plot import write_figure

    ends = [end for end in FORMATS["figures"] if end in formats]
    if ends:
        figure = FIGURES[target](runs)
        for end in ends:
            write_figure(figure, out / f"{target}.{end}")
            yield out / f"{target}.{end}"
