"""What is measured, one row of the table each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn

import hierloss.functional as HF
from hierloss import kernels
from hierloss.bench import rivals
from hierloss.hierarchy import Hierarchy
from hierloss.layers import MCM
from hierloss.losses import HybridLoss, LHLoss, MCLoss

Compute = Callable[[Tensor, Tensor], Tensor]
Make = Callable[[Hierarchy, torch.device], Compute]

BCE = "BCE"
DENSE = "dense C-HMCNN"
CLOSURE = "MCM, torch.sparse.mm"
TORCH_SPARSE = "MCM, torch-sparse"
HMC_TORCH = "MCM, hmc-torch"


@dataclass(frozen=True)
class Row:
    """One way to compute something.

    Attributes:
        name: What the table calls it.
        make: Prepares it for a hierarchy; what it makes takes logits and targets.
        expected: What it should agree with, by the reference; None for the plain BCE.
        backend: The backend that computes it, where it is one of ours.
        size: The bytes it needs for a hierarchy and a number of samples, where that is much.
        missing: Why it cannot be measured; "" where it can.
    """

    name: str
    make: Make
    expected: Make | None
    backend: str = "auto"
    size: Callable[[Hierarchy, int], int] | None = None
    missing: str = ""


def rows(device: torch.device, peers: Path | None) -> list[Row]:
    """All rows, those that cannot be measured among them."""
    hybrid = [
        Row(f"HybridLoss, {name}", of_loss(HybridLoss), of_loss(HybridLoss), name, missing=reason)
        for name, reason in backends(device).items()
    ]
    return [
        Row(BCE, lambda h, device: nn.BCEWithLogitsLoss(), None),
        *hybrid,
        Row("MCLoss", of_loss(MCLoss), of_loss(MCLoss)),
        Row("LHLoss", of_loss(LHLoss), of_loss(LHLoss)),
        Row("MCM", of_mcm, of_mcm),
        Row(DENSE, of_dense, of_probabilities, size=rivals.dense_bytes),
        Row(
            CLOSURE,
            of_closure,
            of_mcm,
            size=rivals.sparse_bytes,
            missing="" if device.type == "cpu" else "reduce is for the CPU only",
        ),
        Row(
            TORCH_SPARSE,
            of_torch_sparse,
            of_mcm,
            size=rivals.sparse_bytes,
            missing="" if find_spec("torch_sparse") else "torch-sparse is not installed",
        ),
        Row(
            HMC_TORCH,
            lambda h, device: _ignoring(rivals.hmc_torch_mcm(h, device, peers or Path())),
            of_mcm,
            missing="" if rivals.hmc_torch_version(peers) else "hmc-torch is not in HIERLOSS_PEERS",
        ),
    ]


def backends(device: torch.device) -> dict[str, str]:
    """Our backends, each with why it does not work on a device, "" where it does."""
    served = kernels.DEVICES.items()
    other = {name: f"works on {kind}" for kind, name in served if kind != device.type}
    states = {**kernels.available(), **other}
    return {name: "" if state == kernels.READY else state for name, state in states.items()}


def using(backend: str) -> kernels.use:
    """Have a backend compute what is ours."""
    return kernels.use(backend)  # type: ignore[arg-type]  # it checks names itself


def of_loss(kind: type[MCLoss | LHLoss | HybridLoss]) -> Make:
    """One of our losses."""
    return lambda h, device: kind(h).to(device)


def of_mcm(h: Hierarchy, device: torch.device) -> Compute:
    """Our constraint."""
    return _ignoring(MCM(h).to(device))


def of_probabilities(h: Hierarchy, device: torch.device) -> Compute:
    """Our MCLoss on the probabilities."""
    return lambda logits, y: HF.mc_loss(logits.sigmoid(), y, h, from_logits=False)


def of_dense(h: Hierarchy, device: torch.device) -> Compute:
    """The dense formula, on the probabilities."""
    matrix = rivals.dense_matrix(h).to(device)
    return lambda logits, y: rivals.dense_loss(matrix, logits.sigmoid(), y)


def of_closure(h: Hierarchy, device: torch.device) -> Compute:
    """The product with the closure by torch itself."""
    matrix = rivals.sparse_matrix(h)
    return _ignoring(lambda logits: rivals.sparse_mcm(matrix, logits))


def of_torch_sparse(h: Hierarchy, device: torch.device) -> Compute:
    """The product with the closure by torch-sparse."""
    return _ignoring(rivals.torch_sparse_mcm(h, device))


def forward(compute: Compute, logits: Tensor, target: Tensor) -> Tensor:
    """The way there, without a gradient."""
    with torch.no_grad():
        return compute(logits, target)


def step(compute: Compute, logits: Tensor, target: Tensor) -> None:
    """There and back; what is no scalar has the targets as the gradient that comes in."""
    logits.grad = None
    result = compute(logits, target)
    result.backward(None if result.ndim == 0 else target)  # type: ignore[no-untyped-call]  # torch gives it no types


def wrong(row: Row, h: Hierarchy, logits: Tensor, target: Tensor) -> float | None:
    """The share of the numbers of a row that differ from those of the reference."""
    if row.expected is None:
        return None
    with using("reference"):
        expected = forward(row.expected(h, logits.device), logits, target)
    with using(row.backend):
        found = forward(row.make(h, logits.device), logits, target)
    return float((~found.isclose(expected)).double().mean())


def _ignoring(constraint: rivals.Constraint) -> Compute:
    """A constraint as a function of logits and targets."""
    return lambda logits, target: constraint(logits)
