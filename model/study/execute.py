"""Points measured one after the other on many processes: resumable, and no failure of one is another's."""

import os
import signal
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from time import monotonic

import pyarrow as pa

from model.study.attempt import Outcome, Work, plain
from model.study.cluster import on_cluster
from model.study.processes import in_processes
from model.study.store import DONE, FAILED, Row, Store, flatten, key_of
from spec.errors import InputError

SAVE_EVERY_S = 3.0
_SAVING_SHARE = 20
"""Saving takes at most one in so many seconds, however long the table is."""


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0))


def execute(
    points: Sequence[dict],
    work: Work,
    path: Path,
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> pa.Table:
    """Measure the points that `path` has no result of; returns the rows of all of them, in their order.

    points: dicts of JSON values.  Neighbours go to the same process as far as may be.
    work: a function at the top of a module; gives a dict of numbers, texts, lists and tables, by names that no
    point has.
    path: the Parquet file (`store`), of which points that failed are tried again, and rows of other points kept.
    workers: processes, one for each core if None; scheduler: address of a Dask scheduler, whose workers are taken
    instead.  progress: called with (points that have a result, points).

    A point that fails is a row with status "failed".  Raises `InputError` (file, scheduler); `KeyboardInterrupt`
    with a message, on Ctrl-C and SIGTERM, when what is there has been saved.
    """
    keys = [key_of(point) for point in points]
    columns = {key: flatten(plain(point)) for key, point in zip(keys, points, strict=True)}
    with Store(path) as store:
        todo = {key: point for key, point in zip(keys, points, strict=True) if not store.is_done(key)}
        finished = len(columns) - len(todo)
        if progress:
            progress(finished, len(columns))
        with _told_when_interrupted(store, columns):
            with _saving(store), closing(_outcomes(todo, work, workers, scheduler)) as outcomes:
                for key, outcome in outcomes:
                    store.put(key, _row(columns[key], outcome))
                    finished += 1
                    if progress:
                        progress(finished, len(columns))
        return store.table(dict.fromkeys(keys))


def _outcomes(
    todo: dict[str, dict], work: Work, workers: int | None, scheduler: str | None
) -> Generator[tuple[str, Outcome]]:
    if not todo:
        return
    keys, points = list(todo), list(todo.values())
    if scheduler is not None:
        found = on_cluster(points, work, scheduler)
    else:
        found = in_processes(points, work, workers or cores())
    with closing(found):
        for place, outcome in found:
            yield keys[place], outcome


def _row(columns: Row, outcome: Outcome) -> Row:
    values, error = flatten(outcome.values), outcome.error
    if double := sorted((columns.keys() | {"key", "status", "error", "seconds"}) & values.keys()):
        values, error = {}, f"the result has a value named as the point's {double[0]}"
    status = DONE if error is None else FAILED
    return columns | values | {"status": status, "error": error, "seconds": outcome.seconds}


@contextmanager
def _saving(store: Store) -> Iterator[None]:
    """Save every few seconds, by a thread, as the next result may be hours away; and at the end, whatever it is."""
    stop = threading.Event()

    def save_now_and_then() -> None:
        pause = SAVE_EVERY_S
        while not stop.wait(pause):
            began = monotonic()
            try:
                store.save()
            except InputError:
                return  # the save at the end tells it
            pause = max(SAVE_EVERY_S, _SAVING_SHARE * (monotonic() - began))

    thread = threading.Thread(target=save_now_and_then, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        store.save()


@contextmanager
def _told_when_interrupted(store: Store, keys: dict[str, Row]) -> Iterator[None]:
    """Save and say how to go on when there is a Ctrl-C; SIGTERM is as good as one."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    in_main = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGTERM, interrupt) if in_main else None
    try:
        yield
    except KeyboardInterrupt:
        done = sum(store.is_done(key) for key in keys)
        raise KeyboardInterrupt(
            f"{done} of {len(keys)} points are in {store.path}; the same command goes on from there"
        ) from None
    finally:
        if in_main:
            signal.signal(signal.SIGTERM, before)
