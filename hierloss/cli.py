"""The command line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Literal, ParamSpec, TypeVar

import click
from rich.console import Console
from rich.table import Table

from hierloss import __version__
from hierloss.errors import HierarchyError

P = ParamSpec("P")
R = TypeVar("R")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def main() -> None:
    """Losses and constraint layers for hierarchical multi-label classification."""


def _explained(command: Callable[P, R]) -> Callable[P, R]:
    """Errors of the user's making as one line, without a traceback."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except (HierarchyError, ImportError, OSError) as error:
            raise click.ClickException(str(error)) from error

    return run


@main.command()
def verify() -> None:
    """Compare the paper's worked gradients with autograd's.

    Exits with 1 if one of them disagrees.
    """
    from hierloss.verify import checks

    rows = list(checks())
    table = Table(box=None, padding=(0, 1, 0, 0))
    for heading in ("example", "y", "loss", "by"):
        table.add_column(heading, no_wrap=True)
    for heading in ("paper", "formula", "from l", "from logits", "agrees"):
        table.add_column(heading, justify="right", no_wrap=True)
    for c in rows:
        numbers = [f"{x:.5f}" for x in (c.formula, c.probabilities, c.logits)]
        agrees = "yes" if c.agrees else "NO"
        target = "{}, {}".format(*c.target)
        cells = (c.example, target, c.loss, f"l({c.by})", c.printed or "-", *numbers, agrees)
        table.add_row(*cells)
    console = Console()
    console.print(
        "Two classes, A a child of B, l(A) = 0.3, l(B) = 0.1: derivatives of the losses.\n"
    )
    console.print(table)
    wrong = sum(not c.agrees for c in rows)
    console.print(f"\n{len(rows) - wrong} of {len(rows)} agree to six places")
    raise SystemExit(wrong > 0)


@main.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--format",
    "kind",
    type=click.Choice(["obo", "edges", "paths", "npz"]),
    help="What the file is, where its name does not say so.",
)
@click.option(
    "-r",
    "--relation",
    "relations",
    multiple=True,
    help="Relation of an OBO file to follow; may be repeated. Default: is_a and part_of.",
)
@click.option("--namespace", help="Namespace of an OBO file to keep to.")
@click.option("--columns", help="Columns of an edge list without a header, as child,parent.")
@click.option("--sep", default="/", show_default=True, help="Separator of path strings.")
@click.option(
    "--on-cycle", type=click.Choice(["raise", "drop"]), default="raise", show_default=True
)
@click.option(
    "--on-dangling",
    type=click.Choice(["raise", "drop"]),
    default="raise",
    show_default=True,
    help="Edges of an OBO file to terms it does not define.",
)
@click.option(
    "--save",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Save the hierarchy for Hierarchy.load.",
)
@click.option("--plot", metavar="CLASS", help="Draw the neighbourhood of a class.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where to draw it, a .png or .svg.",
)
@_explained
def inspect(
    file: Path,
    kind: str | None,
    relations: Sequence[str],
    namespace: str | None,
    columns: str | None,
    sep: str,
    on_cycle: Literal["raise", "drop"],
    on_dangling: Literal["raise", "drop"],
    save: Path | None,
    plot: str | None,
    out: Path | None,
) -> None:
    """Say what a hierarchy is: an OBO file, an edge list, path strings or a saved hierarchy."""
    from hierloss.inspection import read, report

    source = read(
        file,
        kind=kind,
        relations=tuple(relations) or ("is_a", "part_of"),
        namespace=namespace,
        columns=tuple(columns.split(",")) if columns else None,
        sep=sep,
        on_cycle=on_cycle,
        on_dangling=on_dangling,
    )
    console = Console(soft_wrap=True)
    console.print(report(source))
    if save is not None:
        source.hierarchy.save(save)
        console.print(f"saved {save}")
    if plot is not None:
        from hierloss_adapters.plot import draw_neighbourhood

        out = out or Path(f"{plot.replace(':', '_').replace('/', '_')}.png")
        draw_neighbourhood(source.hierarchy, plot, out, labels=source.labels)
        console.print(f"drew {out}")


@main.command()
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default="hierloss-demo",
    show_default=True,
    help="Folder for the picture.",
)
@click.option("--seed", default=0, show_default=True, help="Where randomness starts.")
@_explained
def demo(out: Path, seed: int) -> None:
    """Train one small model with four losses on the animals of a zoo, and compare."""
    from hierloss.demo import run

    run(out, seed=seed, console=Console(soft_wrap=True))
