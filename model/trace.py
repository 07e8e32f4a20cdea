"""What a golden run leaves behind: stages of its samples, rows with pulses, strobes."""

from typing import NamedTuple

import numpy as np

from model.record import Strobes
from spec.params import HwParams

CHUNKS = range(128, 513)
"""Samples per call of the kernel: many, because a call has its price, but of a large layer few: they bound the logs."""
_LOG_BYTES = 1 << 22


class Trace(NamedTuple):
    """Stages of a chunk of samples, one row per sample; `entries` counts the rows with pulses."""

    codes: np.ndarray  # int32[n, rows]
    conversion: np.ndarray
    """int32[n, planes, grid_rows * columns], of bit-serial reads, several rows of macros, or with calibration."""
    column: np.ndarray  # int32[n, planes, columns], of several rows of macros
    adc: np.ndarray  # int32[n, columns]
    hidden: np.ndarray  # int32[n, columns]
    logits: np.ndarray  # int32[n, classes]
    verdict: np.ndarray  # int32[n, 4]: update, target, rival, prediction
    delta: np.ndarray  # int32[n, columns]
    entries: np.ndarray  # int32[n]
    sums: np.ndarray  # int32[grid_rows, columns], scratch


class Log(NamedTuple):
    """Rows with pulses in order: of the update rule (entries) or on the write lines (strobes)."""

    row: np.ndarray  # int32[capacity]
    up: np.ndarray  # uint8[capacity, columns]
    down: np.ndarray  # uint8[capacity, columns]


def chunk_of(params: HwParams) -> int:
    """Samples per call of the kernel, and the grain of progress."""
    fits = _LOG_BYTES // (2 * params.rows * params.columns)
    return min(max(fits, CHUNKS.start), CHUNKS.stop - 1)


def parts(samples: int, chunk: int, refresh: int) -> list[range]:
    """A run in pieces of at most `chunk` samples, none of them across a multiple of `refresh` (0: anywhere)."""
    found, first = [], 0
    while first < samples:
        last = min(first + chunk, samples)
        if refresh:
            last = min(last, first - first % refresh + refresh)
        found.append(range(first, last))
        first = last
    return found


def rows_log(capacity: int, columns: int) -> Log:
    return Log(
        np.empty(capacity, np.int32),
        np.empty((capacity, columns), np.uint8),
        np.empty((capacity, columns), np.uint8),
    )


def new_trace(p: HwParams, n: int, planes: int, *, whole: bool) -> Trace:
    """planes: of a bit-serial read, else 0; whole: there are places for all stages, else for verdicts and entries only."""

    def zeros(samples: int, *shape: int) -> np.ndarray:
        return np.zeros((samples, *shape), np.int32)

    stages, several = n if whole else 0, p.grid_rows > 1
    conversions = max(planes, int(several), p.calibration) if whole else 0
    return Trace(
        codes=zeros(stages, p.rows),
        conversion=zeros(n, conversions, p.grid_rows * p.columns),
        column=zeros(n, conversions if several else 0, p.columns),
        adc=zeros(stages, p.columns),
        hidden=zeros(stages, p.columns),
        logits=zeros(stages, p.classes),
        verdict=zeros(n, 4),
        delta=zeros(stages, p.columns),
        entries=zeros(n),
        sums=np.zeros((p.grid_rows, p.columns), np.int32),
    )


def copied(log: Log, length: int) -> Strobes:
    row, up, down = (array[:length].copy() for array in log)
    return Strobes(row, up, down, np.zeros(length, np.uint8))


def row_strobes(row: int, up: np.ndarray, down: np.ndarray, depress: int) -> Strobes:
    """Strobes of one row in order; masks uint8[n, columns]."""
    return Strobes(np.full(len(up), row, np.int32), up, down, np.full(len(up), depress, np.uint8))


def entry_rows(log: Strobes) -> list[np.ndarray]:
    """Rows with pulses as flat vectors: row, up..., down..."""
    return list(np.concatenate([log.row[:, None], log.up, log.down], axis=1, dtype=np.int32))


def strobe_rows(strobes: Strobes) -> list[np.ndarray]:
    """Strobes as flat vectors: row, up..., down..., depress."""
    parts = (strobes.row[:, None], strobes.up, strobes.down, strobes.depress[:, None])
    return list(np.concatenate(parts, axis=1, dtype=np.int32))


def collect(traces: dict[str, list[np.ndarray]], t: Trace, entries: Strobes, *, first_trained: bool) -> None:
    samples = len(traces["verdict"]) + np.arange(len(t.entries))
    traces.setdefault("entry_sample", []).extend(np.repeat(samples, t.entries))
    for name in ("codes", "adc", "hidden", "logits", "verdict"):
        traces[name] += list(getattr(t, name))
    for name in ("conversion", "column"):
        if name in traces:
            traces[name] += [codes for sample in getattr(t, name) for codes in sample]
    if first_trained:
        traces["delta"] += list(t.delta[t.verdict[:, 0] == 1])
    traces["entry"] += entry_rows(entries)


def collect_upper(traces: dict[str, list[np.ndarray]], strobes: Strobes, rows: np.ndarray) -> None:
    """The upper array's pulses, which are not deferred: rows int64[n] of each sample's."""
    samples = len(traces["verdict"]) - len(rows) + np.arange(len(rows))
    traces.setdefault("upper_entry_sample", []).extend(np.repeat(samples, rows))
    traces["upper_entry"] += entry_rows(strobes)
    traces["upper_strobe"] += strobe_rows(strobes)
