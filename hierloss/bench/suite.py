"""All measurements, one after the other: stopped at any time, and gone on with later."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from torch import nn

from hierloss.bench import growth, machine, memory, startup
from hierloss.bench.cases import CASES, batch, has_file, load
from hierloss.bench.growth import Point
from hierloss.bench.results import Entry, Results
from hierloss.bench.rows import Compute, Row, forward, rows, step, using, wrong
from hierloss.bench.startup import Fact
from hierloss.bench.timing import QUICK, THOROUGH, Effort, Timing, paired
from hierloss.hierarchy import Hierarchy

PARTS = ("losses", "growth", "startup")
SAME = ("device", "processor", "cores", "threads", "torch", "hierloss")
LARGE_BATCH = 1024


@dataclass(frozen=True)
class Plan:
    """What to measure.

    Attributes:
        device: Where.
        data: The folder of the real hierarchies.
        peers: The folder that hmc-torch is installed in, if it is anywhere.
        quick: Small cases and few rounds, to see that all works.
        cases: The names of cases; by default all.
        parts: Of `PARTS`; by default all.
        rows: Beginnings of names of rows; by default all.
    """

    device: torch.device
    data: Path
    peers: Path | None = None
    quick: bool = False
    cases: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    rows: tuple[str, ...] = ()

    @property
    def effort(self) -> Effort:
        """How long to measure."""
        return QUICK if self.quick else THOROUGH

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the cases."""
        return self.cases or (("funcat",) if self.quick else tuple(CASES))


class Job(NamedTuple):
    """One measurement: what it is called, whether results have it, and how to make it."""

    label: str
    done: Callable[[Results], bool]
    run: Callable[[], Entry | Point | list[Fact]]


class Shelf:
    """The hierarchies of the cases, read once, and saved in a folder for fresh processes."""

    def __init__(self, data: Path, folder: Path) -> None:
        self.data = data
        self.folder = folder
        self.read: dict[str, Hierarchy] = {}

    def hierarchy(self, name: str) -> Hierarchy:
        """The hierarchy of a case."""
        if name not in self.read:
            self.read[name] = load(CASES[name], self.data)
            self.read[name].save(self.saved(name))
        return self.read[name]

    def saved(self, name: str) -> Path:
        """The file it is saved in."""
        return self.folder / f"{name}.npz"


def measure(
    plan: Plan, results: Results | None, console: Console, keep: Path | None
) -> tuple[Results, bool]:
    """Measure what is planned and not among the results; Ctrl-C ends it early.

    Args:
        plan: What to measure.
        results: What was measured before.
        console: Where to show progress.
        keep: The file to keep results in, after every measurement.

    Returns:
        All results, and whether all that is planned is among them.

    Raises:
        ValueError: The results before are of another machine, or of another effort.
    """
    with tempfile.TemporaryDirectory() as folder:
        shelf = Shelf(plan.data, Path(folder))
        todo = [job for job in jobs(plan, shelf) if results is None or not job.done(results)]
        if results is None:
            speed = machine.copy_speed(plan.device, 2**24 if plan.quick else machine.LARGE)
            results = Results(machine.describe(plan.device), speed, plan.quick)
        elif todo:
            _check_same(plan, results)
        try:
            _work(todo, results, console, keep)
        except KeyboardInterrupt:
            console.print("Stopped; with --json, --resume goes on from here.\n")
            return results, False
    return results, True


def jobs(plan: Plan, shelf: Shelf) -> Iterator[Job]:
    """All measurements of a plan."""
    parts = plan.parts or PARTS
    for name in plan.names if "losses" in parts else ():
        for samples in _batches(plan, name):
            for row in rows(plan.device, plan.peers):
                if not plan.rows or row.name.startswith(plan.rows):
                    yield _loss_job(plan, shelf, name, samples, row)
    for size in growth.sizes(plan.quick) if "growth" in parts else ():
        yield _growth_job(plan, *size)
    if "startup" in parts:
        yield _startup_job(plan, shelf, plan.names[-1])


def _batches(plan: Plan, name: str) -> tuple[int, ...]:
    batches = CASES[name].batches
    if plan.quick:
        return batches[:1]
    return (*batches, LARGE_BATCH) if plan.device.type == "cuda" and name == "go" else batches


def _loss_job(plan: Plan, shelf: Shelf, name: str, samples: int, row: Row) -> Job:
    def done(results: Results) -> bool:
        entry = results.entry(name, samples, row.name)
        return entry is not None and (entry.step is not None or bool(row.missing or entry.needs))

    return Job(
        f"{CASES[name].title}, batch {samples}: {row.name}",
        done,
        lambda: _entry(plan, shelf, name, samples, row),
    )


def _growth_job(plan: Plan, series: str, classes: int, per_class: int, samples: int) -> Job:
    key = (series, classes, per_class * classes, samples)
    return Job(
        f"Growth with {series}: {classes:,} classes, batch {samples}",
        lambda results: key in [(p.series, p.classes, p.edges, p.samples) for p in results.growth],
        lambda: growth.measure(series, classes, per_class, samples, plan.effort, plan.device),
    )


def _startup_job(plan: Plan, shelf: Shelf, name: str) -> Job:
    return Job(
        f"Start: {CASES[name].title}",
        lambda results: bool(results.startup),
        lambda: startup.measure(
            CASES[name],
            shelf.hierarchy(name),
            shelf.saved(name),
            plan.data,
            plan.device,
            plan.quick,
        ),
    )


def _entry(plan: Plan, shelf: Shelf, name: str, samples: int, row: Row) -> Entry:
    """One row of one table, or why it is not there."""
    h, real = shelf.hierarchy(name), has_file(CASES[name], plan.data)
    entry = Entry(name, len(h), h.edge_index.shape[1], real, samples, row.name)
    if row.missing:
        return replace(entry, missing=row.missing)
    needs = row.size(h, samples) if row.size else 0
    if needs > 0.9 * machine.free_memory(plan.device):
        return replace(entry, needs=needs, missing="does not fit")
    try:
        both = _times(plan, h, samples, row)
    except Exception as error:  # of others' code anything may come; the rest is to be measured
        return replace(entry, missing=f"fails: {type(error).__name__}: {error}".splitlines()[0])
    grown = memory.growth(row.name, shelf.saved(name), samples, plan.device, plan.peers)
    differing = wrong(row, h, *batch(h, samples, plan.device))
    return replace(entry, forward=both[0], step=both[1], memory=grown, wrong=differing)


def _times(plan: Plan, h: Hierarchy, samples: int, row: Row) -> list[Timing]:
    """Forward, and forward and backward, each in turn with plain BCE."""
    logits, target = batch(h, samples, plan.device)
    plain = nn.BCEWithLogitsLoss()

    def timed(way: Callable[..., object], compute: Compute) -> Timing:
        return paired(
            lambda: way(compute, logits, target),
            lambda: way(plain, logits, target),
            plan.effort,
            plan.device,
        )

    with using(row.backend):
        compute = row.make(h, plan.device)
        return [timed(way, compute) for way in (forward, step)]


def _work(todo: list[Job], results: Results, console: Console, keep: Path | None) -> None:
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    with Progress(*columns, TimeElapsedColumn(), console=console, transient=True) as bar:
        task = bar.add_task("", total=len(todo))
        for job in todo:
            bar.update(task, description=job.label)
            results.add(job.run())
            bar.advance(task)
            if keep is not None:
                results.save(keep)


def _check_same(plan: Plan, results: Results) -> None:
    now = machine.describe(plan.device)
    for key in SAME:
        if results.machine[key] != now[key]:
            raise ValueError(
                f"expected results to go on with that are of this machine, got those of {key} "
                f"{results.machine[key]!r}, not {now[key]!r}; leave out --resume to start anew"
            )
    if results.quick != plan.quick:
        raise ValueError("expected --quick with quick results, and only with them")
