"""Program-verify: the transfer that the hybrid method does without, as a baseline of the golden model.

Pulses of both polarities, one cell at a time, each after a read of the conductance, until it is near its target.
This is code that sees conductances; the controller has nothing of the kind.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from model.device.macro import Events, GoldenMacro, strobe
from model.jit import kernel
from spec.device_image import READ_NOISE_SHIFT, offset
from spec.errors import InputError
from spec.numerics import DOMAIN_READ, GAUSS, GAUSS_INDEX_BITS, draw, event_key

WAYS = ("cell", "pair")
"""What is verified: each cell against its own target, or the difference of each pair."""

_GAUSS = np.array(GAUSS, np.int64)
_GAUSS_MASK = (1 << GAUSS_INDEX_BITS) - 1
_READ_NOISE, _SEED = offset("read_noise"), offset("seed")
_PAIR = 2  # beside 0 and 1, the cells of a pair


class VerifySettings(NamedTuple):
    """When the loop of a cell or pair ends."""

    tolerance: int
    """State codes from the target that are good enough."""
    movement: int
    """State codes; a cell whose reading stays closer to where it was for `give_up` pulses is unresponsive."""
    pulse_cap: int
    """Pulses on one cell or pair."""
    averages: int = 1
    """Reads of which one decision takes the mean."""
    give_up: int = 8
    """Pulses without movement after which a cell, or the cell of a pair that is pulsed, is given up."""


@dataclass(frozen=True)
class VerifyCost:
    """What the transfer took."""

    pulses: int
    """Each a write slot of its own: a pulse on one cell, then a read."""
    reads: int
    given_up: int
    """Cells or pairs left outside the tolerance."""


@kernel
def _reading(state, row, column, what, averages, event):
    """Mean of noisy reads of one cell (`what` 0: G+, 1: G-) or of the difference of the pair, in state codes.

    The noise of a read is that of the read circuit on one row, in the same units as in `integrate`.
    """
    noise = 0
    for k in range(averages):
        key = event_key(state.words[_SEED], DOMAIN_READ, (event + k) & 0xFFFFFFFF)
        noise += _GAUSS[draw(key, column) & _GAUSS_MASK] * state.words[_READ_NOISE]
    noise = ((noise << state.read_shift) >> READ_NOISE_SHIFT) // averages
    if what == _PAIR:
        return np.int64(state.g[row, column, 0]) - np.int64(state.g[row, column, 1]) + noise
    return np.int64(state.g[row, column, what]) + noise


@kernel
def _tune(state, row, column, what, target, s, masks, reads, pulses):
    """The loop of one cell or pair.  Returns the counts of reads and pulses, and whether it was given up.

    A pair is tuned by the cell that carries its sign; when that one is unresponsive, by its partner.
    """
    active = what if what != _PAIR else (0 if target >= 0 else 1)
    partner_left = what == _PAIR
    idle, first, mark = 0, pulses, np.int64(1) << 40
    while True:
        reading = _reading(state, row, column, what, s.averages, reads)
        reads += s.averages
        error = target - reading
        if abs(error) <= s.tolerance:
            return reads, pulses, 0
        if pulses - first >= s.pulse_cap:
            return reads, pulses, 1
        if abs(reading - mark) > s.movement:
            idle, mark = 0, reading
        else:
            idle += 1
        if idle >= s.give_up:
            if not partner_left:
                return reads, pulses, 1
            active, partner_left, idle = 1 - active, False, 0
        raises = error > 0 if what != _PAIR or active == 0 else error < 0
        masks[active, column] = 1
        strobe(state, row, masks[0], masks[1], 0 if raises else 1, pulses & 0xFFFFFFFF)
        masks[active, column] = 0
        pulses += 1


@kernel
def _tune_all(state, targets, pairs, s, reads, pulses):
    """All cells, or all pairs, in row order; targets int64 (rows, columns, 2), of a pair the difference counts."""
    rows, columns, _ = targets.shape
    masks = np.zeros((2, columns), np.uint8)
    given_up = 0
    for row in range(rows):
        for column in range(columns):
            if pairs:
                target = targets[row, column, 0] - targets[row, column, 1]
                reads, pulses, failed = _tune(state, row, column, _PAIR, target, s, masks, reads, pulses)
                given_up += failed
            else:
                for minus in range(2):
                    target = targets[row, column, minus]
                    reads, pulses, failed = _tune(state, row, column, minus, target, s, masks, reads, pulses)
                    given_up += failed
    return reads, pulses, given_up


def verify_transfer(
    macro: GoldenMacro, targets: np.ndarray, way: str, settings: VerifySettings
) -> VerifyCost:
    """Bring every cell (`way` "cell"), or every pair's difference ("pair"), near its target.

    targets: state codes, int[rows, columns, 2].  The macro is not erased before.  Raises `InputError`.
    """
    if way not in WAYS:
        raise InputError(f"{way!r} is not one of {', '.join(WAYS)}", key="verify")
    before = macro.events
    targets = np.ascontiguousarray(targets, np.int64)
    reads, pulses, given_up = _tune_all(macro.state, targets, way == "pair", settings, *before)
    macro.reset(Events(reads, pulses))
    return VerifyCost(pulses - before.strobes, reads - before.integrates, given_up)
