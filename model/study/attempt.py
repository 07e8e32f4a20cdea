"""One measurement, wherever it is made: what comes of it, told in plain values."""

import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from spec.errors import InputError

Work = Callable[[dict], dict]
"""Measures a point: a function at the top of a module, by whose name another process finds it."""

_LONGEST_ERROR = 500
_ONE_AT_A_TIME = threading.Lock()
"""A worker of a cluster may have several threads; data sets, tables and networks are kept per process."""


class Outcome(NamedTuple):
    values: dict[str, Any]
    error: str | None
    """Why there are no values: one line."""
    seconds: float


def attempt(work: Work, point: dict) -> Outcome:
    """Measure a point on one core; an error becomes part of the outcome."""
    with _ONE_AT_A_TIME, threadpool_limits(limits=1):
        started = perf_counter()
        try:
            values, error = plain(work(point)), None
            if not isinstance(values, dict):
                raise TypeError(f"{work.__name__} gave a {type(values).__name__}, not a dict")
        except Exception as caught:
            values, error = {}, describe(caught)
        return Outcome(values, error, perf_counter() - started)


def describe(error: BaseException) -> str:
    """An error as one line, with the place that raised it unless it is the input's."""
    text = " ".join(str(error).split())
    if not isinstance(error, InputError):
        frames = traceback.extract_tb(error.__traceback__)
        place = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
        text = f"{type(error).__name__}: {text}{place}" if text else f"{type(error).__name__}{place}"
    return text if len(text) <= _LONGEST_ERROR else f"{text[:_LONGEST_ERROR]}..."


def plain(value: Any) -> Any:
    """Values as JSON has them: numbers and arrays of numpy, tuples and paths are turned into those.

    Raises `TypeError` for others.
    """
    if isinstance(value, dict):
        return {str(name): plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Path):
        return str(value)
    if value is None or type(value) in (bool, int, float, str):
        return value
    raise TypeError(f"a {type(value).__name__} is not a result that can be kept")
