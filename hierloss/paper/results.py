"""What a run leaves behind: numbers, and the JSON file that has them."""

from __future__ import annotations

import json
import math
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hierloss import __version__
from hierloss._complete import complete

__all__ = ["rounded", "versions", "write"]


def versions(device: str) -> dict[str, str]:
    """The versions that a result depends on, and the device."""
    place = torch.device(device)
    return {
        "device": torch.cuda.get_device_name(place) if place.type == "cuda" else place.type,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "scikit-learn": version("scikit-learn"),
        "hierloss": __version__,
    }


def rounded(value: object) -> object:
    """The value with all floats in it to six digits, and None for NaN.

    Example:
        >>> rounded({"auprc": 0.26784321, "curve": [float("nan")]})
        {'auprc': 0.267843, 'curve': [None]}
    """
    if isinstance(value, float):
        return None if math.isnan(value) else float(f"{value:.6g}")
    if isinstance(value, Mapping):
        return {key: rounded(x) for key, x in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(x) for x in value]
    return value


def write(path: Path, value: Mapping[str, Any]) -> None:
    """Write JSON with one line for each entry, and for each epoch."""
    lines = []
    for key, x in value.items():
        text = json.dumps(rounded(x))
        if key in ("curve", "grid") and x and isinstance(x[0], dict):
            text = "[\n  " + ",\n  ".join(json.dumps(rounded(one)) for one in x) + "\n ]"
        lines.append(f" {json.dumps(key)}: {text}")
    with complete(path) as part:
        part.write_bytes(("{\n" + ",\n".join(lines) + "\n}\n").encode())
