"""Where the time of HybridLoss goes on the CPU: each stage of the compiled kernel by itself.

One thread, one block of 16 samples of the Gene Ontology, in float32; medians, and the bytes of
scores, target and gradient that a stage moves to or from the batch.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import torch
from numba import njit

from hierloss import Hierarchy
from hierloss.kernels import _blocks, _losses, _tables
from hierloss.kernels._simd import LANES

DATA = Path(os.environ.get("HIERLOSS_DATA") or Path(__file__).parents[3] / "shared" / "data")
ROUNDS = 40


@njit
def links(tables):
    """The tables that the sweeps take."""
    table = _blocks.table
    return (
        (table(tables, 3), table(tables, 4), table(tables, 5))
        + (table(tables, 6), table(tables, 7), table(tables, 8))
    ), table(tables, 2)


def main() -> None:
    """Time the stages in turn."""
    h = Hierarchy.from_obo(DATA / "ontologies" / "go-basic-2021-12-15.obo.xz")
    n, edges = len(h), h.edge_index.shape[1]
    packed = _tables.pack(*h.edge_index, h.levels).view(np.uint32)
    neighbours, rank = links(packed)
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(LANES * n, generator=generator).numpy()
    picked = torch.randint(n, (LANES, 6), generator=generator).tolist()
    target = h.encode([[h.names[i] for i in row] for row in picked]).float().numpy().ravel()
    out = np.empty_like(scores)
    rows, flow = (np.empty(n * LANES, np.float32) for _ in range(2))
    masks = tuple(np.empty(k, np.uint16) for k in (n, n, n, edges, edges, n, n))
    lanes, costs, none = np.ones(LANES, np.float32), np.empty(LANES), np.empty(0, np.float32)
    shares, every = (0.5, 0.5), np.uint16(0xFFFF)
    stages = {
        "read scores": (lambda: _blocks.read(scores, 0, LANES, n, rank, rows), 1),
        "read target": (
            lambda: _blocks.read_labels(target, False, 0, LANES, n, rank, masks[0], masks[1]),
            1,
        ),
        "sweep up": (lambda: _losses._up(neighbours, n, rows, flow, masks, shares), 0),
        "sweep down": (
            lambda: _losses._down(
                neighbours, n, rows, flow, none, masks, every, (none, none), False, True, shares,
                lanes, _losses.GRADIENT, costs,
            ),
            0,
        ),
        "write gradient": (lambda: _blocks.write(rows, rank, out, 0, LANES, n), 1),
    }  # fmt: skip
    times: dict[str, list[float]] = {name: [] for name in stages}
    for _ in range(ROUNDS + 2):
        for name, (run, _) in stages.items():
            start = time.perf_counter()
            run()
            times[name].append(time.perf_counter() - start)
    for name, (_, moves) in stages.items():
        seconds = statistics.median(times[name][2:])
        size = f"{moves * scores.nbytes / 1e6:.1f} MB" if moves else ""
        sys.stdout.write(f"{name:15} {1e3 * seconds:6.2f} ms  {size}\n")


if __name__ == "__main__":
    main()
