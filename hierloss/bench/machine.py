"""The machine: what it is, how fast it copies, how much memory is free."""

from __future__ import annotations

import datetime
import os
import platform
import statistics
from pathlib import Path

import torch

from hierloss import __version__
from hierloss.bench.timing import seconds

LARGE = 2**29


Facts = dict[str, str | int | float]


def describe(device: torch.device) -> Facts:
    """What the numbers depend on, without names of hosts or folders."""
    return {
        "device": device.type,
        "processor": _gpu(device) if device.type == "cuda" else _cpu(),
        "cores": os.cpu_count() or 1,
        "threads": torch.get_num_threads(),
        "load": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else 0.0,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "hierloss": __version__,
        "date": datetime.date.today().isoformat(),
    }


def copy_speed(device: torch.device, size: int = LARGE) -> float:
    """Bytes that a copy of a large tensor reads and writes in a second."""
    size = min(size, free_memory(device) // 8)
    source = torch.zeros(size, dtype=torch.uint8, device=device)
    target = torch.ones_like(source)
    times = [seconds(lambda: target.copy_(source), device) for _ in range(7)]
    return 2 * size / statistics.median(times)


def free_memory(device: torch.device) -> int:
    """Bytes that can be used, as far as it is known."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    available = _number(Path("/proc/meminfo"), "MemAvailable:")
    return 2**33 if available is None else 1024 * available


def resident_peak() -> int | None:
    """The largest memory of this process since its start, or since `forget_peak`, in bytes."""
    # getrusage would not do: on Linux a fresh process starts with the peak of its parent.
    peak = _number(Path("/proc/self/status"), "VmHWM:")
    return None if peak is None else 1024 * peak


def forget_peak() -> None:
    """Have the peak start anew from what is in use."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:  # then the peak of what was before stands, and growth is seen from there
        return


def _number(path: Path, key: str) -> int | None:
    if not path.exists():
        return None
    rest = path.read_text().partition(key)[2].split()
    return int(rest[0]) if rest else None


def _cpu() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _gpu(device: torch.device) -> str:
    return torch.cuda.get_device_name(device)
