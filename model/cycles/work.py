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


def work_of(params: HwParams, trace: dict) -> Work:
    """The work of a golden run of samples with all stages traced (`GoldenController.run(..., trace=True)`)."""
    n, p = len(trace["codes"]), params
    codes = np.zeros((n, p.row_words * p.dac_load_lanes), np.int64)
    codes[:, : p.rows] = np.array(trace["codes"]).reshape(n, p.rows)
    hidden = np.zeros((n, p.columns + 1), np.int64)  # the last stays 0
    hidden[:, : p.columns] = np.array(trace["hidden"]).reshape(n, p.columns)
    groups = [
        [p.columns if c is None else c for c in p.group_columns(group)] for group in range(p.adc_groups)
    ]
    pulsed = np.zeros((n, p.rows), np.uint8)
    for sample, entry in zip(trace.get("entry_sample", ()), trace["entry"], strict=True):
        pulsed[sample, np.count_nonzero(codes[sample, : entry[0]])] = 1
    updates = np.array([v[0] for v in trace["verdict"]], np.int64)
    words = np.ones(n, np.int64)
    words[updates == 1] = [fullest_bank(params, delta) for delta in trace["delta"]]
    return Work(
        hidden=(hidden[:, np.array(groups)] != 0).sum(axis=2),
        updates=updates,
        rows=(codes != 0).reshape(n, p.row_words, -1).sum(axis=2),
        pulsed=pulsed,
        words=words,
        **(_tuned(params, trace) if "tuned" in trace else {}),
    )


def fullest_bank(params: HwParams, delta: np.ndarray) -> int:
    """Words in which the fullest bank of the update memory has an error, 1 at least; delta: int[columns]."""
    p = params
    padded = np.zeros(p.update_words * p.update_columns, np.int64)
    padded[: p.columns] = delta
    has_error = padded.reshape(p.update_words, p.update_banks, p.bank_columns).any(axis=2)
    return max(1, int(has_error.sum(axis=0).max()))


def _tuned(params: HwParams, trace: dict) -> dict[str, np.ndarray]:
    """The loops of a tune run: each pair of a row with pulses, once per sample; some take no pulse."""
    c, pairs = params.columns, []
    loops: dict[tuple[int, int, int], int] = {}
    for sample, entry in zip(trace["entry_sample"], trace["entry"], strict=True):
        found = np.flatnonzero(entry[1 : c + 1] | entry[c + 1 :])
        pairs.append(len(found))
        loops |= {(int(sample), int(entry[0]), int(column)): 0 for column in found}
    for sample, strobe in zip(
        np.repeat(np.arange(len(trace["tuned"])), trace["tuned"]), trace["strobe"], strict=True
    ):
        column = np.flatnonzero(strobe[1 : c + 1] | strobe[c + 1 : 2 * c + 1])[0]
        loops[int(sample), int(strobe[0]), int(column)] += 1
    return {
        "loops": np.array(list(loops.values()), np.int64),
        "cells": np.array([place[1:] for place in loops], np.int64).reshape(-1, 2),
        "pairs": np.array(pairs, np.int64),
    }


def transfer_work(counts: np.ndarray) -> Work:
    """The work of a transfer; counts: int[rows, columns]."""
    return Work(strobes=np.abs(counts).max(axis=1).astype(np.int64))


def verify_work(params: HwParams, way: str, trace: dict) -> Work:
    """The work of a verify run; way: of VERIFY_WAYS; trace: of the golden run."""
    c, shape = params.columns, (params.rows, params.columns, 2)
    pulses = np.zeros(shape, np.int64)
    for strobe in trace["strobe"]:
        pulses[strobe[0]] += strobe[1 : 2 * c + 1].reshape(2, c).T
    cells = np.moveaxis(np.indices(shape)[:2], 0, -1)
    if way == VERIFY_WAYS[1]:
        pulses, cells = pulses.sum(axis=2), cells[:, :, 0]
    return Work(loops=pulses.ravel(), cells=cells.reshape(-1, 2))
