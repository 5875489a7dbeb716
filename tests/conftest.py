"""Hypothesis settings, and the data that is there only where HIERLOSS_DATA says so."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, register_random, settings

from hierloss import Hierarchy
from hierloss_adapters.obo import Ontology, read_obo

settings.register_profile(
    "hierloss",
    deadline=None,
    derandomize=True,
    max_examples=40,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("hierloss")


class TorchRandom:
    """Lets Hypothesis seed PyTorch, so that a failing example fails again."""

    seed = staticmethod(torch.manual_seed)
    getstate = staticmethod(torch.get_rng_state)
    setstate = staticmethod(torch.set_rng_state)


RANDOM = TorchRandom()
register_random(RANDOM)

# What `make check` has a stage of its own for.
STAGES = ("hierloss[interpret]", "hierloss[torch-sparse]")

DATA = Path(os.environ.get("HIERLOSS_DATA") or Path(__file__).parents[2] / "shared" / "data")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail in CI if a test was skipped for want of an extra, since CI installs them all."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if not os.environ.get("CI") or reporter is None:
        return
    reasons = {str(report.longrepr[2]) for report in reporter.stats.get("skipped", [])}
    lacking = sorted(x for x in reasons if "hierloss[" in x and not any(s in x for s in STAGES))
    if lacking:
        reporter.write_line(f"\nskipped for want of an extra: {'; '.join(lacking)}", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes a file into the folder of the test."""

    def write(text: str | bytes, name: str = "go.obo") -> Path:
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


@pytest.fixture(scope="session")
def gene_ontology() -> Ontology:
    """All that is read of the full Gene Ontology."""
    path = DATA / "ontologies" / "go-basic-2021-12-15.obo.xz"
    if not path.exists():
        pytest.skip(f"the Gene Ontology is not at {path}; set HIERLOSS_DATA to where it is")
    return read_obo(path)


@pytest.fixture(scope="session")
def go(gene_ontology: Ontology) -> Hierarchy:
    """The full Gene Ontology."""
    return gene_ontology.hierarchy
