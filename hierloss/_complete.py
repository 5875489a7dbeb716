"""Files that appear once they are complete."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def complete(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A path to write to, which becomes the file at the end; its folder is made.

    Where the context is left by an error, an earlier file stays as it was. Its mode stays in any
    case, and a link leads on to it. What is no file, such as a pipe, is written to as it is.

    Raises:
        IsADirectoryError: There is a folder of this name.

    Example:
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with complete(Path(folder, "new", "notes.txt")) as part:
        ...         _ = part.write_text("done")
        ...     Path(folder, "new", "notes.txt").read_text()
        'done'
    """
    target = Path(path).resolve()
    if target.is_dir():
        raise IsADirectoryError(f"expected a file to write, got the folder {os.fspath(path)!r}")
    if target.exists() and not target.is_file():
        yield target
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".hierloss-", dir=target.parent) as folder:
        part = Path(folder, target.name)
        yield part
        if target.exists():
            shutil.copymode(target, part)
        os.replace(part, target)
