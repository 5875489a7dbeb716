"""The results as tables, on the terminal and in Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from hierloss.bench.cases import CASES
from hierloss.bench.goals import goals
from hierloss.bench.growth import exponents
from hierloss.bench.results import Entry, Results
from hierloss.bench.timing import Timing

START, END = "<!-- results: hierloss bench --markdown -->", "<!-- end of results -->"
LARGE = 10**6
HOW_TO_READ = """\
Forward is without a gradient, a step is forward and backward; times are medians.
× BCE: the median ratio to plain BCE, in turn with it on the same tensors.
Memory: what steps add to the peak of a fresh process."""


@dataclass
class Grid:
    """A table of texts, with sentences below."""

    title: str
    headings: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    notes: list[str] = field(default_factory=list)


def grids(results: Results) -> Iterator[Grid]:
    """All tables that there are results for."""
    for group in results.groups():
        yield _losses(group, results.copy_speed)
    if results.growth:
        yield _growth(results)
    if results.startup:
        rows = [(fact.what, time(fact.seconds)) for fact in results.startup]
        yield Grid("Start", ("", "time"), rows)
    aims = [] if results.quick else list(_goals(results))
    if aims:
        yield Grid("Aims", ("", "measured", "bar", "aim", "holds"), aims)


def preamble(results: Results) -> str:
    """The machine in one sentence."""
    m = results.machine
    doubts = " A quick trial: its numbers mean little." if results.quick else ""
    if float(m["load"]) > 0.4 * float(m["cores"]):
        doubts += " The machine was busy with other work: measure again."
    return (
        f"{m['processor']}, {m['cores']} cores, {m['threads']} threads, torch {m['torch']}, "
        f"Python {m['python']}, hierloss {m['hierloss']}, {m['date']}, load "
        f"{m['load']} at the start; it copies {results.copy_speed / 1e9:.1f} GB/s, read and "
        f"written.{doubts}"
    )


def missing(results: Results) -> list[str]:
    """What could not be measured at all, and why."""
    found = {f"{e.row}: {e.missing}": None for e in results.losses if e.missing and not e.needs}
    return [f"Not measured: {'; '.join(found)}."] if found else []


def terminal(results: Results) -> RenderableType:
    """All of it for a console."""
    parts: list[RenderableType] = [Text(preamble(results))]
    for grid in grids(results):
        table = Table(box=None, padding=(0, 1, 0, 0), title=grid.title, title_justify="left")
        for i, heading in enumerate(grid.headings):
            table.add_column(heading, justify="right" if i else "left", no_wrap=True)
        for row in grid.rows:
            table.add_row(*row)
        parts += [Text(), table, *map(Text, grid.notes)]
    return Group(*parts, Text(), Text(HOW_TO_READ), *map(Text, missing(results)))


def markdown(results: Results) -> str:
    """All of it as Markdown."""
    parts = [preamble(results)]
    for grid in grids(results):
        lines = [grid.headings, ("---", *("---:" for _ in grid.headings[1:])), *grid.rows]
        table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        parts += [f"### {grid.title}", table, *grid.notes]
    return "\n\n".join([*parts, *missing(results)]) + "\n"


def write_markdown(results: Results, path: Path) -> None:
    """Write the tables: between the marks of a page that has them, else as the whole page."""
    page = path.read_text(encoding="utf-8") if path.exists() else f"{START}\n{END}\n"
    before, start, rest = page.partition(START)
    _, end, after = rest.partition(END)
    if not (start and end):
        raise ValueError(f"expected {START!r} and {END!r} in {path.name}, got none")
    path.write_text(f"{before}{START}\n\n{markdown(results)}\n{END}{after}", encoding="utf-8")


def time(seconds: float) -> str:
    """A time in three digits, with its unit."""
    for unit, factor in (("µs", 1e6), ("ms", 1e3)):
        if seconds * factor < 999.5:
            return f"{_digits(seconds * factor)} {unit}"
    return f"{_digits(seconds)} s"


def size(count: float) -> str:
    """Bytes in three digits, with their unit."""
    for unit, factor in (("kB", 1e-3), ("MB", 1e-6), ("GB", 1e-9)):
        if abs(count) * factor < 999.5:
            return f"{_digits(count * factor)} {unit}"
    return f"{_digits(count * 1e-12)} TB"


def _digits(x: float) -> str:
    return f"{x:.2f}" if abs(x) < 9.995 else f"{x:.1f}" if abs(x) < 99.95 else f"{x:,.0f}"


def _losses(entries: list[Entry], speed: float) -> Grid:
    e = entries[0]
    large = e.logits >= LARGE
    headings = ("", "forward", "× BCE", "step", "× BCE", "memory")
    grid = Grid(
        f"{CASES[e.case].title}{'' if e.real else ' (synthetic)'}: "
        f"{e.classes:,} classes, {e.edges:,} edges, batch {e.samples}",
        (*headings, "× logits", "× limit") if large else headings,
        [tuple(_cells(entry, speed, large)) for entry in entries if entry.step or entry.needs],
    )
    if large:
        least = 3 * e.logits
        grid.notes.append(
            f"Logits {size(e.logits)}; limit {time(least / speed)}, to move {size(least)}."
        )
    grid.notes += [
        f"{entry.row}: {100 * entry.wrong:.2g} % of its numbers are wrong."
        for entry in entries
        if entry.wrong
    ]
    return grid


def _cells(e: Entry, speed: float, large: bool) -> Iterator[str]:
    yield e.row
    if e.step is None or e.forward is None:
        yield from ("does not fit", "", "", "", size(e.needs or 0), *(("", "") if large else ()))
        return
    yield from (*_both(e.forward), *_both(e.step), "-" if e.memory is None else size(e.memory))
    if large:
        yield "-" if e.memory is None else _digits(e.memory / e.logits)
        yield _digits(e.step.seconds / (3 * e.logits / speed))


def _both(timing: Timing) -> tuple[str, str]:
    return time(timing.seconds), _digits(timing.ratio)


def _growth(results: Results) -> Grid:
    rows = [
        (
            p.series,
            f"{p.classes:,}",
            f"{p.edges:,}",
            str(p.samples),
            time(p.seconds),
            _digits(p.seconds / p.bce),
            _digits(1e9 * p.seconds / p.work),
        )
        for p in results.growth
    ]
    headings = ("growing", "classes", "edges", "batch", "step", "× BCE", "ns / work")
    title = "Growth of a step of HybridLoss on synthetic hierarchies"
    return Grid(title, headings, rows, list(_powers(exponents(results.growth))))


def _powers(found: dict[str, float]) -> Iterator[str]:
    if found:
        shown = ", ".join(f"{name} {power:.2f}" for name, power in found.items())
        yield f"Work is edges × batch; the time follows this power of it: {shown}."


def _goals(results: Results) -> Iterator[tuple[str, ...]]:
    for goal in goals(results):
        value = goal.value(results)
        if value is not None:
            bar = f"{'≥' if goal.at_least else '≤'} {goal.bar:g}{goal.unit}"
            aim = "" if goal.aim is None else f"{goal.aim:g}"
            holds = "yes" if goal.holds(value) else "NO"
            yield goal.what, f"{_digits(value)}{goal.unit}", bar, aim, holds
