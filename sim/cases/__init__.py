"""Cases for the blocks: how to draw an input, and what the golden function says comes out, shaped as payloads.

A `draw_<block>` makes a case from parameters and a `Pick`; a `golden_<block>` gives its outputs, and the levels
of pins at the end.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import cycle

import numpy as np

from spec.params import HwParams

Pick = Callable[[int, int], int]
"""Chooses an integer of low..high: a random one, or an extreme."""

Outputs = dict[str, list]
"""Payload values per output stream, lists of values per event."""


def extremes() -> Iterator[Pick]:
    """Picks at the ends of every range: all low, all high, in turn, one inside."""
    yield lambda low, high: low
    yield lambda low, high: high
    for pattern in ((0, 1), (1, 0, 0), (1, 1, 0)):
        yield _in_turn(pattern)
    yield lambda low, high: max(low, high - 1)


def _in_turn(pattern: Sequence[int]) -> Pick:
    turn = cycle(pattern)
    return lambda low, high: high if next(turn) else low


def pick_list(pick: Pick, low: int, high: int, length: int) -> list[int]:
    return [pick(low, high) for _ in range(length)]


def words(values: Sequence[int], lanes: int) -> list[list[int]]:
    """Values in groups of `lanes`, the last one filled with 0."""
    padded = [int(v) for v in values] + [0] * (-len(values) % lanes)
    return [padded[k : k + lanes] for k in range(0, len(padded), lanes)]


def flagged(groups: list[list[int]], name: str) -> list[dict]:
    """Payloads of one sample: the groups under `name`, `last` on the final one."""
    return [{name: group, "last": int(k == len(groups) - 1)} for k, group in enumerate(groups)]


def joined(payloads: list[dict], name: str, length: int) -> list[np.ndarray]:
    """The inverse of `flagged` over many samples: int32[length] for each."""
    out, values = [], []
    for payload in payloads:
        values += payload[name]
        if payload["last"]:
            out.append(np.array(values[:length], np.int32))
            values = []
    return out


def grouped(p: HwParams, codes: Sequence[int]) -> list[dict]:
    """Payloads of one read: int[rows of macros * columns], in the groups of the converters; padding is 0."""
    rows = [codes[k : k + p.columns] for k in range(0, len(codes), p.columns)]
    groups = []
    for columns in map(p.group_columns, range(p.adc_groups)):
        groups.append([0 if c is None else int(row[c]) for row in rows for c in columns])
    return flagged(groups, "codes")


def ungrouped(p: HwParams, payloads: list[dict], grid_rows: int = 1) -> list[np.ndarray]:
    """The inverse of `grouped` over many reads: int32[grid_rows * columns] for each."""
    out = []
    for first in range(0, len(payloads), p.adc_groups):
        codes = [item["codes"] for item in payloads[first : first + p.adc_groups]]
        by_row = np.array(codes, np.int32).reshape(p.adc_groups, grid_rows, -1).transpose(1, 0, 2)
        out.append(by_row.reshape(grid_rows, -1)[:, p.column_places].ravel())
    return out
