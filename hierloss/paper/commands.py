"""The commands `hierloss paper ...`."""

from __future__ import annotations

from pathlib import Path

import click

from hierloss.cli import DEVICE, _console, _explained

FOLDER = click.Path(file_okay=False, path_type=Path)


@click.group()
def paper() -> None:
    """Carry out the experiments of the paper."""


@paper.command()
@click.option("-s", "--system", "systems", multiple=True, help="Only this system; may be repeated.")
@click.option("-d", "--dataset", "datasets", multiple=True, help="Only this data set; likewise.")
@click.option("--seed", "seeds", type=int, multiple=True, help="A seed.  [default: 0, 1 and 2]")
@click.option("--jobs", default=1, show_default=True, help="How many runs at a time.")
@click.option("--until", type=float, metavar="HOURS", help="Stop after so many hours.")
@click.option(
    "--results",
    type=FOLDER,
    default="docs/results",
    show_default=True,
    help="Folder of the results.",
)
@click.option(
    "--states", type=FOLDER, help="Folder to go on from.  [default: runs in the cache folder]"
)
@DEVICE
@click.option("--list", "only_list", is_flag=True, help="Say what is left to run, and run nothing.")
@_explained
def run(
    systems: tuple[str, ...],
    datasets: tuple[str, ...],
    seeds: tuple[int, ...],
    jobs: int,
    until: float | None,
    results: Path,
    states: Path | None,
    device: str,
    only_list: bool,
) -> None:
    """Train systems of the paper on its data sets, the runs that matter most first.

    Stop it at will: the same command goes on, and finished runs are not repeated.
    """
    from hierloss.paper.files import cache_folder
    from hierloss.paper.queue import in_order, work
    from hierloss.paper.systems import NAMES, STUDIES
    from hierloss.paper.training import Plan

    tasks = in_order(systems or (*NAMES, *STUDIES), datasets or None, seeds or (0, 1, 2))
    if only_list:
        for task in tasks:
            if not task.result(results).exists():
                click.echo(task)
        return
    plan = Plan(results, cache_folder() / "runs" if states is None else states, device=device)
    outcome = work(tasks, plan, jobs=jobs, until=until, console=_console())
    done, failed, left = (len(x) for x in outcome)
    _console().print(f"{done} runs have a result, {failed} failed, {left} are left")
    raise SystemExit(failed > 0)
