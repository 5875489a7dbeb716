"""Fails if a public name has no entry in the built documentation.

Usage: check_names.py docs/_build/html/objects.inv
"""

import importlib
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


def documented_names(path: str) -> set[str]:
    """Every Python name in a Sphinx inventory."""
    with open(path, "rb") as file:
        inventory = InventoryFile.load(file, "", "/".join)
    return {name for kind, items in inventory.items() if kind.startswith("py:") for name in items}


def main() -> None:
    """Compare both, where a name may be documented under the package that exports it."""
    documented = documented_names(sys.argv[1])
    missing = []
    for name in sorted(public_names()):
        module, _, short = name.rpartition(".")
        value = getattr(importlib.import_module(module), short)
        home = getattr(value, "__module__", module)
        exported = f"hierloss.{short}" if getattr(hierloss, short, None) is value else name
        if not documented & {name, exported, f"{home}.{short}"}:
            missing.append(name)
    if missing:
        sys.exit("not in the documentation: " + ", ".join(missing))


if __name__ == "__main__":
    main()
