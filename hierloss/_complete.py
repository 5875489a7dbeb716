"""Files that appear once they are complete."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def complete(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A path to write to, which becomes the file at the end; its folder is made.

    Where the context is left by an error, an earlier file stays as it was.

    Example:
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with complete(Path(folder, "new", "notes.txt")) as part:
        ...         _ = part.write_text("done")
        ...     Path(folder, "new", "notes.txt").read_text()
        'done'
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".hierloss-", dir=target.parent) as folder:
        part = Path(folder, target.name)
        yield part
        os.replace(part, target)
