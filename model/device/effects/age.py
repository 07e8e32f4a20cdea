"""What time does to the states: drift and loss of retention, applied at once when the array is next read.

Drift (PCM; V. Joshi et al., Nat. Commun. 11:2473, 2020, and IBM aihwkit's inference model): G(t) = G (1 + t / t0)^-nu, where
G is the conductance t0 after writing and t counts from then, nu = drift_nu (1 + drift_sigma z) of the cell, 0 or more.  Retention: the relative state decays
towards rest, x(t) = rest + (x - rest) exp(-t / tau), tau log-normal over cells with median retention_s.  Stuck cells and those
at the end of their life hold; no cell leaves its range.  The time before the online epoch (`age_s`) and after it (`shelf_s`) follow each other.
"""

from enum import IntEnum
from typing import NamedTuple

import numpy as np

from model.device.cell import cell_range, moves, update_difference
from model.device.effects.quantiles import NORMAL
from model.jit import kernel
from spec.effects import ModelEffects
from spec.numerics import saturate

FRACTION_BITS = 16
_HALF = 1 << (FRACTION_BITS - 1)


class Wait(IntEnum):
    """What an array has waited for when it is read next."""

    NOTHING = 0
    TRANSFER = 1
    EPOCH = 2


class Passing(NamedTuple):
    """What a time does, by the byte of a cell, 16 fraction bits."""

    drift: np.ndarray
    """Factors on the conductance, int64[256]."""
    kept: np.ndarray
    """Factors on the distance to rest, int64[256]."""
    rest: int


def _rounded(factors: np.ndarray) -> np.ndarray:
    return np.rint(factors * (1 << FRACTION_BITS)).astype(np.int64)


def passing(settings: ModelEffects, wait: Wait) -> Passing | None:
    """The tables of a wait; None where nothing changes."""
    s = settings
    before, time = (0.0, s.age_s) if wait is Wait.TRANSFER else (s.age_s, s.shelf_s)
    if wait is Wait.NOTHING or time == 0 or not (s.drift_nu > 0 or s.retention_s > 0):
        return None
    nu = np.maximum(s.drift_nu * (1.0 + s.drift_sigma * NORMAL), 0.0)
    drift = ((s.drift_t0_s + before + time) / (s.drift_t0_s + before)) ** -nu
    tau = s.retention_s * np.exp(s.retention_sigma * NORMAL)
    kept = np.exp(-time / tau) if s.retention_s > 0 else np.ones_like(nu)
    return Passing(_rounded(drift), _rounded(kept), round(s.retention_rest * (1 << FRACTION_BITS)))


@kernel
def pass_time(state, passing):
    """Apply a `Passing` to all cells of a macro with effects."""
    rows, columns, _ = state.g.shape
    for row in range(rows):
        for column in range(columns):
            for minus in range(2):
                if moves(state, row, column, minus):
                    trait = np.int64(state.effects.traits[row, column, minus])
                    lo, s, hi = cell_range(state, row, column, minus)
                    rest = lo + ((s * passing.rest) >> FRACTION_BITS)
                    g = np.int64(state.g[row, column, minus])
                    g = rest + (((g - rest) * passing.kept[(trait >> 8) & 255] + _HALF) >> FRACTION_BITS)
                    g = (g * passing.drift[trait & 255] + _HALF) >> FRACTION_BITS
                    state.g[row, column, minus] = saturate(g, lo, hi)
            update_difference(state, row, column)
