"""Many runs, in order of worth, in parallel processes."""

from __future__ import annotations

import multiprocessing
import queue
import signal
import time
import traceback
from collections.abc import Iterator, Sequence
from multiprocessing.context import SpawnContext, SpawnProcess
from multiprocessing.queues import Queue
from typing import NamedTuple

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from hierloss.paper.registry import entries
from hierloss.paper.systems import NAMES, STUDIES
from hierloss.paper.training import Plan, Task, run

__all__ = ["Outcome", "in_order", "work"]

MAIN = NAMES[:3]


class Outcome(NamedTuple):
    """What became of the runs.

    Attributes:
        done: Those that have a result now.
        failed: Those that ended in an error, and the last line of it.
        left: Those that were not begun, were stopped, or are run by another queue.
    """

    done: list[Task]
    failed: dict[Task, str]
    left: list[Task]


class _Message(NamedTuple):
    """How far a run is: a phase and how much of it, or that it is over, and how."""

    task: Task
    phase: str
    done: float = 0.0
    total: float = 1.0
    over: bool = False
    error: str = ""


def in_order(
    systems: Sequence[str] = (*NAMES, *STUDIES),
    datasets: Sequence[str] | None = None,
    seeds: Sequence[int] = (0, 1, 2),
) -> list[Task]:
    """The runs of some systems, data sets and seeds, those that matter most first.

    With the first seed the claim of Table II and its ablation come first, on all data sets, then
    the other systems; then the same with the other seeds; last the studies of Fig. 7 to 9.

    Example:
        >>> [str(task) for task in in_order(datasets=["Enron"], seeds=[0])][:4]
        ['HLSTM/Enron.0', 'CHMC-LSTM/Enron.0', 'CHMCNN/Enron.0', 'HMCN-CHMC/Enron.0']
    """
    known = tuple(entries())
    chosen = known if datasets is None else datasets
    _check("a system", systems, (*NAMES, *STUDIES))
    _check("a data set", chosen, known)
    tables = [x for x in systems if x in NAMES]
    parts = [[x for x in tables if (x in MAIN) == main] for main in (True, False)]
    runs = [Task(x, d, seed) for seed in seeds for part in parts for d in chosen for x in part]
    studies = [
        Task(x, d, seed)
        for seed in seeds
        for x in systems
        if x in STUDIES
        for d in STUDIES[x].datasets
        if d in chosen
    ]
    return list(dict.fromkeys([*runs, *studies]))


def _check(what: str, names: Sequence[str], known: Sequence[str]) -> None:
    for name in names:
        if name not in known:
            raise ValueError(f"expected {what} of {', '.join(known)}, got {name!r}")


def work(
    tasks: Sequence[Task],
    plan: Plan,
    *,
    jobs: int = 1,
    until: float | None = None,
    console: Console | None = None,
) -> Outcome:
    """Carry out runs, some at a time, each in a process with one thread.

    Runs that have a result are passed over, as are those that another queue has in hand. Whatever
    stops this, a later call goes on from there.

    Args:
        tasks: What to run, in this order.
        plan: What all runs share.
        jobs: How many at a time.
        until: Stop after so many hours.
        console: Where to show the progress.
    """
    if jobs < 1:
        raise ValueError(f"expected jobs of 1 or more, got {jobs}")
    return _Pool(tasks, plan, jobs, until, console or Console()).outcome()


class _Pool:
    def __init__(
        self, tasks: Sequence[Task], plan: Plan, jobs: int, until: float | None, console: Console
    ) -> None:
        self.plan, self.jobs, self.console = plan, jobs, console
        self.end = float("inf") if until is None else time.monotonic() + 3600 * until
        self.waiting = [task for task in tasks if not task.result(plan.results).exists()]
        self.result = Outcome([task for task in tasks if task not in set(self.waiting)], {}, [])
        self.context: SpawnContext = multiprocessing.get_context("spawn")
        self.messages: Queue[_Message] = self.context.Queue()
        self.running: dict[Task, SpawnProcess] = {}
        self.bars: dict[Task, TaskID] = {}

    def outcome(self) -> Outcome:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[phase]}"),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=self.console) as self.progress:
            try:
                while (self.waiting or self.running) and time.monotonic() < self.end:
                    self._fill()
                    for message in self._received():
                        self._take(message)
                    self._reap()
            finally:
                self._stop()
        self.result.left.extend(self.waiting)
        return self.result

    def _fill(self) -> None:
        while self.waiting and len(self.running) < self.jobs:
            task = self.waiting.pop(0)
            process = self.context.Process(
                target=_work, args=(task, self.plan, self.messages), daemon=True
            )
            process.start()
            self.running[task] = process
            self.bars[task] = self.progress.add_task(str(task), total=1.0, phase="begins")

    def _received(self) -> Iterator[_Message]:
        try:
            yield self.messages.get(timeout=0.5)
            while True:
                yield self.messages.get_nowait()
        except queue.Empty:
            return

    def _take(self, message: _Message) -> None:
        if message.task not in self.running:
            return
        bar = self.bars[message.task]
        self.progress.update(bar, completed=message.done, total=message.total, phase=message.phase)
        if message.over:
            self.progress.remove_task(bar)
            self.running.pop(message.task).join()
            self._note(message)

    def _note(self, message: _Message) -> None:
        task = message.task
        if message.error:
            self.result.failed[task] = message.error
        elif task.result(self.plan.results).exists():
            self.result.done.append(task)
        else:
            self.result.left.append(task)
        self.progress.console.print(f"{task}: {message.error or message.phase}")

    def _reap(self) -> None:
        """See to processes that ended without a word, killed for want of memory perhaps."""
        for task, process in list(self.running.items()):
            if process.exitcode:
                error = f"its process ended with {process.exitcode}"
                self._take(_Message(task, "", over=True, error=error))

    def _stop(self) -> None:
        for task, process in self.running.items():
            process.terminate()
            process.join()
            self.result.left.append(task)


def _leave(*_: object) -> None:
    """End as on an error, so that no file is left half written."""
    raise SystemExit("stopped")


def _work(task: Task, plan: Plan, messages: Queue[_Message]) -> None:
    """A run in a process of its own."""
    import torch
    from filelock import FileLock, Timeout

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent stops it
    signal.signal(signal.SIGTERM, _leave)
    torch.set_num_threads(1)
    last = 0.0

    def progress(phase: str, done: float, total: float) -> None:
        nonlocal last
        parent = multiprocessing.parent_process()
        if parent is not None and not parent.is_alive():
            raise SystemExit("the queue was killed")
        if time.monotonic() - last > 0.5:
            messages.put(_Message(task, phase, done, total))
            last = time.monotonic()

    lock = plan.states / f"{task}.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(lock, timeout=0):
            run(task, plan, progress)
        messages.put(_Message(task, "done", over=True))
    except Timeout:
        messages.put(_Message(task, "run by another queue", over=True))
    except Exception as error:
        traceback.print_exc()
        messages.put(_Message(task, "", over=True, error=f"{type(error).__name__}: {error}"))
