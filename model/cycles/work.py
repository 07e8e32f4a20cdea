"""What flows in a run, as counts: of the samples, of the pulses, and how long the array takes for each operation."""

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from model.controller.settings import BIT_SERIAL, integrate_cycles, settings
from spec.grid import tiles
from spec.params import HwParams
from spec.registers import VERIFY_WAYS, reset_value


def _nothing() -> np.ndarray:
    return np.zeros(0, np.int64)


def _no_samples() -> np.ndarray:
    return np.zeros((0, 1), np.int64)


def _no_pulses() -> np.ndarray:
    return np.zeros((0, 1), np.uint8)


def _no_cells() -> np.ndarray:
    return np.zeros((0, 2), np.int64)


@dataclass(frozen=True)
class Array:
    """Times of the array in cycles: how many `ready` is low in each integrate, strobe, and reading of a loop's cells."""

    integrate: np.ndarray  # int64[integrates]
    strobe: np.ndarray  # int64[strobes]
    readout: np.ndarray = field(default_factory=_nothing)  # int64[loops]


@dataclass(frozen=True)
class Work:
    """What a run does; what there is none of has no rows."""

    hidden: np.ndarray = field(default_factory=_no_samples)
    """int64[samples, adc_groups]: hidden codes that are not zero."""
    updates: np.ndarray = field(default_factory=_nothing)
    """int64[samples]: 0 or 1."""
    rows: np.ndarray = field(default_factory=_no_samples)
    """int64[samples, row_words]: input codes that are not zero; the bias row is one."""
    pulsed: np.ndarray = field(default_factory=_no_pulses)
    """uint8[samples, rows]: whether the k-th non-zero row of an updating sample has pulses."""
    words: np.ndarray = field(default_factory=_nothing)
    """int64[samples]: words of errors in the fullest bank of the update memory."""
    strobes: np.ndarray = field(default_factory=_nothing)
    """int64[rows]: strobes of each row of a transfer."""
    loops: np.ndarray = field(default_factory=_nothing)
    """int64[loops]: pulses on each cell or pair that is verified or tuned, in order."""
    cells: np.ndarray = field(default_factory=_no_cells)
    """int64[loops, 2]: their row and column."""
    pairs: np.ndarray = field(default_factory=_nothing)
    """int64[entries]: pairs to tune of each row with pulses."""


class Timing(Protocol):
    """Cycles of the operations of a macro: hw/macro/timing.py."""

    def integrate_latency(self, params: HwParams, integrate_cycles: int, codes: list[int]) -> int: ...
    def strobe_latency(self, params: HwParams, width: int, up: np.ndarray, down: np.ndarray) -> int: ...
    def readout_latency(self, params: HwParams, column: int) -> int: ...


def times(params: HwParams, registers: dict[str, int]) -> tuple[int, int]:
    """Cycles of an integration and a pulse as the hardware takes them."""
    return integrate_cycles(params, registers), max(1, registers.get("PULSE", reset_value("PULSE")))


def reads_serially(params: HwParams, registers: dict[str, int]) -> bool:
    """Whether a read is one integrate for each bit plane."""
    return settings(params, registers).encoding == BIT_SERIAL


def ideal_array(params: HwParams, registers: dict[str, int], work: Work) -> Array:
    """The fastest array that keeps to the port: ready again in the first cycle without a strobe, a reading integrates."""
    integrate, pulse = times(params, registers)
    reads = len(work.updates) * (params.dac_bits if reads_serially(params, registers) else 1)
    strobes = int(work.pulsed.sum() if not len(work.loops) else work.loops.sum()) + int(work.strobes.sum())
    return Array(
        np.full(reads, integrate, np.int64),
        np.full(strobes, pulse - 1, np.int64),  # ready falls in the cycle after the rising strobe
        np.full(len(work.loops), integrate, np.int64),
    )


def emulated_array(
    params: HwParams, registers: dict[str, int], trace: dict, work: Work, timing: Timing
) -> Array:
    """The emulated array.  trace: of the golden run; work: what it does; timing: hw/macro/timing.py.

    Of several macros the last that is ready counts; those that a strobe or a reading leaves alone stay ready.
    """
    integrate, pulse = times(params, registers)
    c, macros = params.columns, tiles(params)
    planes = range(params.dac_bits) if reads_serially(params, registers) else ()
    driven = [
        part for codes in trace.get("codes", ()) for part in ([codes >> k & 1 for k in planes] or [codes])
    ]
    strobes = []
    for strobe in trace["strobe"]:
        row, up, down = strobe[0], strobe[1 : c + 1], strobe[c + 1 : 2 * c + 1]
        lines = [
            (t.params, up[t.columns], down[t.columns]) for t in macros if t.rows.start <= row < t.rows.stop
        ]
        strobes.append(max(timing.strobe_latency(p, pulse, u, d) for p, u, d in lines if u.any() or d.any()))
    readouts = [
        timing.readout_latency(tile.params, int(column) - tile.first_column)
        for row, column in work.cells
        for tile in macros
        if tile.rows.start <= row < tile.rows.stop and tile.columns.start <= column < tile.columns.stop
    ]
    integrates = [
        max(timing.integrate_latency(t.params, integrate, list(codes[t.rows])) for t in macros)
        for codes in driven
    ]
    return Array(*(np.array(values, np.int64) for values in (integrates, strobes, readouts)))


class Gathered:
    """The work of a run of samples, from what the golden model knows of a chunk of them after the other."""

    def __init__(self, params: HwParams):
        self.params = params
        self._samples: list[tuple[np.ndarray, ...]] = []
        self._loops: list[tuple[np.ndarray, ...]] = []
        groups = [params.group_columns(group) for group in range(params.adc_groups)]
        self._groups = np.array([[params.columns if c is None else c for c in group] for group in groups])

    def add(self, codes, hidden, updates, delta, entry_sample, entry_row) -> None:
        """Samples in order: codes int[n, rows], hidden and delta int[n, columns] (0 without an update), updates int[n].

        entry_sample, entry_row: of each row with pulses, the place of its sample among these, and the row.
        """
        p, n = self.params, len(codes)
        driven = np.zeros((n, p.row_words * p.dac_load_lanes), bool)
        driven[:, : p.rows] = codes != 0
        active = np.zeros((n, p.columns + 1), bool)
        active[:, : p.columns] = hidden != 0
        pulsed = np.zeros((n, p.rows), np.uint8)
        before = driven.cumsum(axis=1) - driven
        pulsed[entry_sample, before[entry_sample, entry_row]] = 1
        self._samples.append((
            active[:, self._groups].sum(axis=2),
            np.asarray(updates, np.int64),
            driven.reshape(n, p.row_words, -1).sum(axis=2),
            pulsed,
            fullest_banks(p, delta),
        ))  # fmt: skip

    def add_tuned(
        self, rows: np.ndarray, masks: np.ndarray, strobes: np.ndarray, columns: np.ndarray
    ) -> None:
        """A commit of a tune run: its rows int[k] and the pairs to tune, bool[k, columns]; row and column of each strobe.

        Some pairs take no pulse.
        """
        place, found = np.nonzero(masks)
        loop_of = np.full(masks.shape, -1)
        loop_of[place, found] = np.arange(len(found))
        at = {int(row): k for k, row in enumerate(rows)}
        loops = loop_of[[at[int(row)] for row in strobes], columns]
        self._loops.append((
            np.bincount(loops, minlength=len(found)).astype(np.int64),
            np.stack([np.asarray(rows, np.int64)[place], found], axis=1),
            np.count_nonzero(masks, axis=1),
        ))  # fmt: skip

    def work(self) -> Work:
        """Of all samples so far."""
        samples = [np.concatenate(parts) for parts in zip(*self._samples, strict=True)]
        loops = [np.concatenate(parts) for parts in zip(*self._loops, strict=True)]
        return Work(*samples, **dict(zip(("loops", "cells", "pairs"), loops, strict=bool(loops))))


def work_of(params: HwParams, trace: dict) -> Work:
    """The work of a golden run of samples with all stages traced (`GoldenController.run(..., trace=True)`)."""
    n, c = len(trace["codes"]), params.columns
    updates = np.array([verdict[0] for verdict in trace["verdict"]], np.int64)
    delta = np.zeros((n, c), np.int64)
    delta[updates == 1] = np.array(trace["delta"], np.int64).reshape(-1, c)
    samples = np.array(trace.get("entry_sample", ()), np.int64)
    entries = np.array(trace["entry"], np.int64).reshape(-1, 2 * c + 1)
    gathered = Gathered(params)
    codes, hidden = (np.array(trace[name]).reshape(n, -1) for name in ("codes", "hidden"))
    gathered.add(codes, hidden, updates, delta, samples, entries[:, 0])
    if "tuned" in trace:
        masks = (entries[:, 1 : c + 1] | entries[:, c + 1 :]) != 0
        strobes = np.array(trace["strobe"], np.int64).reshape(-1, 2 * c + 2)
        columns = (strobes[:, 1 : c + 1] | strobes[:, c + 1 : 2 * c + 1]).argmax(axis=1)
        of_strobe = np.repeat(np.arange(n), trace["tuned"])
        for sample in range(n):
            own, done = samples == sample, of_strobe == sample
            gathered.add_tuned(entries[own, 0], masks[own], strobes[done, 0], columns[done])
    return gathered.work()


def fullest_banks(params: HwParams, delta: np.ndarray) -> np.ndarray:
    """Words in which the fullest bank of the update memory has an error, int64[n], 1 at least; delta: int[n, columns]."""
    p = params
    padded = np.zeros((len(delta), p.update_words * p.update_columns), bool)
    padded[:, : p.columns] = delta != 0
    has_error = padded.reshape(-1, p.update_words, p.update_banks, p.bank_columns).any(axis=3)
    return np.maximum(1, has_error.sum(axis=1).max(axis=1)).astype(np.int64)


def transfer_work(counts: np.ndarray) -> Work:
    """The work of a transfer; counts: int[rows, columns]."""
    return Work(strobes=np.abs(counts).max(axis=1).astype(np.int64))


def verify_work(params: HwParams, way: str, pulses: np.ndarray) -> Work:
    """The work of a verify run; way: of VERIFY_WAYS; pulses: of the run on each cell, int[rows, columns, 2]."""
    pulses = pulses.astype(np.int64)
    cells = np.moveaxis(np.indices(pulses.shape)[:2], 0, -1)
    if way == VERIFY_WAYS[1]:
        pulses, cells = pulses.sum(axis=2), cells[:, :, 0]
    return Work(loops=pulses.ravel(), cells=cells.reshape(-1, 2))
