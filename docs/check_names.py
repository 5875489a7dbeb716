"""Fails if a public name has no entry in the built documentation.

Usage: check_names.py docs/_build/html/objects.inv
"""

import importlib
import inspect
import pkgutil
import sys

from sphinx.util.inventory import InventoryFile

import hierloss
import hierloss_adapters


def public_names() -> set[str]:
    """Every name in the `__all__` of a public module."""
    names = {f"hierloss.{name}" for name in hierloss.__all__}
    for package in (hierloss, hierloss_adapters):
        for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not any(part.startswith("_") for part in info.name.split(".")):
                listed = getattr(importlib.import_module(info.name), "__all__", ())
                names |= {f"{info.name}.{name}" for name in listed}
    return names


def members(name: str) -> set[str]:
    """The public methods and properties of a class, by the name of the class."""
    module, _, short = name.rpartition(".")
    value = getattr(importlib.import_module(module), short)
    if not inspect.isclass(value):
        return set()
    ours = [base for base in value.__mro__ if base.__module__.startswith("hierloss")]
    found = {key: member for base in ours for key, member in vars(base).items()}
    return {
        f"{name}.{key}"
        for key, member in found.items()
        if not key.startswith("_")
        and (callable(member) or isinstance(member, (classmethod, staticmethod, property)))
    }


def documented_names(path: str) -> set[str]:
    """Every Python name in a Sphinx inventory."""
    with open(path, "rb") as file:
        inventory = InventoryFile.load(file, "", "/".join)
    return {name for kind, items in inventory.items() if kind.startswith("py:") for name in items}


def main() -> None:
    """Compare both; what a package exports may be documented under either of its names."""
    documented = documented_names(sys.argv[1])
    exported = {f"{getattr(hierloss, name).__module__}.{name}": name for name in hierloss.__all__}
    missing = []
    for name in sorted(public_names()):
        known = f"hierloss.{exported[name]}" if name in exported else name
        wanted = {known} | {known + member[len(name) :] for member in members(name)}
        missing += sorted(wanted - documented)
    if missing:
        sys.exit("not in the documentation: " + ", ".join(missing))


if __name__ == "__main__":
    main()
