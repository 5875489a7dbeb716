"""The benchmark suite of `hierloss bench`."""

from __future__ import annotations

from pathlib import Path

import torch
from rich.console import Console

from hierloss.bench import picture, report, results, suite
from hierloss.bench.suite import Plan


def run(
    plan: Plan,
    *,
    console: Console,
    json: Path | None = None,
    markdown: Path | None = None,
    drawing: Path | None = None,
    resume: bool = False,
) -> bool:
    """Measure, print the tables, and write what is asked for.

    Args:
        plan: What to measure.
        console: Where to print.
        json: The file for all numbers, written after every measurement.
        markdown: The file for the tables, or the page to put them into.
        drawing: The file for the picture.
        resume: Go on with what is in the file for the numbers.

    Returns:
        Whether all was measured; it is not after Ctrl-C.

    Raises:
        ImportError: matplotlib is missing, and there is to be a picture.
        ValueError: There is no such device, nothing to go on with, or that of another machine.
    """
    if plan.device.type == "cuda" and not torch.cuda.is_available():
        raise ValueError("expected a device that is there, got cuda, and PyTorch finds none")
    if drawing is not None:
        picture.require_matplotlib()
    if resume and json is None:
        raise ValueError("expected the file to go on with, got --resume without --json")
    before = results.load(json) if resume and json is not None and json.exists() else None
    found, complete = suite.measure(plan, before, console, json)
    console.print(report.terminal(found))
    if markdown is not None:
        report.write_markdown(found, markdown)
    if drawing is not None:
        picture.draw(found, drawing)
    return complete
