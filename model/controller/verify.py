"""Program-verify, one decision at a time: a reading and what is remembered go in, what to do next comes out."""

from typing import NamedTuple

from model.jit import kernel

DONE, CAPPED, UNRESPONSIVE, PULSE = 0, 1, 2, 3
"""What to do next: the cell or pair is near its target; it is given up, for its pulses or for want of movement; pulse
the active device and read again."""


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


class Loop(NamedTuple):
    """What is remembered of one cell or pair.  Readings are sums of `averages` reads, so nothing is divided."""

    wanted: int
    """The reading to reach."""
    pair: int
    """1: what is read is the difference of the pair."""
    active: int
    """The device to pulse: 0 G+, 1 G-."""
    partner_left: int
    """1: the other device of the pair has not been tried."""
    moved: int
    """1: `mark` is a reading."""
    mark: int
    """The reading when it last moved."""
    idle: int
    """Readings since then."""
    pulses: int


@kernel
def begin(wanted, pair, active):
    """The loop of a cell (`pair` 0) or of a pair, before its first reading."""
    return Loop(int(wanted), int(pair), int(active), int(pair), 0, 0, 0, 0)


@kernel
def verify(s, loop, reading):
    """What to do after `reading`: (action, depress, loop).  s: `VerifySettings`.

    A pair is tuned by one of its cells; when that one is unresponsive, by its partner.
    """
    error = loop.wanted - reading
    if abs(error) <= s.tolerance * s.averages:
        return DONE, 0, loop
    if loop.pulses >= s.pulse_cap:
        return CAPPED, 0, loop
    idle, mark, active, partner_left = loop.idle + 1, loop.mark, loop.active, loop.partner_left
    if loop.moved == 0 or abs(reading - mark) > s.movement * s.averages:
        idle, mark = 0, reading
    if idle >= s.give_up:
        if partner_left == 0:
            return UNRESPONSIVE, 0, loop
        active, partner_left, idle = 1 - active, 0, 0
    raises = (error > 0) != (loop.pair == 1 and active == 1)
    after = Loop(loop.wanted, loop.pair, active, partner_left, 1, mark, idle, loop.pulses + 1)
    return PULSE, 0 if raises else 1, after
