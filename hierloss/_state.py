"""The state of a training in a file."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from hierloss import _safetensors
from hierloss._settings import Settings
from hierloss.models.base import Model

Tensors = dict[str, Tensor]


class State(NamedTuple):
    """What a training goes on from."""

    history: Sequence[Sequence[Any]]
    model: Tensors
    best: Tensors
    moments: Mapping[int, Tensors]


def save(
    path: Path,
    name: str,
    history: Sequence[Sequence[Any]],
    model: nn.Module,
    best: Mapping[str, Tensor],
    optimizer: torch.optim.Optimizer,
) -> None:
    """Write the state of the training of this name."""
    tensors = {f"model.{k}": v for k, v in model.state_dict().items()}
    tensors |= {f"best.{k}": v for k, v in best.items()}
    for i, moments in optimizer.state_dict()["state"].items():
        tensors |= {f"adam.{i}.{k}": v for k, v in moments.items()}
    _safetensors.save(path, tensors, {"training": name, "history": history})


def load(path: Path, name: str) -> State:
    """Read the state of the training of this name.

    Raises:
        ValueError: It is the state of another training, or no state.
    """
    tensors, info = _safetensors.load(path)
    if info.get("training") != name:
        raise ValueError(
            f"{path}: expected the state of this training, got that of another one, with other "
            "settings or data, or on another device; take it away to start anew"
        )
    moments: dict[int, Tensors] = {}
    for key, value in _under("adam.", tensors).items():
        index, _, what = key.partition(".")
        moments.setdefault(int(index), {})[what] = value
    return State(info["history"], _under("model.", tensors), _under("best.", tensors), moments)


def fingerprint(settings: Settings, model: Model, *tensors: Tensor) -> str:
    """What tells a training from others: its settings, its model and its rows.

    Of the settings it is all but how long it goes on. Of the model it is the hierarchy, the classes
    left out, the parameters at the start, and on what kind of device they are.
    """
    settings = replace(settings, epochs=1, patience=None)
    h, kind = model.hierarchy, next(model.parameters()).device.type
    digest = hashlib.sha256(f"{settings!r}\n{model!r}\n{h.names}\n{h.edges}\n{kind}".encode())
    for tensor in (*model.parameters(), *model.buffers(), *tensors):
        if tensor.numel():  # an empty one has no stride to be viewed by
            digest.update(tensor.detach().cpu().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _under(prefix: str, tensors: Tensors) -> Tensors:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
