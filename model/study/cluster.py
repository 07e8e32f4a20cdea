"""Points measured by the workers of a Dask cluster.

The scheduler gives a point whose worker has died to another one, and gives up when several have died of it.
"""

import asyncio
import concurrent.futures
import uuid
from collections.abc import Generator, Sequence
from contextlib import suppress

from model.study.attempt import Outcome, Work, attempt, describe
from spec.errors import InputError

_GONE = (OSError, TimeoutError, asyncio.CancelledError, concurrent.futures.CancelledError)
"""What calls of a client raise when its scheduler is not there any more."""
_CONNECT_S = 10
_WORKERS_S = 60


def on_cluster(points: Sequence[dict], work: Work, address: str) -> Generator[tuple[int, Outcome]]:
    """Yields (place in `points`, outcome) as they come; `close()` takes back what has not begun.

    Raises `InputError` if there is no scheduler, if no worker comes, or if the scheduler goes away.
    """
    try:
        from distributed import Client, as_completed
    except ImportError:
        raise InputError(
            'needs Dask, which is not installed: pip install "crosstrain[cluster]"', key="--scheduler"
        ) from None
    try:
        client = Client(address, timeout=_CONNECT_S)
    except (OSError, TimeoutError, ValueError) as error:
        raise InputError(f"no scheduler answers ({describe(error)})", source=address) from None
    with client:
        try:
            client.wait_for_workers(1, timeout=_WORKERS_S)
        except TimeoutError:
            raise InputError(
                f"the cluster has no worker: start some with `dask worker {address} --nthreads 1`",
                source=address,
            ) from None
        run = uuid.uuid4().hex
        keys = [f"point-{run}-{place}" for place in range(len(points))]
        futures = client.map(attempt, [work] * len(points), points, key=keys, pure=False)
        places = {future.key: place for place, future in enumerate(futures)}
        try:
            for future in as_completed(futures):
                if (outcome := _outcome(future)) is None:
                    raise InputError("the scheduler has gone away; the same command goes on", source=address)
                yield places[future.key], outcome
        finally:
            with suppress(*_GONE):
                client.cancel(futures)


def _outcome(future) -> Outcome | None:
    """None: it cannot be had any more.  A result whose worker has died meanwhile is waited for again."""
    if future.status == "cancelled":
        return None
    if future.status == "error":
        return Outcome({}, _why(future.exception()), 0.0)
    try:
        return future.result()
    except _GONE:
        return None
    except Exception as error:  # what the work raised is in an outcome, so that this is the cluster's
        return Outcome({}, _why(error), 0.0)


def _why(error: BaseException) -> str:
    from distributed import KilledWorker

    if isinstance(error, KilledWorker):
        return f"{error.allowed_failures + 1} worker processes that it was given to have died"
    return describe(error)
