"""The files that `hierloss train` is told of, judged before it trains for hours."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryFile


def valid_file(valid: str, file: Path) -> Path | None:
    """The file to validate with, None if it is a share."""
    try:
        float(valid)
    except ValueError:
        path = Path(valid)
    else:
        return None
    if not path.is_file():
        raise ValueError(f"expected --valid to be a share such as 0.2, or a file, got {valid!r}")
    if path.samefile(file):
        raise ValueError(
            f"expected --valid to be another file than that to train on, got {valid!r}; a share of "
            "it is such as --valid 0.2"
        )
    return path


def check_model_file(out: Path) -> None:
    """Raise unless a model can be written there."""
    if out.suffix.lower() != ".safetensors":
        raise ValueError(
            f"expected a file to write that ends in .safetensors, got {out.name!r}; call it so"
        )
    folder = next(x for x in out.absolute().parents if x.exists())
    try:
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ValueError(
            f"expected a folder that can be written to, got {str(folder)!r} ({error.strerror}); "
            "give another by --out"
        ) from error
