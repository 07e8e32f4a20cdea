"""Points measured by the workers of a Dask cluster.

The scheduler gives a point whose worker has died to another one, and gives up when several have died of it.
"""

import uuid
from collections.abc import Generator, Sequence

from model.study.attempt import Outcome, Work, attempt, describe
from spec.errors import InputError

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
                if future.status == "finished":
                    yield places[future.key], future.result()
                elif future.status == "error":
                    yield places[future.key], Outcome({}, _why(future), 0.0)
                else:
                    raise InputError("the scheduler has gone away; the same command goes on", source=address)
        finally:
            client.cancel(futures)


def _why(future) -> str:
    from distributed import KilledWorker

    error = future.exception()
    if isinstance(error, KilledWorker):
        return f"{error.allowed_failures + 1} worker processes that it was given to have died"
    return describe(error)
