"""The command line."""

from __future__ import annotations

import ast
import io
import re
import shlex
import sys
import warnings
from collections.abc import Callable
from functools import wraps
from importlib import import_module
from pathlib import Path
from typing import Literal, ParamSpec, TypeVar

import click
from rich.console import Console
from rich.table import Table

from hierloss import __version__

P = ParamSpec("P")
R = TypeVar("R")

OUT_FILE = click.Path(dir_okay=False, path_type=Path)
KEEP = click.Choice(["raise", "drop"])
KIND = click.Choice(["obo", "edges", "paths", "npz"])
_STRING = r"""(?:'[^'\n]*'|"[^"\n]*")"""
_STRINGS = rf"\((?:{_STRING}(?:, ?)?)+\)"

#: Commands that are imported when they are called for, or listed.
ELSEWHERE = {
    "evaluate": "hierloss.commands",
    "paper": "hierloss.paper.commands",
    "predict": "hierloss.commands",
    "reproduce": "hierloss.paper.reproduce_command",
    "train": "hierloss.commands",
}
ORDER = (
    "verify",
    "inspect",
    "demo",
    "train",
    "predict",
    "evaluate",
    "reproduce",
    "paper",
    "bench",
)


class _Commands(click.Group):
    """The commands of this module, and those elsewhere."""

    def list_commands(self, context: click.Context) -> list[str]:
        return sorted([*super().list_commands(context), *ELSEWHERE], key=ORDER.index)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in ELSEWHERE:
            return super().get_command(context, name)
        command: click.Command = getattr(import_module(ELSEWHERE[name]), name)
        return command


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def main() -> None:
    """Losses and constraint layers for hierarchical multi-label classification."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A file on Windows may not know all letters of a name: rather a mark than no report.
            stream.reconfigure(errors="replace")


def _device(context: click.Context, option: click.Parameter, name: str) -> str:
    """A device that a tensor can be on."""
    import torch

    try:
        torch.zeros(1, device=name).cpu()
    except (RuntimeError, AssertionError) as error:
        raise click.BadParameter(
            f"expected a device that is there, such as cpu, got {name!r}, and PyTorch finds none"
        ) from error
    return name


DEVICE = click.option(
    "--device",
    default="cpu",
    show_default=True,
    callback=_device,
    help="Where to train, such as cuda.",
)


def _console() -> Console:
    """A console that takes names as they are, and cuts no numbers in a narrow terminal."""
    console = Console(markup=False, highlight=False, soft_wrap=True)
    console.width = max(console.width, 80)
    return console


def _explained(command: Callable[P, R]) -> Callable[P, R]:
    """Errors of the user's making as one line, without a traceback."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except (ValueError, ImportError, OSError) as error:
            context = click.get_current_context()
            raise click.ClickException(in_options(str(error), context.command)) from error

    return run


def in_options(text: str, command: click.Command) -> str:
    """A message with ``name=value`` as the option of a command: ``--name value``.

    Example:
        >>> in_options("a cycle; pass on_cycle='drop'", inspect)
        'a cycle; pass --on-cycle drop'
    """
    written = {str(x.name): f"{x.opts[-1]} " for x in command.params}
    if "reading" in written:
        from hierloss.samples import WAYS

        written |= {name: f"{written['reading']}{name}=" for name in WAYS}

    def option(found: re.Match[str]) -> str:
        if found[1] not in written:
            return found[0]
        if not found[2]:
            return written[found[1]].strip()
        value = ast.literal_eval(found[2])
        value = value if isinstance(value, str) else ",".join(value)
        return written[found[1]] + shlex.quote(value).replace("\t", r"\t")

    return re.sub(rf"\b([a-z_]+)=({_STRINGS}|{_STRING}|(?=[\s,;]|$))", option, text)


def one_character(
    context: click.Context, option: click.Parameter, delimiter: str | None
) -> str | None:
    r"""What separates cells, of which a shell writes a tab as ``'\t'``."""
    return "\t" if delimiter == r"\t" else delimiter


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
        table.add_row(c.example, target, c.loss, f"l({c.by})", c.printed or "-", *numbers, agrees)
    console = _console()
    console.print(
        "Two classes, A a child of B, l(A) = 0.3, l(B) = 0.1: derivatives of the losses.\n"
    )
    console.print(table)
    wrong = sum(not c.agrees for c in rows)
    console.print(f"\n{len(rows) - wrong} of {len(rows)} agree to six places")
    raise SystemExit(wrong > 0)


def apart(out: Path | None, *sources: Path | None) -> None:
    """Raise if a file to write is one of those that are read."""
    for source in sources:
        if out is not None and source is not None and out.resolve() == source.resolve():
            raise ValueError(f"expected another file to write than is read, got {str(out)!r}")


def _saving(context: click.Context, option: click.Parameter, path: Path | None) -> Path | None:
    if path is not None and path.suffix.lower() != ".npz":
        raise click.BadParameter(f"expected a file called .npz, got {path.name!r}")
    return path


def _drawing(context: click.Context, option: click.Parameter, path: Path | None) -> Path | None:
    if path is not None and path.suffix.lower() not in (".png", ".svg"):
        raise click.BadParameter(f"expected a file called .png or .svg, got {path.name!r}")
    return path


@main.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--format",
    "kind",
    type=KIND,
    help="What the file is, where its name does not say so.",
)
@click.option(
    "-r",
    "--relation",
    "relations",
    multiple=True,
    help="OBO: a relation to follow; may be repeated.  [default: is_a, part_of]",
)
@click.option("--namespace", help="OBO: the namespace to keep to.")
@click.option("--on-dangling", type=KEEP, help="OBO: edges to undefined terms.  [default: raise]")
@click.option("--columns", help="Edge list without a header: its columns, as child,parent.")
@click.option("--child", help="Edge list: the column of children.  [default: child]")
@click.option("--parent", help="Edge list: the column of parents.  [default: parent]")
@click.option(
    "--delimiter",
    callback=one_character,
    help="Edge list: what separates its cells.  [default: a comma in .csv, or a tab]",
)
@click.option("--sep", help="Path strings: what separates their components.  [default: /]")
@click.option("--on-cycle", type=KEEP, help="Edges that close a cycle.  [default: raise]")
@click.option("--encoding", help="Of a text file.  [default: utf-8]")
@click.option(
    "--save",
    type=OUT_FILE,
    callback=_saving,
    help="Save the hierarchy for Hierarchy.load, as an .npz.",
)
@click.option("--plot", metavar="CLASS", help="Draw a class with its ancestors and children.")
@click.option(
    "--out",
    type=OUT_FILE,
    callback=_drawing,
    help="Where to: a .png or .svg.  [default: CLASS.png]",
)
@_explained
def inspect(
    file: Path,
    kind: str | None,
    relations: tuple[str, ...],
    namespace: str | None,
    on_dangling: Literal["raise", "drop"] | None,
    columns: str | None,
    child: str | None,
    parent: str | None,
    delimiter: str | None,
    sep: str | None,
    on_cycle: Literal["raise", "drop"] | None,
    encoding: str | None,
    save: Path | None,
    plot: str | None,
    out: Path | None,
) -> None:
    """Say what a hierarchy is: an OBO file, an edge list, path strings or a saved hierarchy."""
    from hierloss.inspection import read, report

    if out is not None and plot is None:
        raise click.UsageError("expected --plot CLASS beside --out, got none")
    apart(save, file)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # the report has what was dropped
        source = read(
            file,
            kind=kind,
            relations=relations or None,
            namespace=namespace,
            on_dangling=on_dangling,
            columns=columns.split(",") if columns else None,
            child=child,
            parent=parent,
            delimiter=delimiter,
            sep=sep,
            on_cycle=on_cycle,
            encoding=encoding,
        )
    console = _console()
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

    run(out, seed=seed, console=_console())


@main.command()
@click.option("--quick", is_flag=True, help="One small case and few rounds, to see that it works.")
@click.option(
    "--case",
    "cases",
    multiple=True,
    type=click.Choice(["funcat", "yeast", "go"]),
    help="A hierarchy; may be repeated.  [default: all]",
)
@click.option(
    "--only",
    "parts",
    multiple=True,
    type=click.Choice(["losses", "growth", "startup"]),
    help="A part; may be repeated.  [default: all]",
)
@click.option(
    "--row", "rows", multiple=True, help="How a row starts; may be repeated.  [default: all]"
)
@click.option(
    "--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True, help="Where."
)
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="HIERLOSS_DATA",
    default="../shared/data",
    show_default=True,
    show_envvar=True,
    help="Folder of the real hierarchies.",
)
@click.option(
    "--peers",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    envvar="HIERLOSS_PEERS",
    show_envvar=True,
    help="Folder that hmc-torch is in.",
)
@click.option("--json", type=OUT_FILE, help="Keep all numbers there.")
@click.option("--resume", is_flag=True, help="Go on with the numbers there.")
@click.option("--markdown", type=OUT_FILE, help="Write the tables there, or into a page.")
@click.option("--picture", type=OUT_FILE, callback=_drawing, help="Draw: a .png or .svg.")
@_explained
def bench(
    quick: bool,
    cases: tuple[str, ...],
    parts: tuple[str, ...],
    rows: tuple[str, ...],
    device: str,
    data: Path,
    peers: Path | None,
    json: Path | None,
    resume: bool,
    markdown: Path | None,
    picture: Path | None,
) -> None:
    """Measure time and memory beside plain BCE and what others compute.

    Ctrl-C stops it, and prints what there is.
    """
    import torch

    from hierloss.bench import run
    from hierloss.bench.suite import Plan

    complete = run(
        Plan(torch.device(device), data, peers, quick, cases, parts, rows),
        console=_console(),
        json=json,
        markdown=markdown,
        drawing=picture,
        resume=resume,
    )
    raise SystemExit(0 if complete else 130)
