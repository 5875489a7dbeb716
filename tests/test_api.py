"""The public names."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import pytest

import hierloss
import hierloss_adapters

BINDING = {
    "Hierarchy", "HierarchyError", "CycleError", "UnknownClassError",
    "MCM", "LMC", "MCLoss", "LHLoss", "HybridLoss",
}  # fmt: skip
# Adapters whose classes are built on those of a tool, of the same name.
TOOLS = {"lightning", "sklearn", "torchmetrics"}


def test_all_lists_every_public_name() -> None:
    assert set(hierloss.__all__) == BINDING
    public = {
        name
        for name, value in vars(hierloss).items()
        if not name.startswith("_") and not inspect.ismodule(value)
    }
    assert public == set(hierloss.__all__)


def public_modules() -> list[str]:
    found = []
    for package in (hierloss, hierloss_adapters):
        for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not any(part.startswith("_") for part in info.name.split(".")):
                found.append(info.name)
    return found


@pytest.mark.parametrize("name", public_modules())
def test_listed_names_exist_and_begin_with_a_sentence(name: str) -> None:
    tool = name.removeprefix("hierloss_adapters.")
    if tool in TOOLS:
        pytest.importorskip(tool, reason=f'it is missing; pip install "hierloss[{tool}]"')
    module = importlib.import_module(name)
    assert module.__doc__
    for key in getattr(module, "__all__", ()):
        value = getattr(module, key)
        if not callable(value):
            continue  # a constant, which only the documentation can describe
        doc = inspect.getdoc(value) or ""
        assert doc.split("\n\n")[0].rstrip().endswith("."), f"{name}.{key}"


def test_the_losses_and_layers_are_listed_where_they_are_defined() -> None:
    for name in BINDING:
        value = getattr(hierloss, name)
        assert name in importlib.import_module(value.__module__).__all__


def test_the_changelog_tells_what_the_version_brings() -> None:
    release = re.fullmatch(r"\d+\.\d+\.\d+(\.dev\d+)?", hierloss.__version__)
    assert release
    heading = "Unreleased" if release[1] else hierloss.__version__
    changelog = (Path(__file__).parents[1] / "CHANGELOG.md").read_text()
    section = changelog.partition(f"## [{heading}]")[2].partition("\n## ")[0]
    assert "\n- " in section
