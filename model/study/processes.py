"""Points measured by processes of this machine, each of which lives as long as there is something to do.

Processes are spawned and not forked: threads and compiled code of this one are none of theirs.  A process that dies
costs the point that it was at, which is tried once more, and nothing else.
"""

import itertools
import multiprocessing
import signal
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from time import perf_counter
from typing import Any

from model.study.attempt import Outcome, Work, attempt

_TRIES = 2
_PATIENCE_S = 2.0
_READY = "ready"
_context = multiprocessing.get_context("spawn")


def in_processes(points: Sequence[dict], work: Work, count: int) -> Generator[tuple[int, Outcome]]:
    """Yields (place in `points`, outcome) as they come; `close()` ends the processes at once.

    Raises `RuntimeError` if a process cannot start.
    """
    workers: list[_Worker] = []
    shares, losses = Shares(len(points), count), [0] * len(points)
    try:
        workers += [_Worker(share, work) for share in range(min(count, len(points)))]
        while workers:
            ready = wait([worker.pipe for worker in workers])
            for worker in [worker for worker in workers if worker.pipe in ready]:
                try:
                    message, place = worker.receive(), worker.place
                except _Died as death:
                    place = worker.place
                    if place is None:
                        raise RuntimeError(f"a worker process cannot start: {death}") from None
                    losses[place] += 1
                    again = losses[place] < _TRIES
                    if not again:
                        yield place, Outcome({}, str(death), perf_counter() - worker.since)
                    worker.replace(place if again else None)
                    continue
                if place is not None:
                    yield place, message
                following = worker.again if worker.again is not None else shares.next(worker.share)
                if following is None:
                    worker.end()
                    workers.remove(worker)
                else:
                    worker.give(following, points[following])
    finally:
        for worker in workers:
            worker.kill()


class Shares:
    """Places 0..total-1 in stretches, one for each worker, as neighbours share what they need.

    Who has done theirs takes the later half of the longest that is left.
    """

    def __init__(self, total: int, count: int):
        ends = [total * share // count for share in range(count + 1)]
        self._left = [range(*pair) for pair in itertools.pairwise(ends)]

    def next(self, share: int) -> int | None:
        if not self._left[share]:
            longest = max(range(len(self._left)), key=lambda other: len(self._left[other]))
            left = self._left[longest]
            middle = len(left) // 2
            self._left[longest], self._left[share] = left[:middle], left[middle:]
        mine = self._left[share]
        self._left[share] = mine[1:]
        return mine[0] if mine else None


class _Died(Exception):
    """A worker process has ended by itself."""


class _Worker:
    """A process, and the point that it is at."""

    def __init__(self, share: int, work: Work):
        self.share, self._work = share, work
        self._start()

    def _start(self) -> None:
        self.place: int | None = None
        self.again: int | None = None
        self.since = perf_counter()
        self.pipe, far = _context.Pipe()
        self.process = _context.Process(target=_serve, args=(far, self._work), daemon=True)
        with _no_interrupts():
            self.process.start()
        far.close()

    def replace(self, again: int | None) -> None:
        """A new process for one that died; it begins with the point `again`."""
        self.pipe.close()
        self._start()
        self.again = again

    def give(self, place: int, point: dict) -> None:
        self.place, self.again, self.since = place, None, perf_counter()
        try:
            self.pipe.send(point)
        except OSError:
            pass  # it has died, which the next receive tells

    def receive(self) -> Any:
        """What the process sends: that it is ready, then outcomes.  Raises `_Died`."""
        try:
            return self.pipe.recv()
        except (EOFError, OSError):
            self.process.join(_PATIENCE_S)
            code = self.process.exitcode
            how = f"was killed by signal {-code}" if code and code < 0 else f"ended with status {code}"
            raise _Died(f"the worker process {how}") from None

    def end(self) -> None:
        """Nothing more to do: it ends when it sees that."""
        self.pipe.close()
        self.process.join()

    def kill(self) -> None:
        self.process.terminate()
        self.process.join(_PATIENCE_S)
        self.process.kill()
        self.process.join()
        self.pipe.close()


@contextmanager
def _no_interrupts() -> Iterator[None]:
    """A process that starts in here never sees a Ctrl-C, which is the business of the one that started it."""
    resource_tracker.ensure_running()  # it would lift the mask when it starts
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(pipe: Connection, work: Work) -> None:
    """The process: measures points until the pipe is closed at the other end."""
    pipe.send(_READY)
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            pipe.send(attempt(work, pipe.recv()))
