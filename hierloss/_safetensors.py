"""Tensors and what JSON can say of them in one `.safetensors` file: no pickle."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import Tensor

from hierloss._complete import complete

KEY = "hierloss"


def save(
    path: str | os.PathLike[str], tensors: Mapping[str, Tensor], info: Mapping[str, Any]
) -> None:
    """Write tensors and the information beside them; the file appears only once it is complete."""
    plain, seen = {}, set()
    for name, tensor in tensors.items():
        plain[name] = tensor.detach().cpu().contiguous()
        place = plain[name].untyped_storage().data_ptr()
        if place in seen:  # tied parameters
            plain[name] = plain[name].clone()
        seen.add(place)
    data = _require().torch.save(plain, metadata={KEY: json.dumps(info)})
    with complete(path) as part:
        part.write_bytes(data)


def load(path: str | os.PathLike[str]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """What `save` wrote.

    Raises:
        ValueError: It is not such a file, or it is damaged.
    """
    path = Path(path)
    safe_open = _require().safe_open
    if not path.is_file():
        raise FileNotFoundError(f"expected a file at {path}, got none")
    try:
        with safe_open(os.fspath(path), "pt") as file:
            info = json.loads(file.metadata()[KEY])
            names = file.keys()  # the file itself cannot be looped over
            return {name: file.get_tensor(name) for name in names}, info
    except Exception as error:  # a damaged file raises almost anything
        raise ValueError(f"expected a file written by hierloss, got {path}") from error


def _require() -> ModuleType:
    try:
        import safetensors.torch
    except ImportError as error:
        raise ImportError(
            'expected safetensors, got none; pip install "hierloss[train]"'
        ) from error
    return safetensors
