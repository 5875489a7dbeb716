"""Files appear whole, and in the place that their path leads to."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from hierloss._complete import complete


def write(path: Path, text: str) -> None:
    with complete(path) as part:
        part.write_text(text)


def fail(path: Path) -> None:
    with complete(path) as part:
        part.write_text("half")
        raise InterruptedError


def test_an_error_leaves_nothing_and_an_earlier_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    for before in ([], [path]):
        with pytest.raises(InterruptedError):
            fail(path)
        assert list(tmp_path.iterdir()) == before
        path.write_text("old")
    write(path, "new")
    assert path.read_text() == "new"


def test_a_link_leads_to_the_file_and_its_mode_stays(tmp_path: Path) -> None:
    real, link = tmp_path / "real.txt", tmp_path / "link.txt"
    real.write_text("old")
    real.chmod(0o640)
    try:
        link.symlink_to(real)
    except OSError as error:
        pytest.skip(f"no links here: {error}")
    write(link, "new")
    assert link.is_symlink()
    assert real.read_text() == "new"
    assert stat.S_IMODE(real.stat().st_mode) == 0o640


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_a_pipe_is_written_to(tmp_path: Path) -> None:
    pipe, read = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    write(pipe, "through")
    reader.join()
    assert read == ["through"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError, match="expected a file to write, got the folder"):
        write(tmp_path, "")
