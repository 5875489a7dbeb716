"""Where the time of HybridLoss goes on a GPU: the kernels of a step, and steps as CUDA graphs.

Medians for the Gene Ontology, in float32, beside plain BCE. Batches are arguments, by default 64,
256 and 1024.
"""

from __future__ import annotations

import os
import statistics
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from hierloss import MCM, Hierarchy, HybridLoss, LHLoss, MCLoss
from hierloss.bench.cases import batch

DATA = Path(os.environ.get("HIERLOSS_DATA") or Path(__file__).parents[3] / "shared" / "data")
DEVICE = torch.device("cuda")
ROUNDS = 50
PROFILED = 5
SHOWN = 12


def step(loss: nn.Module, x: Tensor, y: Tensor) -> None:
    """Forward and backward."""
    x.grad = None
    loss(x, y).backward()


def microseconds(run: Callable[[], object]) -> float:
    """The median time of a run, by the clock of the GPU."""
    for _ in range(5):
        run()
    times = []
    for _ in range(ROUNDS):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        torch.cuda.synchronize()
        begin.record()
        run()
        end.record()
        torch.cuda.synchronize()
        times.append(1000 * begin.elapsed_time(end))
    return statistics.median(times)


def graphed(run: Callable[[], object]) -> Callable[[], object]:
    """A run as a CUDA graph."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            run()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        run()
    return graph.replay


def report(h: Hierarchy, samples: int) -> None:
    """Time losses on a batch, then the kernels of HybridLoss."""
    x, y = batch(h, samples, DEVICE)
    ours = [kind(h).to(DEVICE) for kind in (HybridLoss, MCLoss, LHLoss)]
    plain: tuple[float, ...] = ()
    for loss in (nn.BCEWithLogitsLoss(), *ours):
        run = partial(step, loss, x, y)
        found = microseconds(run), microseconds(graphed(run))
        plain = plain or found
        ratios = (f"{a:7.0f} µs ({a / b:.2f})" for a, b in zip(found, plain, strict=True))
        print(f"{samples:5} {type(loss).__name__:17} {'  as a graph '.join(ratios)}")
    with torch.no_grad():
        print(
            f"{samples:5} MCM, forward      {microseconds(partial(MCM(h).to(DEVICE), x)):7.0f} µs"
        )
    with profile(activities=[ProfilerActivity.CUDA], acc_events=True) as profiled:
        for _ in range(PROFILED):
            step(ours[0], x, y)
        torch.cuda.synchronize()
    kernels = sorted(profiled.key_averages(), key=lambda e: -e.self_device_time_total)
    for e in kernels[:SHOWN]:
        print(f"{e.self_device_time_total / PROFILED:12.0f} µs  {e.key[:80]}")


def main() -> None:
    """Report on each batch."""
    h = Hierarchy.from_obo(DATA / "ontologies" / "go-basic-2021-12-15.obo.xz")
    for samples in [int(x) for x in sys.argv[1:]] or [64, 256, 1024]:
        report(h, samples)


if __name__ == "__main__":
    main()
