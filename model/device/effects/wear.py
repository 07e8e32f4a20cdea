"""Endurance: a cell that is pulsed loses step and range, and in the end no longer moves.

After n of its N pulses, step and range are 1 - loss n / N of what they were, linear in n; at N the cell stays where it is.
N is log-normal over cells, median `endurance`.  That range and linearity of analog RRAM fall with the number of weak pulses:
M. Zhao et al., IEDM 2018, doi 10.1109/IEDM.2018.8614664; the linear form is an assumption.  The range shrinks from the top.
"""

import numpy as np

from model.device.effects.quantiles import NORMAL
from model.jit import kernel

LONGEST = 1 << 40
"""Pulses; more than any cell gets."""
AGE_BITS = 16


def lives(endurance: float, sigma: float) -> np.ndarray:
    """N by the byte of a cell, int64[256]; empty without wear."""
    if endurance == 0:
        return np.zeros(0, np.int64)
    return np.clip(np.rint(endurance * np.exp(sigma * NORMAL)), 1, LONGEST).astype(np.int64)


@kernel
def kept_share(effects, row, column, minus, pulses):
    """What is left of step and range after `pulses`, 16 fraction bits: 0 of a cell that no longer moves, None without wear."""
    if effects is None:
        return None
    life = effects.tables.life
    if life.shape[0] == 0:
        return np.int64(1 << AGE_BITS)
    most = life[(np.int64(effects.traits[row, column, minus]) >> 16) & 255]
    if pulses >= most:
        return np.int64(0)
    age = (np.int64(pulses) << AGE_BITS) // most
    return np.int64((1 << AGE_BITS) - ((effects.tables.loss * age) >> AGE_BITS))


@kernel
def alive(kept):
    """Whether a cell with this share left still moves."""
    if kept is None:
        return True
    return kept > 0


@kernel
def worn(kept, value):
    """A step or a range of a cell with this share left."""
    if kept is None:
        return value
    return (value * kept) >> AGE_BITS


@kernel
def top_of(kept, lo, s, hi):
    """The highest state of a cell with this share left; lo, s, hi: its lowest, its range, its highest when new."""
    if kept is None:
        return hi
    return min(hi, lo + ((s * kept) >> AGE_BITS))
