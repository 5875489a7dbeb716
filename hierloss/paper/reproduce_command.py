"""The command `hierloss reproduce`."""

from __future__ import annotations

from pathlib import Path

import click

from hierloss.cli import _console, _explained
from hierloss.paper.commands import FOLDER
from hierloss.paper.reproduce import FIGURES, FORMATS, TABLES
from hierloss.paper.reproduce import reproduce as write

WITHOUT_RUNS = ("table1", "fig1", "fig2", "fig3")


@click.command()
@click.argument("target", type=click.Choice([*TABLES, *FIGURES, "all"]))
@click.option(
    "--results",
    type=FOLDER,
    default="docs/results",
    show_default=True,
    help="Folder of the results of `hierloss paper run`.",
)
@click.option(
    "--out",
    type=FOLDER,
    default="hierloss-reproduction",
    show_default=True,
    help="Folder for the files.",
)
@click.option(
    "--format",
    "formats",
    multiple=True,
    type=click.Choice([end for ends in FORMATS.values() for end in ends]),
    help="Only this format; may be repeated.  [default: all]",
)
@_explained
def reproduce(target: str, results: Path, out: Path, formats: tuple[str, ...]) -> None:
    """Make a table or figure of the paper, or all of them.

    Our numbers stand beside the printed ones, as far as there are results.
    """
    console = _console()
    if target not in WITHOUT_RUNS and not results.exists():
        console.print(f"no results at {results}: all of ours is shown as not run\n")
    for path in write(target, results, out, formats=formats, show=console.print):
        console.print(f"Wrote {path}")
