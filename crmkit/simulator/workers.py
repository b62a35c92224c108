"""Processes that work side by side: started when there is more than one thing to do, gone as soon as their parent is.

They are started afresh (`spawn`), so that they hold none of the parent's threads, locks and open files: safe in a
notebook, and the same on every system.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import traceback
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any, TypeVar

from crmkit.errors import ProcessDied

T = TypeVar("T")
_FOR_THE_PARENT = ("SIGINT", "SIGTERM", "SIGHUP")  # sent to all at once; the parent ends its workers by itself


def side_by_side(
    job: Callable[[int], T], numbers: Sequence[int], processes: int
) -> Generator[tuple[int, T], None, None]:
    """Each of the numbers with what `job(number)` gives, in the order in which they get ready.

    Args:
        job: A function that can be pickled, as can what it gives.
        numbers: What to call it with.
        processes: How many at once; 1 works in this process.

    Raises:
        ProcessDied: a process ended without having answered.
    """
    processes = min(processes, len(numbers))
    if processes <= 1:
        yield from ((number, job(number)) for number in numbers)
        return
    waiting = list(reversed(numbers))
    with _started(job, processes) as crew:
        busy: dict[Connection, int] = {}
        for line in crew:
            _hand_out(line, waiting, busy, crew)
        while busy:
            ready = set(wait(list(busy)))
            for line in [line for line in busy if line in ready]:
                number = busy[line]
                yield number, _answer(line, busy, crew)
                _hand_out(line, waiting, busy, crew)


Crew = dict[Connection, SpawnProcess]


def _hand_out(line: Connection, waiting: list[int], busy: dict[Connection, int], crew: Crew) -> None:
    if waiting:
        busy[line] = waiting.pop()
        try:
            line.send(busy[line])
        except OSError:
            raise _died(crew[line]) from None


def _answer(line: Connection, busy: dict[Connection, int], crew: Crew) -> Any:
    """The next answer of one process; an error that came up there is raised here."""
    try:
        answer = line.recv()
    except (EOFError, OSError):
        raise _died(crew[line]) from None
    del busy[line]
    if isinstance(answer, _Failed):
        raise answer.error
    return answer


def _died(process: SpawnProcess) -> ProcessDied:
    process.join(5)
    code = process.exitcode
    how = signal.Signals(-code).name if code is not None and code < 0 else f"exit code {code}"
    return ProcessDied("worker", how=how)


@contextmanager
def _started(job: Callable[[int], Any], processes: int) -> Iterator[Crew]:
    """The processes by the lines to them; none is left when the block ends, however it ends."""
    context = multiprocessing.get_context("spawn")
    crew: Crew = {}
    try:
        for _ in range(processes):
            here, there = context.Pipe()
            process = context.Process(target=_work, args=(there, job), daemon=True)
            crew[here] = process
            with _undisturbed():
                process.start()
            there.close()  # else the end of the process could not be seen from here
        yield crew
    finally:
        for line, process in crew.items():
            if process.pid is not None:
                process.kill()
                process.join()
            line.close()


@contextmanager
def _undisturbed() -> Iterator[None]:
    """What is started inside does not hear Ctrl+C, not even before it has come up far enough to ignore it."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [getattr(signal, name) for name in _FOR_THE_PARENT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Failed:
    """An error on its way to the parent."""

    def __init__(self, error: Exception) -> None:
        error.add_note(traceback.format_exc())
        self.error = error


def _work(line: Connection, job: Callable[[int], Any]) -> None:
    """What a process does: answer one number after the other, until the line is closed."""
    for name in _FOR_THE_PARENT:
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    threading.Thread(target=_leave_with_the_parent, daemon=True).start()
    while True:
        try:
            number = line.recv()
        except (EOFError, OSError):
            return
        try:
            answer: Any = job(number)
        except Exception as error:
            answer = _Failed(error)
        try:
            line.send(answer)
        except OSError:
            return
        except Exception as error:  # an error that cannot be pickled
            line.send(_Failed(RuntimeError(repr(error))))


def _leave_with_the_parent() -> None:
    """A killed parent cannot end its workers: nobody would want the block they are at."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
