"""What the full Gene Ontology costs: loading it, and HybridLoss beside a plain BCE.

Both losses run in turn in one process on the same tensors; medians and their ratio are printed.
Give an OBO file as argument, or have the file of the data folder (HIERLOSS_DATA) used.
"""

from __future__ import annotations

import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from hierloss import Hierarchy, HybridLoss, LHLoss, MCLoss

BATCH, ROUNDS = 64, 15
DATA = Path(os.environ.get("HIERLOSS_DATA") or Path(__file__).parents[3] / "shared" / "data")


def megabytes() -> float:
    """Peak memory of the process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def timed(run: Callable[[], object]) -> float:
    """Milliseconds of one run."""
    start = time.perf_counter()
    run()
    return 1000 * (time.perf_counter() - start)


def load(path: Path) -> Hierarchy:
    """Load the ontology in every way, and say what each takes."""
    before = megabytes()
    seconds = timed(lambda: Hierarchy.from_obo(path)) / 1000
    h = Hierarchy.from_obo(path)
    say("from_obo", f"{seconds:.2f} s, peak memory +{megabytes() - before:.0f} MB")
    edges = h.edges
    say("from_edges", f"{timed(lambda: Hierarchy.from_edges(edges)):.0f} ms")
    with tempfile.TemporaryDirectory() as folder:
        h.save(Path(folder) / "go.npz")
        say("load", f"{timed(lambda: Hierarchy.load(Path(folder) / 'go.npz')):.0f} ms")
    return h


def step(criterion: nn.Module, logits: Tensor, target: Tensor) -> None:
    """Forward and backward."""
    logits.grad = None
    criterion(logits, target).backward()


def compare(h: Hierarchy) -> None:
    """Time each loss in turn with BCE, and the memory each adds to the process."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(BATCH, len(h), generator=generator).requires_grad_()
    picked = torch.randint(len(h), (BATCH, 6), generator=generator).tolist()
    target = h.encode([[h.names[i] for i in row] for row in picked]).float()
    bce = nn.BCEWithLogitsLoss()
    step(bce, logits, target)
    start = megabytes()
    for criterion in (LHLoss(h), MCLoss(h), HybridLoss(h)):
        name = type(criterion).__name__
        pairs = []
        for _ in range(ROUNDS + 3):
            plain = timed(lambda: step(bce, logits, target))
            pairs.append((timed(lambda c=criterion: step(c, logits, target)), plain))
        ours, plain = zip(*pairs[3:], strict=True)
        ratio = statistics.median(a / b for a, b in pairs[3:])
        text = f"{statistics.median(ours):.1f} ms, BCE {statistics.median(plain):.1f} ms"
        say(name, f"{text}, ratio {ratio:.1f}, peak memory +{megabytes() - start:.0f} MB")
    say("logits", f"{logits.numel() * 4 / 2**20:.0f} MB, batch {BATCH}, float32")


def say(what: str, text: str) -> None:
    """One line of the report."""
    sys.stdout.write(f"{what:12} {text}\n")


def main() -> None:
    """Run all of it."""
    default = DATA / "ontologies" / "go-basic-2021-12-15.obo.xz"
    path = Path(sys.argv[1]) if sys.argv[1:] else default
    if not path.exists():
        sys.exit(f"no ontology at {path}: give an OBO file, or set HIERLOSS_DATA")
    say("machine", f"torch {torch.__version__}, {torch.get_num_threads()} threads")
    h = load(path)
    say("ontology", repr(h))
    compare(h)


if __name__ == "__main__":
    main()
