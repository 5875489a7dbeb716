"""The demonstration as the command line shows it: a table and a picture."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from hierloss.demo.picture import picture, require_matplotlib
from hierloss.demo.validation import Result, cross_validate, spread
from hierloss.demo.zoo import Zoo, load

HOW_TO_READ = """\
AU(PRC): area under the precision-recall curve of animals not trained on; higher is better.
violated: edges whose child scores above its parent, %; most of them join scores near 0.
incoherent: animals whose classes above 0.5 lack an ancestor, %.
Each is followed by its value after MCM. ± is the deviation over {} repeats."""


def run(
    out: str | os.PathLike[str],
    *,
    seed: int = 0,
    console: Console | None = None,
    repeats: int = 5,
    epochs: int = 100,
) -> Path:
    """Compare the losses on the Zoo data, print a table and draw what MCM and LMC do to scores.

    Args:
        out: The folder to write into, made if it is missing.
        seed: Where randomness starts; the same seed gives the same results.
        console: Where to print.
        repeats: As in `cross_validate`.
        epochs: As in `cross_validate`.

    Returns:
        The picture, ``zoo-scores.png`` in `out`.

    Raises:
        ImportError: matplotlib is missing.
    """
    require_matplotlib()
    console = console or Console()
    zoo = load()
    results = _validate(zoo, console, seed=seed, repeats=repeats, epochs=epochs)
    console.print(
        f"{len(zoo.names)} animals, {len(zoo.traits)} traits, {len(zoo.hierarchy)} taxa\n"
    )
    console.print(table(results))
    console.print(f"\n{HOW_TO_READ.format(repeats)}")
    path = Path(out) / "zoo-scores.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    picture(zoo, results[0]).savefig(path, dpi=150)
    console.print(f"Wrote {path}", soft_wrap=True)
    return path


def table(results: Iterable[Result]) -> Table:
    """The measures of each loss before and after MCM."""
    grid = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("loss", "AU(PRC)", "MCM", "violated", "MCM", "incoherent", "MCM"):
        grid.add_column(heading, justify="left" if heading == "loss" else "right", no_wrap=True)
    for result in results:
        grid.add_row(result.loss, *_cells(result))
    return grid


def _validate(
    zoo: Zoo, console: Console, *, seed: int, repeats: int, epochs: int
) -> tuple[Result, ...]:
    """The results, with a progress bar."""
    columns = TextColumn("{task.description}"), BarColumn(), TaskProgressColumn()
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as bar:
        task = bar.add_task("Training small networks")
        return cross_validate(
            zoo,
            repeats=repeats,
            epochs=epochs,
            seed=seed,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )


def _cells(result: Result) -> Iterator[str]:
    """A row of the table."""
    for name, factor, digits in (("auprc", 1, 3), ("violated", 100, 1), ("incoherent", 100, 1)):
        for measures in (result.before, result.after):
            middle, deviation = spread([factor * getattr(m, name) for m in measures])
            around = f"±{deviation:.{digits}f}" if middle else ""
            yield f"{middle:.{digits}f}{around}"
