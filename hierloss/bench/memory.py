"""What a few steps add to the peak memory of a fresh process."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

from hierloss.bench import machine
from hierloss.bench.cases import batch
from hierloss.bench.rows import rows, step, using
from hierloss.hierarchy import Hierarchy

STEPS = 3
# Has the GNU C library hand back large blocks at once, so that the peak is of what is in use.
AT_ONCE = {"MALLOC_MMAP_THRESHOLD_": "65536"}


def fresh(code: str, *arguments: str, **environment: str) -> Any:
    """What a program prints as JSON in a fresh interpreter, None if it fails."""
    command = [sys.executable, "-W", "ignore", "-c", code, *arguments]
    variables = {**os.environ, **environment}
    run = subprocess.run(command, capture_output=True, text=True, check=False, env=variables)
    return None if run.returncode else json.loads(run.stdout.splitlines()[-1])


def growth(
    row: str, saved: Path, samples: int, device: torch.device, peers: Path | None
) -> int | None:
    """Bytes that steps of a row add to the peak, gradient and all; None where that is not known.

    A first step with one sample, which loads what is loaded once, does not count.
    """
    code = "from hierloss.bench.memory import main; main()"
    arguments = row, str(saved), str(samples), str(device), str(peers) if peers else ""
    found: int | None = fresh(code, *arguments, **AT_ONCE)
    return found


def main() -> None:
    """The program of the fresh process."""
    name, saved, samples, device, peers = sys.argv[1:]
    place = torch.device(device)
    h = Hierarchy.load(saved)
    row = next(r for r in rows(place, Path(peers) if peers else None) if r.name == name)
    compute = row.make(h, place)
    with using(row.backend):
        step(compute, *batch(h, 1, place))
        logits, target = batch(h, int(samples), place)
        before = _peak(place, anew=True)
        for _ in range(STEPS):
            step(compute, logits, target)
        after = _peak(place)
    grown = None if before is None or after is None else after - before
    sys.stdout.write(f"{json.dumps(grown)}\n")


def _peak(device: torch.device, anew: bool = False) -> int | None:
    """The peak, or with `anew` what is in use, from where it starts again."""
    if device.type == "cuda":
        if anew:
            torch.cuda.reset_peak_memory_stats(device)
        return torch.cuda.max_memory_allocated(device)
    if anew:
        _give_back()
        machine.forget_peak()
    return machine.resident_peak()


def _give_back() -> None:
    """Have the C library hand back what it keeps, which would hide what comes after."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
