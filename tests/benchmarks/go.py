"""What the full Gene Ontology costs: loading it, and each loss beside a plain BCE.

Times: a loss and BCE in turn, in one process and on the same tensors; medians, and the median of
the ratios. Memory: what the peak of a fresh process grows by in a few steps of one loss.
It reads /proc, so it needs Linux. Give an OBO file as argument, or have the one of the data folder
(HIERLOSS_DATA) used.
"""

from __future__ import annotations

import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import obonet
import torch
from torch import Tensor, nn

from hierloss import Hierarchy, HybridLoss, LHLoss, MCLoss

BATCH, WARM_UP, ROUNDS = 64, 3, 15
DATA = Path(os.environ.get("HIERLOSS_DATA") or Path(__file__).parents[3] / "shared" / "data")
LOSSES: dict[str, Callable[[Hierarchy], nn.Module]] = {
    "BCE": lambda h: nn.BCEWithLogitsLoss(),
    "LHLoss": LHLoss,
    "MCLoss": MCLoss,
    "HybridLoss": HybridLoss,
}


def say(what: str, text: str) -> None:
    """One line of the report."""
    sys.stdout.write(f"{what:12} {text}\n")


def milliseconds(run: Callable[[], object]) -> float:
    """How long one run takes."""
    start = time.perf_counter()
    run()
    return 1000 * (time.perf_counter() - start)


def peak() -> float:
    """Peak memory of this process so far, in MB."""
    # getrusage would not do: on Linux a fresh process starts with the peak of its parent.
    status = Path("/proc/self/status").read_text()
    return float(status.partition("VmHWM:")[2].split()[0]) / 1024


def apart(measure: Callable[..., float], *arguments: object) -> float:
    """The result of a measurement in a fresh process."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(measure, arguments)


def loading_memory(path: Path) -> float:
    """MB that reading the ontology adds to the peak."""
    before = peak()
    Hierarchy.from_obo(path)
    return peak() - before


def batch(h: Hierarchy) -> tuple[Tensor, Tensor]:
    """Random logits, and targets of six terms a sample with their ancestors."""
    generator = torch.Generator().manual_seed(0)
    picked = torch.randint(len(h), (BATCH, 6), generator=generator).tolist()
    target = h.encode([[h.names[i] for i in row] for row in picked]).float()
    return torch.randn(BATCH, len(h), generator=generator).requires_grad_(), target


def step(criterion: nn.Module, logits: Tensor, target: Tensor) -> None:
    """Forward and backward."""
    logits.grad = None
    criterion(logits, target).backward()


def step_memory(saved: Path, name: str) -> float:
    """MB that steps of a loss add to the peak."""
    h = Hierarchy.load(saved)
    criterion, (logits, target) = LOSSES[name](h), batch(h)
    before = peak()
    for _ in range(WARM_UP):
        step(criterion, logits, target)
    return peak() - before


def load(path: Path, saved: Path) -> Hierarchy:
    """Load the ontology in every way, and say what each takes."""
    alone = milliseconds(lambda: obonet.read_obo(path)) / 1000
    say("obonet", f"{alone:.2f} s for its own read")
    seconds = milliseconds(lambda: Hierarchy.from_obo(path)) / 1000
    say("from_obo", f"{seconds:.2f} s, peak memory +{apart(loading_memory, path):.0f} MB")
    h = Hierarchy.from_obo(path)
    edges = h.edges
    say("from_edges", f"{milliseconds(lambda: Hierarchy.from_edges(edges)):.0f} ms")
    h.save(saved)
    say("load", f"{milliseconds(lambda: Hierarchy.load(saved)):.0f} ms")
    return h


def compare(h: Hierarchy, saved: Path) -> None:
    """Time each loss in turn with BCE, forward and backward."""
    logits, target = batch(h)
    say("logits", f"{BATCH} x {len(h):,} of float32, {logits.numel() * 4 / 2**20:.0f} MB")
    criteria = {name: make(h) for name, make in LOSSES.items()}
    bce = criteria.pop("BCE")
    say("BCE", f"peak memory +{apart(step_memory, saved, 'BCE'):.0f} MB")
    for name, criterion in criteria.items():
        pairs = [
            (
                milliseconds(lambda c=criterion: step(c, logits, target)),
                milliseconds(lambda: step(bce, logits, target)),
            )
            for _ in range(WARM_UP + ROUNDS)
        ][WARM_UP:]
        ours, plain = (statistics.median(side) for side in zip(*pairs, strict=True))
        ratio = statistics.median(a / b for a, b in pairs)
        memory = f"peak memory +{apart(step_memory, saved, name):.0f} MB"
        say(name, f"{ours:.0f} ms beside {plain:.1f} ms of BCE, ratio {ratio:.1f}, {memory}")


def main() -> None:
    """Run all of it."""
    default = DATA / "ontologies" / "go-basic-2021-12-15.obo.xz"
    path = Path(sys.argv[1]) if sys.argv[1:] else default
    if not path.exists():
        sys.exit(f"no ontology at {path}: give an OBO file, or set HIERLOSS_DATA")
    say("machine", f"torch {torch.__version__}, {torch.get_num_threads()} threads")
    with tempfile.TemporaryDirectory() as folder:
        saved = Path(folder) / "ontology.npz"
        h = load(path, saved)
        say("ontology", repr(h))
        compare(h, saved)


if __name__ == "__main__":
    main()
