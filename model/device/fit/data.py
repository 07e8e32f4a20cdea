"""What was measured: sweeps of pulses with conductances, or a table of steps."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter

Floats = NDArray[np.float64]

UP, DOWN = 0, 1
"""Polarities, as everywhere: 0 potentiates."""
OUTLIER_SIGMAS = 6.0
"""A point this far from the median of five is set aside, in sigmas of the scatter of its neighbourhood."""
LEAST_OUTLIER = 0.05
"""But never one that is nearer than this share of the range: those only count less in the fit."""
NEIGHBOURHOOD = 31
STUCK_SHARE = 0.1
"""A cell that moves by less than this share of what the median cell moves is stuck."""


@dataclass(frozen=True)
class Sweep:
    """Pulses of one polarity on one cell, one after the other."""

    cell: str
    polarity: int
    pulses: NDArray[np.int64]
    """Pulses before each reading, rising; a number that comes several times was read several times."""
    g: Floats
    """Conductances in uS."""


@dataclass(frozen=True)
class Response:
    """A measured pulse response, in the order of the measurement."""

    sweeps: tuple[Sweep, ...]
    notes: tuple[str, ...] = ()
    stuck: tuple[str, ...] = ()
    """Cells that never move; their sweeps are left out."""

    @property
    def cells(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(sweep.cell for sweep in self.sweeps))

    def longest(self, polarity: int) -> int:
        """Pulses of the longest sweep of a polarity; 0 where there is none."""
        return max((int(s.pulses[-1]) for s in self.sweeps if s.polarity == polarity), default=0)


@dataclass(frozen=True)
class Jumps:
    """Steps of single pulses against the conductance that they start from."""

    cell: NDArray[np.str_]
    polarity: NDArray[np.int64]
    g: Floats
    """Conductance before the pulse, uS."""
    step: Floats
    """Change by the pulse, uS, positive in the pulse's direction."""
    notes: tuple[str, ...] = ()


def moved(sweep: Sweep) -> float:
    """How far a sweep went in its own direction, uS, from its first to its last fifth."""
    fifth = max(1, len(sweep.g) // 5)
    way = float(np.median(sweep.g[-fifth:]) - np.median(sweep.g[:fifth]))
    return -way if sweep.polarity == DOWN else way


def _outliers(sweep: Sweep, least: float) -> NDArray[np.bool_]:
    """Points far from their neighbours, by the scatter of a point about the mean of the two beside it."""
    padded = np.pad(sweep.g, 1, mode="edge")
    scatter = np.abs(sweep.g - (padded[:-2] + padded[2:]) / 2)
    sigma = 1.4826 * median_filter(scatter, NEIGHBOURHOOD, mode="nearest")
    off = np.abs(sweep.g - median_filter(sweep.g, 5, mode="nearest"))
    return off > np.maximum(OUTLIER_SIGMAS * sigma, least)


def clean(response: Response) -> Response:
    """Stuck cells and far outliers apart, with a note on each."""
    travel = {c: np.mean([moved(s) for s in response.sweeps if s.cell == c]) for c in response.cells}
    usual = float(np.median(list(travel.values())))
    stuck = tuple(c for c in travel if len(travel) >= 3 and travel[c] < STUCK_SHARE * usual)
    kept, count, total = [], 0, 0
    for sweep in response.sweeps:
        if sweep.cell not in stuck:
            out = _outliers(sweep, LEAST_OUTLIER * abs(usual))
            kept.append(replace(sweep, pulses=sweep.pulses[~out], g=sweep.g[~out]))
            count, total = count + int(out.sum()), total + len(out)
    notes = list(response.notes)
    if stuck:
        notes.append(f"{len(stuck)} of {len(travel)} cells do not move: stuck, and left out of the fit")
    if count:
        notes.append(f"{count} of {total} points are outliers and left out of the fit")
    return replace(response, sweeps=tuple(kept), notes=tuple(notes), stuck=stuck)
