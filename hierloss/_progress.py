"""How far a training is: a bar in a terminal, lines elsewhere."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from hierloss._settings import Epoch


class Bar:
    """A progress bar over the epochs of all stages, with the steps of the present one."""

    def __init__(self, console: Console, epochs: int) -> None:
        self.epochs = epochs
        self.done = 0
        self.progress = Progress(
            TextColumn("epoch {task.fields[epoch]}"),
            BarColumn(),
            TextColumn("{task.fields[scores]}"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
        )
        self.task = self.progress.add_task("", total=epochs, epoch=1, scores="")

    def __enter__(self) -> Bar:
        self.progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.progress.stop()

    def step(self, done: int, steps: int) -> None:
        self.progress.update(self.task, completed=self.done + done / steps)

    def epoch(self, epoch: Epoch) -> None:
        self.done += 1
        # A stage that ended early takes its epochs with it, one that follows brings its own.
        total = self.done - epoch.epoch + self.epochs
        self.progress.update(
            self.task,
            total=total,
            completed=self.done,
            epoch=self.done + 1,
            scores=_scores(epoch),
        )


class Lines:
    """A line for each epoch, which the console writes at once."""

    def __init__(self, console: Console) -> None:
        self.console = console

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, *error: object) -> None: ...

    def step(self, done: int, steps: int) -> None: ...

    def epoch(self, epoch: Epoch) -> None:
        stage = f"stage {epoch.stage + 1}, " if epoch.stage else ""
        self.console.print(f"{stage}epoch {epoch.epoch}: {_scores(epoch)}")


def progress(console: Console, epochs: int) -> Bar | Lines:
    """A context that shows the epochs of a training, at most so many in a stage."""
    return Bar(console, epochs) if console.is_terminal else Lines(console)


def _scores(epoch: Epoch) -> str:
    scores = f"loss {epoch.loss:.4f}"
    return scores if epoch.auprc is None else f"{scores}, AU(PRC) {epoch.auprc:.4f}"
