"""The kernels: which class decides for which.

`hierloss.kernels.reference` defines them in plain PyTorch and runs everywhere. Faster ones take
its place where they can: "numba" on CPUs, "triton" on CUDA devices. Where one is not installed
the reference serves, which `available` tells. The environment variable HIERLOSS_KERNELS chooses as
`use` does.
"""

from __future__ import annotations

import importlib
import os
from types import TracebackType
from typing import Literal, get_args

import torch
from torch import Tensor
from torch.autograd import forward_ad

__all__ = ["available", "serves", "use"]

Name = Literal["auto", "reference", "numba", "triton"]
NAMES = get_args(Name)
READY = "ready"
MODULES = {"numba": "_cpu", "triton": "_gpu"}
DEVICES = {"cpu": "numba", "cuda": "triton"}
DTYPES = (torch.float32, torch.float64, torch.float16, torch.bfloat16)


class InvalidTarget(ValueError):
    """What a kernel raises for a target that it was to check; the reference says what is wrong."""

    def __init__(self) -> None:
        super().__init__(
            "expected a target of 0, 1 and unknown labels that is closed upward, got another; the "
            "loss says where the error is if it is called without torch.compile"
        )


_state: dict[str, str] = {}
_choice: dict[str, str] = {}
_is_exporting = getattr(torch.compiler, "is_exporting", torch.compiler.is_compiling)


class use:
    """Choose the kernels, from now on or in a ``with`` block.

    Args:
        name: "auto" for the fastest there is, "reference", "numba" or "triton". A fast one serves
            its own kind of device, and the reference all others.

    Raises:
        ValueError: Another name.
        ImportError: It cannot be used here, and why.

    Example:
        >>> with use("reference"):
        ...     chosen()
        'reference'
        >>> chosen()
        'auto'
    """

    def __init__(self, name: Name) -> None:
        _check(name)
        if name in MODULES and available()[name] != READY:
            raise ImportError(
                f"expected kernels that can be used, got {name!r}: {available()[name]}"
            )
        self.before = chosen()
        _choice["name"] = name

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _choice["name"] = self.before


def chosen() -> str:
    """The name that was chosen last, by `use` or by HIERLOSS_KERNELS."""
    if "name" not in _choice:
        name = os.environ.get("HIERLOSS_KERNELS", "auto")
        _check(name)
        _choice["name"] = name
    return _choice["name"]


def available() -> dict[str, str]:
    """All kernels, each with "ready" or the reason why it cannot be used.

    Example:
        >>> available()["reference"]
        'ready'
    """
    for name in MODULES:
        ready(name)
    return {"reference": READY, **_state}


def settle() -> None:
    """Read the environment and import kernels now, not where torch.compile would trace it."""
    chosen()
    available()


def ready(name: str) -> bool:
    """Whether kernels can be used; the first time it imports them."""
    if name not in _state:
        _state[name] = _try(name)
    return _state[name] == READY


def serves(scores: Tensor, *others: Tensor | None) -> bool:
    """Whether fast kernels are to work on tensors, and not the reference."""
    name = DEVICES.get(scores.device.type)
    if name is None or chosen() not in ("auto", name) or scores.dtype not in DTYPES:
        return False
    if any(x is not None and x.device != scores.device for x in others):
        return False
    return ready(name) and not _only_plain_operators()


def batched(*tensors: Tensor) -> bool:
    """Whether `torch.func.vmap` hides a dimension of one, so that no value can be looked at."""
    functorch = torch._C._functorch
    for x in tensors:
        while functorch.is_functorch_wrapped_tensor(x):
            if functorch.is_batchedtensor(x):
                return True
            x = functorch.get_unwrapped(x)
    return False


def slope_type(scores: Tensor) -> torch.dtype:
    """The type of what is to become the gradient of scores.

    That of a mean over many classes is too small for float16 until a `GradScaler` has its say.
    """
    return torch.float32 if scores.dtype == torch.float16 else scores.dtype


def sum_type(scores: Tensor) -> torch.dtype:
    """The type in which what follows from scores is added up."""
    return torch.float64 if scores.dtype == torch.float64 else torch.float32


def _check(name: str) -> None:
    if name not in NAMES:
        raise ValueError(f"expected kernels of {NAMES}, got {name!r}")


def _try(name: str) -> str:
    if name == "triton" and not torch.cuda.is_available():
        return "PyTorch finds no CUDA device"
    try:
        if name == "numba" and importlib.import_module("numba").config.DISABLE_JIT:
            return "NUMBA_DISABLE_JIT is set"
        importlib.import_module(f"hierloss.kernels.{MODULES[name]}")
    except Exception as error:  # numba raises ImportError, but also what LLVM runs into
        return f"{type(error).__name__}: {error}"
    return READY


def exporting() -> bool:
    """Whether what runs is to be exported, by torch.export, to ONNX or by torch.jit.trace."""
    if torch.compiler.is_compiling():
        return bool(_is_exporting())
    return torch._C._get_tracing_state() is not None


def _only_plain_operators() -> bool:
    """Whether what runs is to be exported, or transformed by torch.func."""
    if torch.compiler.is_compiling():
        return exporting()
    transformed = torch._C._functorch.peek_interpreter_stack() is not None
    forward = forward_ad._current_level >= 0
    return transformed or forward or exporting()
